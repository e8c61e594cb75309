//! Compresses the archive as gzip members, on several cores.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufWriter, Write},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

use anyhow::Context;
use flate2::{Compression, write::GzEncoder};

use crate::blocking::spare_cores;

/// The most bytes of a member before compression: what one core compresses at a time.
const BLOCK: usize = 1024 * 1024;

/// The most cores that help. Reading the source is as slow as a few cores compressing.
const HELPERS: usize = 3;

/// Compresses what `work` writes, and returns the compressed length of each section. The bytes do
/// not depend on which core compresses them.
pub(super) fn write(
    into: &mut File,
    work: impl FnOnce(&mut Members<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<u64>> {
    let cores = spare_cores(HELPERS);
    let (jobs, taken) = sync_channel(cores.len());
    let taken = Mutex::new(taken);
    std::thread::scope(|scope| {
        for _ in &cores {
            scope.spawn(|| help(&taken));
        }
        let mut members = Members::new(into, jobs);
        work(&mut members)?;
        members.finish()
    })
}

/// A block that another core compresses, and the channel for the result.
struct Job {
    block: Vec<u8>,
    done: SyncSender<io::Result<Vec<u8>>>,
}

impl Job {
    fn run(self) {
        // If packing has failed, nobody receives the result.
        let _ = self.done.send(compressed(&self.block));
    }
}

fn help(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        job.run();
    }
}

fn compressed(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(block.len()), Compression::fast());
    gzip.write_all(block)?;
    gzip.finish()
}

/// What is written to the file next.
enum Next {
    Member(Receiver<io::Result<Vec<u8>>>),
    /// The end of a section.
    End,
}

/// Sections of gzip members. Bytes after the last end of a section are dropped.
pub(super) struct Members<'a> {
    file: BufWriter<&'a mut File>,
    jobs: SyncSender<Job>,
    block: Vec<u8>,
    line: VecDeque<Next>,
    lengths: Vec<u64>,
    /// Bytes of the current section that are in the file.
    length: u64,
}

impl<'a> Members<'a> {
    fn new(file: &'a mut File, jobs: SyncSender<Job>) -> Self {
        Self {
            file: BufWriter::new(file),
            jobs,
            block: Vec::new(),
            line: VecDeque::new(),
            lengths: Vec::new(),
            length: 0,
        }
    }

    /// Ends a section.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.pass()?;
        self.line.push_back(Next::End);
        Ok(())
    }

    /// Passes the block to a free core, or compresses it here.
    fn pass(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let (done, awaited) = sync_channel(1);
        match self.jobs.try_send(Job { block, done }) {
            Ok(()) => {}
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job.run(),
        }
        self.line.push_back(Next::Member(awaited));
        // Each core works on one block and has one waiting.
        while self.line.len() > 4 * HELPERS {
            self.advance()?;
        }
        Ok(())
    }

    /// Writes the first in the queue.
    fn advance(&mut self) -> io::Result<()> {
        let member = match self.line.pop_front() {
            None => return Ok(()),
            Some(Next::End) => {
                self.lengths.push(std::mem::take(&mut self.length));
                return Ok(());
            }
            Some(Next::Member(member)) => {
                member.recv().map_err(|_| io::Error::other("a core has broken off"))??
            }
        };
        self.length += member.len() as u64;
        self.file.write_all(&member)
    }

    fn finish(mut self) -> anyhow::Result<Vec<u64>> {
        while !self.line.is_empty() {
            self.advance().context("cannot write the archive")?;
        }
        self.file.flush().context("cannot write the archive")?;
        Ok(self.lengths)
    }
}

impl Write for Members<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK {
            self.pass()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use flate2::read::MultiGzDecoder;

    use super::*;

    /// Sections of such sizes, compressed.
    fn packed(sizes: &[usize]) -> (Vec<u8>, Vec<u64>) {
        let mut file = tempfile::tempfile().unwrap();
        let lengths = write(&mut file, |members| {
            for size in sizes {
                members.write_all(&content(*size))?;
                members.end()?;
            }
            members.write_all(b"behind the end")?;
            Ok(())
        });
        file.rewind().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (bytes, lengths.unwrap())
    }

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at * at / 251) as u8).collect()
    }

    fn plain(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn each_section_is_a_file_of_its_own() {
        let sizes = [10, BLOCK, 3 * BLOCK + 5, 1];
        let (bytes, lengths) = packed(&sizes);
        assert_eq!(lengths.iter().sum::<u64>(), bytes.len() as u64);
        let mut rest = &bytes[..];
        for (size, length) in sizes.iter().zip(lengths) {
            let section;
            (section, rest) = rest.split_at(length as usize);
            assert!(plain(section) == content(*size), "{size}");
            // By itself it has the same bytes.
            assert!(packed(&[*size]).0 == section, "{size}");
        }
        assert!(plain(&bytes) == sizes.map(content).concat());
    }
}
