//! Decides which sections of a context are packed, and which are copied from an earlier context.

use std::{collections::HashMap, ops::Range, sync::Arc};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::sections::{Section, Sections, each};
use crate::{
    source::tree::{Entry, Tree},
    store::{LEAST_PART, Piece},
};

/// What happens to each section.
#[derive(Clone)]
pub struct Plan {
    sections: Arc<Sections>,
    /// The range of the section in the earlier context; none if the section is packed.
    spared: Vec<Option<Range<u64>>>,
}

/// One step of [`Plan::walk`].
pub enum Visit<'a> {
    /// An entry of the directory, and its path from there.
    Entry(&'a Entry, &'a [u8]),
    /// The end of a section.
    End {
        /// Whether it is also the end of the archive.
        last: bool,
    },
}

impl Plan {
    /// Packs every section.
    pub fn whole(sections: Arc<Sections>) -> Self {
        let spared = vec![None; sections.list.len()];
        Self { sections, spared }
    }

    /// Copies the sections that an earlier context has, given by the ids and lengths of its sections.
    /// None if it has no such section.
    pub fn sparing(sections: Arc<Sections>, earlier: &[(String, u64)]) -> Option<Self> {
        let spared = spared(&sections.list, earlier);
        spared.iter().any(Option::is_some).then_some(Self { sections, spared })
    }

    /// Visits what is packed.
    pub fn walk(
        &self,
        tree: &Tree,
        context: &Entry,
        cancel: &CancellationToken,
        see: &mut dyn FnMut(Visit<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut at, mut passed) = (0, 0);
        each(tree, context, cancel, &mut |entry, name| {
            let section = self.sections.list.get(at).context("a context has other sections")?;
            let is_packed = self.spared[at].is_none();
            if is_packed {
                see(Visit::Entry(entry, name))?;
            }
            passed += 1;
            if passed == section.entries {
                (at, passed) = (at + 1, 0);
                if is_packed {
                    see(Visit::End { last: at == self.sections.list.len() })?;
                }
            }
            Ok(())
        })
    }

    /// The pieces of the context, and the id and length of each of its sections, given the lengths of
    /// the packed sections.
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

/// Adds a piece, merged with the last piece if it continues that.
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

/// The ranges of the copied sections in the earlier context. No part except the last may be small.
/// So a changed section is packed together with its neighbours, and a small copy is packed, too.
fn spared(sections: &[Section], earlier: &[(String, u64)]) -> Vec<Option<Range<u64>>> {
    let found = found(sections, earlier);
    let mut spared = vec![None; sections.len()];
    // Bytes that the packed run before this section still needs to be large enough for a part.
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

/// How many sections follow one another in the earlier context.
fn run(found: &[Option<Range<u64>>]) -> usize {
    let follows = |pair: &&[Option<Range<u64>>]| match pair {
        [Some(one), Some(next)] => one.end == next.start,
        _ => false,
    };
    1 + found.windows(2).take_while(follows).count()
}

#[cfg(test)]
mod tests;
