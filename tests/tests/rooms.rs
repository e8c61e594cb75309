//! The rooms of each crate, which are its top-level modules, import each other in one direction.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms that each room imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_rooms_import_each_other_in_a_circle() {
    let mut faults = Vec::new();
    for name in ["activities", "worker", "workflows"] {
        let src = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
        let imports = imports(&src);
        faults.extend(circle(&imports).map(|circle| format!("{name}: {}", circle.join(" -> "))));
    }
    assert!(faults.is_empty(), "rooms import each other in a circle:\n{}", faults.join("\n"));
}

/// What the rooms below a directory import of each other.
fn imports(src: &Path) -> Imports {
    let mut imports = Imports::new();
    for path in files(src) {
        let below = path.strip_prefix(src).expect("the file is below the directory");
        if is_test(below) {
            continue;
        }
        let room = below.iter().next().expect("the path of a file").to_string_lossy();
        let room = room.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).expect("the file can be read");
        let mut imported = rooms_in(&text);
        imported.remove(&room);
        imports.entry(room).or_default().extend(imported);
    }
    // The root registers every room, and a name that the root defines is not a room.
    imports.retain(|room, _| !matches!(room.as_str(), "lib" | "main"));
    let rooms: BTreeSet<_> = imports.keys().cloned().collect();
    imports.values_mut().for_each(|all| all.retain(|room| rooms.contains(room)));
    imports
}

/// The Rust files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the directory can be read");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}

/// Whether a file has tests only.
fn is_test(below: &Path) -> bool {
    below.iter().any(|part| part == "tests" || part == "tests.rs" || part == "fixtures.rs")
}

/// The first names of all paths that begin with `crate::`, outside comments and tests.
fn rooms_in(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let paths = text.split("crate::").skip(1);
    paths.flat_map(|rest| first_names(rest.strip_prefix('{').unwrap_or(first_word(rest)))).collect()
}

/// The text up to the end of its first name.
fn first_word(text: &str) -> &str {
    text.split(|char: char| !char.is_alphanumeric() && char != '_').next().unwrap_or_default()
}

/// The first names within the braces of a `use`, whose opening brace is already read.
fn first_names(list: &str) -> BTreeSet<String> {
    let (mut names, mut depth, mut name) = (BTreeSet::new(), 0, Some(String::new()));
    for char in list.chars() {
        match char {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.extend(name.replace(String::new())),
            _ if depth > 0 => {}
            _ if char.is_alphanumeric() || char == '_' => {
                if let Some(name) = &mut name {
                    name.push(char);
                }
            }
            // The rest of the path is below the room.
            ':' => names.extend(name.take()),
            _ => {}
        }
    }
    names.extend(name);
    names.remove("");
    names
}

/// A circle of imports, if there is one: each room imports the next one, and the last is the first.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    let mut finished = BTreeSet::new();
    imports.keys().find_map(|room| circle_from(room, imports, &mut Vec::new(), &mut finished))
}

fn circle_from(
    room: &str,
    imports: &Imports,
    path: &mut Vec<String>,
    finished: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(first) = path.iter().position(|one| one == room) {
        let mut circle = path.split_off(first);
        circle.push(room.to_owned());
        return Some(circle);
    }
    if finished.contains(room) {
        return None;
    }
    path.push(room.to_owned());
    let next = imports.get(room).into_iter().flatten();
    let found = next.into_iter().find_map(|next| circle_from(next, imports, path, finished));
    if found.is_none() {
        path.pop();
        finished.insert(room.to_owned());
    }
    found
}

#[test]
fn a_circle_is_found_and_named() {
    let of = |pairs: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in pairs {
            imports.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            imports.entry((*to).to_owned()).or_default();
        }
        imports
    };
    let line = [("pod", "cluster"), ("cluster", "error"), ("pod", "error"), ("log", "cluster")];
    assert_eq!(circle(&of(&line)), None);
    let closed = [&line[..], &[("error", "secrets"), ("secrets", "cluster")]].concat();
    let expected = ["cluster", "error", "secrets", "cluster"];
    assert_eq!(circle(&of(&closed)).expect("a circle"), expected);
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let text = "//! See [`crate::comment`].\n\
        use crate::{\n    a::{b, c::d},\n    e, f::{self, g},\n};\n\
        fn h() { crate::i::j(); let k = |text| format!(\"{text}\"); }\n\
        #[cfg(test)]\nmod tests {\n    use crate::only_in_tests;\n}\n";
    assert!(rooms_in(text).iter().eq(["a", "e", "f", "i"]), "{:?}", rooms_in(text));
}
