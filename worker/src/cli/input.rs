//! Arguments that name a file, or `-` for standard input.

use std::{io::Read, path::Path};

/// The name of an input in error messages.
pub(crate) fn name_of(path: &Path) -> String {
    match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => path.display().to_string(),
    }
}

/// The text of an input: a file, or `-` for standard input.
pub(crate) fn text_of(path: &Path) -> std::io::Result<String> {
    if path.to_str() == Some("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}
