//! Reads the blocks of a tar. The `tar` crate is not used, because it accepts archives that must be
//! refused: without end marker, with extensions that change an entry's name, with damaged padding.

use std::io::{self, Read};

use anyhow::{Context, bail, ensure};
use tar::{EntryType, Header};

use super::BLOCK;

const NONE: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// An entry.
pub(super) struct Entry {
    pub name: String,
    pub directory: bool,
    /// Offset of its bytes in the file.
    pub begin: u64,
    pub size: u64,
}

/// Reads every entry of a tar of `length` bytes, to its very end. `take` reads an entry's bytes. An
/// error of `take` gets the entry's name.
pub(super) fn read<R: Read>(
    mut from: R,
    length: u64,
    mut take: impl FnMut(&Entry, &mut io::Take<&mut R>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut at = 0;
    loop {
        let block = block(&mut from, at)?;
        if block == NONE {
            return end(from, at);
        }
        let entry = entry(&block, at, length).with_context(|| format!("at byte {at}"))?;
        let place = || format!("`{}` at byte {at}", entry.name);
        let mut bytes = (&mut from).take(entry.size);
        take(&entry, &mut bytes).with_context(place)?;
        ensure!(bytes.limit() == 0, "{} ends too early", place());
        let padding = entry.size.next_multiple_of(BLOCK) - entry.size;
        let mut rest = Vec::new();
        (&mut from).take(padding).read_to_end(&mut rest).with_context(place)?;
        ensure!(rest.len() as u64 == padding, "{} ends too early", place());
        ensure!(rest.iter().all(|byte| *byte == 0), "there is data after the end of {}", place());
        at = entry.begin + entry.size + padding;
    }
}

fn block(from: &mut impl Read, at: u64) -> anyhow::Result<[u8; BLOCK as usize]> {
    let mut block = NONE;
    match from.read_exact(&mut block) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            bail!("it ends at byte {at} or soon after, before its end marker: it was cut off")
        }
        read => read.with_context(|| format!("cannot read at byte {at}"))?,
    }
    Ok(block)
}

/// Checks the end: at least one more empty block, and nothing else.
fn end(mut from: impl Read, at: u64) -> anyhow::Result<()> {
    block(&mut from, at + BLOCK).and_then(|second| {
        ensure!(second == NONE, "half an end marker at byte {at}");
        Ok(())
    })?;
    let mut chunk = [0; 8192];
    loop {
        let read = from.read(&mut chunk).with_context(|| format!("cannot read after byte {at}"))?;
        if read == 0 {
            return Ok(());
        }
        ensure!(
            chunk[..read].iter().all(|byte| *byte == 0),
            "there is data after the end marker at byte {at}"
        );
    }
}

fn entry(block: &[u8; BLOCK as usize], at: u64, length: u64) -> anyhow::Result<Entry> {
    let header = Header::from_byte_slice(block);
    let sum = header.cksum().ok();
    // In the sum, its own field counts as eight spaces.
    let counted = block[..148].iter().chain(&[b' '; 8]).chain(&block[156..]);
    let counted: u32 = counted.map(|byte| u32::from(*byte)).sum();
    ensure!(sum == Some(counted), "the header is damaged: its checksum is wrong");
    let name = header.path_bytes();
    let name = std::str::from_utf8(&name).ok().context("the name is not UTF-8")?.to_owned();
    let directory = match header.entry_type() {
        EntryType::Regular => false,
        EntryType::Directory => true,
        other => bail!("`{name}` is {}, not a file", word(other)),
    };
    let size = header.size().context("the header is damaged: its size is not a number")?;
    let begin = at + BLOCK;
    ensure!(
        size <= length.saturating_sub(begin) && !(directory && size > 0),
        "`{name}` has {size} bytes, more than there are: it was cut off"
    );
    Ok(Entry { name, directory, begin, size })
}

fn word(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        _ => "an extension of tar",
    }
}
