//! A source tree that is the same each time: half of it compresses well, half not at all.

use std::path::Path;

/// A tree to write.
pub(super) struct Tree {
    pub(super) directories: usize,
    /// Files of each directory.
    pub(super) files: usize,
    /// Bytes of a file.
    pub(super) bytes: usize,
}

impl Tree {
    /// Writes it, as `d000/f000` and so on. A salt makes it another tree, as large as the first.
    pub(super) fn write(&self, root: &Path, salt: u64) {
        let mut random = fastrand::Rng::with_seed(salt);
        for directory in 0..self.directories {
            let path = root.join(format!("d{directory:03}"));
            std::fs::create_dir_all(&path).expect("a directory");
            for file in 0..self.files {
                let content = content(&mut random, self.bytes, file % 2 == 0);
                std::fs::write(path.join(format!("f{file:03}")), content).expect("a file");
            }
        }
    }
}

/// Words that come again and again, or bytes that tell nothing of one another.
fn content(random: &mut fastrand::Rng, bytes: usize, is_text: bool) -> Vec<u8> {
    let words = ["fn ", "let ", "self.", "value", " = ", "match ", ";\n", "    ", "return ", "0x"];
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        match is_text {
            true => content.extend(words[random.usize(..words.len())].as_bytes()),
            false => content.extend(random.u64(..).to_le_bytes()),
        }
    }
    content.truncate(bytes);
    content
}
