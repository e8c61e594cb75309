//! Which sections of a context are packed, and which are copied from an earlier one.

use std::{collections::HashMap, ops::Range, sync::Arc};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::sections::{Section, Sections, each};
use crate::{
    source::tree::{Entry, Tree},
    store::{LEAST_PART, Piece},
};

/// What is done about each section.
#[derive(Clone)]
pub struct Plan {
    sections: Arc<Sections>,
    /// Where a section is in the earlier context; none where it is packed.
    spared: Vec<Option<Range<u64>>>,
}

/// What a walk shows.
pub enum Seen<'a> {
    /// Something in the directory, and its name from there.
    Entry(&'a Entry, &'a [u8]),
    /// The end of a section.
    End {
        /// Whether it is the end of the archive, too.
        last: bool,
    },
}

impl Plan {
    /// Everything is packed.
    pub fn whole(sections: Arc<Sections>) -> Self {
        let spared = vec![None; sections.list.len()];
        Self { sections, spared }
    }

    /// Spares what an earlier context has, given by the ids of its sections and their lengths. None
    /// where that is nothing.
    pub fn sparing(sections: Arc<Sections>, earlier: &[(String, u64)]) -> Option<Self> {
        let spared = spared(&sections.list, earlier);
        spared.iter().any(Option::is_some).then_some(Self { sections, spared })
    }

    /// Shows what is packed.
    pub fn walk(
        &self,
        tree: &Tree,
        context: &Entry,
        cancel: &CancellationToken,
        see: &mut dyn FnMut(Seen<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut at, mut passed) = (0, 0);
        each(tree, context, cancel, &mut |entry, name| {
            let section = self.sections.list.get(at).context("a context has other sections")?;
            let is_packed = self.spared[at].is_none();
            if is_packed {
                see(Seen::Entry(entry, name))?;
            }
            passed += 1;
            if passed == section.entries {
                (at, passed) = (at + 1, 0);
                if is_packed {
                    see(Seen::End { last: at == self.sections.list.len() })?;
                }
            }
            Ok(())
        })
    }

    /// What the context is made of, with the sections and their lengths, when those that are packed
    /// have such lengths.
    pub fn composed(&self, packed: &[u64]) -> (Vec<Piece>, Vec<(String, u64)>) {
        let (mut pieces, mut lengths) = (Vec::new(), Vec::new());
        let (mut packed, mut at) = (packed.iter(), 0);
        for (section, spared) in self.sections.list.iter().zip(&self.spared) {
            let piece = match spared {
                Some(range) => Piece::Copied(range.clone()),
                None => {
                    let from = at;
                    at += packed.next().copied().unwrap_or_default();
                    Piece::Own(from..at)
                }
            };
            lengths.push((section.id.clone(), piece.length()));
            add(&mut pieces, piece);
        }
        (pieces, lengths)
    }
}

/// Adds a piece, to the last one where it is its continuation.
fn add(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), &piece) {
        (Some(Piece::Own(last)), Piece::Own(next))
        | (Some(Piece::Copied(last)), Piece::Copied(next))
            if last.end == next.start =>
        {
            last.end = next.end;
        }
        _ => pieces.push(piece),
    }
}

/// Where the sections are in an earlier context that are copied from it. No part but the last may be
/// small, so a changed section takes neighbours along, and so does what would be a small copy.
fn spared(sections: &[Section], earlier: &[(String, u64)]) -> Vec<Option<Range<u64>>> {
    let found = found(sections, earlier);
    let mut spared = vec![None; sections.len()];
    // What the run of packed sections before this one lacks to be a part, as far as is known.
    let mut owed = 0;
    let mut at = 0;
    while at < sections.len() {
        let Some(first) = found[at].clone() else {
            owed = LEAST_PART;
            at += 1;
            continue;
        };
        if owed > 0 {
            owed = owed.saturating_sub(first.end - first.start);
            at += 1;
            continue;
        }
        let run = run(&found[at..]);
        let length = found[at + run - 1].as_ref().map_or(0, |last| last.end - first.start);
        match length < LEAST_PART {
            true => owed = LEAST_PART - length,
            false => spared[at..at + run].clone_from_slice(&found[at..at + run]),
        }
        at += run;
    }
    spared
}

fn found(sections: &[Section], earlier: &[(String, u64)]) -> Vec<Option<Range<u64>>> {
    let mut places = HashMap::new();
    let mut at = 0;
    for (id, length) in earlier {
        places.insert(id.as_str(), at..at + length);
        at += length;
    }
    sections.iter().map(|section| places.get(section.id.as_str()).cloned()).collect()
}

/// How many of them follow one another in the earlier context.
fn run(found: &[Option<Range<u64>>]) -> usize {
    let follows = |pair: &&[Option<Range<u64>>]| match pair {
        [Some(one), Some(next)] => one.end == next.start,
        _ => false,
    };
    1 + found.windows(2).take_while(follows).count()
}

#[cfg(test)]
mod tests;
