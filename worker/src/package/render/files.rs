//! Writes rendered files into a directory, and never outside it: a package may be anybody's.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use super::Rendered;
use crate::end::{Error, Exit};

/// Writes all files, or none where one of them cannot be: its name leads elsewhere, or something is
/// there and `force` is not given.
pub(super) fn write(directory: &Path, files: &[Rendered], force: bool) -> Result<(), Error> {
    let paths: Vec<_> = files.iter().map(|file| inside(directory, &file.name)).collect();
    let paths = paths.into_iter().collect::<Result<Vec<_>, _>>()?;
    if let Some(there) = paths.iter().find(|path| !force && path.symlink_metadata().is_ok()) {
        return Err(Error::input("something is there already")
            .at(there.display().to_string())
            .hint("`--force` replaces it"));
    }
    fs::create_dir_all(directory).map_err(|error| cannot(&error, directory))?;
    for (path, file) in paths.iter().zip(files) {
        put(directory, path, &file.text).map_err(|error| cannot(&error, path))?;
        eprintln!("{}", path.display());
    }
    Ok(())
}

fn cannot(error: &io::Error, path: &Path) -> Error {
    Error::new(Exit::Failed, format!("cannot write: {error}")).at(path.display().to_string())
}

/// Where a file goes: below the directory by name, and not by a link that is there.
fn inside(directory: &Path, name: &str) -> Result<PathBuf, Error> {
    let parts = Path::new(name).components();
    let plain = !name.is_empty() && parts.clone().all(|part| matches!(part, Component::Normal(_)));
    let refused = |what: &str| Err(Error::new(Exit::Failed, what).at(format!("the file `{name}`")));
    if !plain {
        return refused("the name of a file leads out of the directory; nothing was written");
    }
    let path = directory.join(name);
    // The directory itself may be a link: it is what was asked for.
    let above = path.ancestors().skip(1).take_while(|above| *above != directory);
    for above in above {
        if above.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            return refused("a link is in the way; nothing was written");
        }
    }
    Ok(path)
}

fn put(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(directory))?;
    // What is there is replaced, and never written through: it may be a link.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Rendered {
        Rendered { name: name.to_owned(), text: "text\n".to_owned() }
    }

    #[test]
    fn files_are_written_once_unless_forced() {
        let directory = tempfile::tempdir().unwrap();
        let files = [file("a.yaml"), file("web/b.yaml")];
        write(directory.path(), &files, false).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("web/b.yaml")).unwrap(), "text\n");
        let again = write(directory.path(), &files, false).unwrap_err();
        assert_eq!(again.exit, Exit::BadInput);
        write(directory.path(), &files, true).unwrap();
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("in");
        for name in ["../out", "/etc/out", "a/../../out", "", ".."] {
            let refused = write(&target, &[file("good"), file(name)], true).unwrap_err();
            assert_eq!(refused.exit, Exit::Failed, "{name}");
        }
        assert!(!target.exists(), "nothing was written");
    }

    #[test]
    fn no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (target, outside) = (directory.path().join("in"), directory.path().join("out"));
        fs::create_dir(&target).unwrap();
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, target.join("web")).unwrap();
        std::os::unix::fs::symlink(outside.join("c"), target.join("c")).unwrap();
        assert!(write(&target, &[file("web/b.yaml")], true).is_err());
        write(&target, &[file("c")], true).unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(target.join("c")).unwrap(), "text\n");
    }
}
