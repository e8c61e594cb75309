//! A packed context as files.

use std::{
    fs::{self, File},
    io::{BufReader, ErrorKind},
    path::Path,
};

use anyhow::{Context, ensure};
use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

/// Unpacks what [`crate::context::pack`] has packed into a new directory, which is there only once all of it
/// is. What it never packs, and what would land elsewhere, is refused.
pub(super) fn unpack(packed: File, into: &Path) -> anyhow::Result<()> {
    let part = into.with_extension("part");
    remove(&part)?;
    remove(into)?;
    unpack_in(packed, &part)?;
    fs::rename(&part, into).context("cannot name the directory of the context")
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).context("cannot remove what was there")
        }
        _ => Ok(()),
    }
}

fn unpack_in(packed: File, into: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(into).context("cannot make the directory of the context")?;
    let mut archive = Archive::new(MultiGzDecoder::new(BufReader::new(packed)));
    archive.set_preserve_mtime(false);
    for entry in archive.entries().context("cannot read the context")? {
        let mut entry = entry.context("cannot read the context")?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        let is_known =
            matches!(kind, EntryType::Regular | EntryType::Directory | EntryType::Symlink);
        ensure!(is_known, "`{path}` is neither file nor directory nor link");
        let is_within = entry.unpack_in(into);
        let is_within = is_within.with_context(|| format!("cannot unpack `{path}`"))?;
        ensure!(is_within, "`{path}` leads out of the context");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use flate2::{Compression, write::GzEncoder};
    use tar::{Builder, Header};

    use super::*;

    /// A packed context of such entries; the path is written as it is.
    fn packed(entries: &[(EntryType, &str, &str)]) -> File {
        let mut archive = Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let mut header = Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(if *kind == EntryType::Regular { 0o640 } else { 0o755 });
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            if is_link {
                header.set_link_name_literal(content).unwrap();
            }
            let content = if is_link { "" } else { content };
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, content.as_bytes()).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        // Each of its blocks is a member of the file.
        for block in archive.into_inner().unwrap().chunks(512) {
            let mut gzip = GzEncoder::new(&mut file, Compression::fast());
            gzip.write_all(block).unwrap();
            gzip.finish().unwrap();
        }
        std::io::Seek::rewind(&mut file).unwrap();
        file
    }

    #[test]
    fn files_links_and_modes_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("files");
        // What a container that was run before has left.
        fs::create_dir(&into).unwrap();
        fs::write(into.join("old"), "old").unwrap();
        let entries = [
            (EntryType::Directory, "sub/", ""),
            (EntryType::Regular, "sub/a", "one"),
            (EntryType::Symlink, "sub/out", "/etc"),
        ];
        unpack(packed(&entries), &into).unwrap();
        assert_eq!(fs::read_to_string(into.join("sub/a")).unwrap(), "one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&into.join("sub")), mode(&into.join("sub/a"))), (0o755, 0o640));
        assert_eq!(fs::read_link(into.join("sub/out")).unwrap(), Path::new("/etc"));
        assert!(!into.join("old").exists());
    }

    #[test]
    fn nothing_leads_out() {
        use EntryType::{Block, Link, Regular, Symlink};
        for entries in [
            vec![(Regular, "../x", "x")],
            vec![(Regular, "a/../../x", "x")],
            vec![(Symlink, "a", ".."), (Regular, "a/x", "x")],
            vec![(Link, "a", "/etc/passwd")],
            vec![(Block, "a", "")],
        ] {
            let dir = tempfile::tempdir().unwrap();
            let into = dir.path().join("files");
            unpack(packed(&entries), &into).unwrap_err();
            assert!(!dir.path().join("x").exists(), "{entries:?}");
            assert!(!into.exists(), "a part is not the context: {entries:?}");
        }
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (into, other) = (dir.path().join("files"), dir.path().join("other"));
        fs::create_dir(&other).unwrap();
        symlink(&other, &into).unwrap();
        unpack(packed(&[(EntryType::Regular, "a", "x")]), &into).unwrap();
        assert!(into.join("a").exists() && !other.join("a").exists());
    }
}
