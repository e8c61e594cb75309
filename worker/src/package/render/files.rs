//! Writes rendered files to a directory, and never outside of it, because a package is untrusted input.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use crate::output::{Error, Exit};

/// A rendered file.
pub(super) struct Rendered {
    /// A relative path. In the package of an app, a file of a component is below the name of the
    /// component.
    pub(super) name: String,
    pub(super) text: String,
}

/// Writes all files, or none if a name is not safe or a file exists and `force` is not set.
pub(super) fn write(directory: &Path, files: &[Rendered], force: bool) -> Result<(), Error> {
    let paths: Vec<_> = files.iter().map(|file| inside(directory, &file.name)).collect();
    let paths = paths.into_iter().collect::<Result<Vec<_>, _>>()?;
    if let Some(there) = paths.iter().find(|path| !force && path.symlink_metadata().is_ok()) {
        return Err(Error::input("the file already exists")
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

/// The path of a file: inside the directory, and not through a symbolic link.
fn inside(directory: &Path, name: &str) -> Result<PathBuf, Error> {
    let parts = Path::new(name).components();
    let plain = !name.is_empty() && parts.clone().all(|part| matches!(part, Component::Normal(_)));
    let refused = |what: &str| Err(Error::new(Exit::Failed, what).at(format!("the file `{name}`")));
    if !plain {
        return refused("the name of a file leads out of the directory; no file was written");
    }
    let path = directory.join(name);
    // The directory itself may be a link, because the user named it.
    let above = path.ancestors().skip(1).take_while(|above| *above != directory);
    for above in above {
        if above.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            return refused("the path contains a symbolic link; no file was written");
        }
    }
    Ok(path)
}

fn put(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(directory))?;
    // An existing file is replaced and not opened, because it may be a link.
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
    fn an_existing_file_is_replaced_only_with_force() {
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
