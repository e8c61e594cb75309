//! The pieces of which a composed object consists.

use std::ops::Range;

/// The fewest bytes of a piece, except of a last piece of the file. S3 accepts no smaller part.
pub const LEAST_PART: u64 = 5 * 1024 * 1024;

/// A piece of a composed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the file that is sent.
    Own(Range<u64>),
    /// Bytes of an object that is in the store.
    Copied(Range<u64>),
}

impl Piece {
    /// The number of bytes.
    pub fn length(&self) -> u64 {
        let (Self::Own(range) | Self::Copied(range)) = self;
        range.end - range.start
    }

    /// Splits the piece into parts of about this size. No part is smaller, unless there is only one.
    pub(super) fn split(&self, size: u64) -> impl Iterator<Item = Self> {
        let (Self::Own(range) | Self::Copied(range)) = self;
        let (start, length, is_own) = (range.start, self.length(), matches!(self, Self::Own(_)));
        let count = (length / size).max(1);
        (0..count).map(move |at| {
            let range = start + length * at / count..start + length * (at + 1) / count;
            if is_own { Self::Own(range) } else { Self::Copied(range) }
        })
    }
}

/// The object from which pieces are copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its key.
    pub key: String,
    /// Its [`super::Stored::version`]. The key may have other bytes by now.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use super::Piece::{self, Copied, Own};

    #[test]
    fn no_part_is_small() {
        let split = |piece: Piece| piece.split(10).collect::<Vec<_>>();
        assert_eq!(split(Own(5..8)), [Own(5..8)]);
        assert_eq!(split(Own(5..24)), [Own(5..24)]);
        assert_eq!(split(Copied(5..25)), [Copied(5..15), Copied(15..25)]);
        assert_eq!(split(Copied(0..39)), [Copied(0..13), Copied(13..26), Copied(26..39)]);
        assert_eq!(split(Own(7..7)), [Own(7..7)]);
    }
}
