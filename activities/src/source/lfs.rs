//! Git LFS: pointer files and the objects that they name.
//!
//! Formats: the pointer file and the batch API of github.com/git-lfs/git-lfs (`docs/spec.md`,
//! `docs/api/batch.md`). Only http and https are supported; `.lfsconfig` is not read.

mod batch;

pub use self::batch::Server;
use super::tree::{Entry, Tree};

/// Bytes of the largest pointer file.
const MAX_POINTER: usize = 1024;

/// A pointer file: the repository has it in place of a large file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    /// SHA-256 of the content, in hexadecimal.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Pointer {
    /// Reads a file of a tree; none if it is not a pointer file.
    pub fn of(tree: &Tree, file: &Entry) -> anyhow::Result<Option<Self>> {
        let content = tree.read(file, MAX_POINTER)?;
        Ok(content.as_deref().and_then(Self::parse))
    }

    /// Parses the content of a file; none if it is not a pointer file.
    pub fn parse(content: &[u8]) -> Option<Self> {
        if content.len() > MAX_POINTER
            || !content.starts_with(b"version https://git-lfs.github.com/spec/v1")
        {
            return None;
        }
        let mut digest = None;
        let mut size = None;
        for line in std::str::from_utf8(content).ok()?.lines() {
            match line.split_once(' ') {
                Some(("oid", oid)) => digest = oid.strip_prefix("sha256:"),
                Some(("size", bytes)) => size = bytes.parse().ok(),
                _ => {}
            }
        }
        let is_hex = |text: &&str| text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
        Some(Self { digest: digest.filter(is_hex)?.to_ascii_lowercase(), size: size? })
    }
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn a_pointer_is_told_from_other_files() {
        let digest = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345\n"
        );
        assert_eq!(
            Pointer::parse(pointer.as_bytes()),
            Some(Pointer { digest: digest.to_owned(), size: 12345 })
        );
        for other in [
            "",
            "version https://git-lfs.github.com/spec/v1\n",
            "version https://git-lfs.github.com/spec/v1\noid sha256:../../etc\nsize 1\n",
            &pointer.replace("size 12345", "size many"),
            &format!("# {pointer}"),
            &format!("{pointer}{}", "x".repeat(1024)),
        ] {
            assert_eq!(Pointer::parse(other.as_bytes()), None, "{other}");
        }
    }
}
