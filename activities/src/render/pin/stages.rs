//! The stages of a Dockerfile, and the images that each uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{Reference, arguments::Arguments};
use crate::dockerfile::{
    expand::expand,
    lines::{self, Line},
    words,
};

/// All stages of a Dockerfile.
pub(super) struct Stages {
    /// In the order of the file.
    pub(super) stages: Vec<Stage>,
    /// False if the file could not be read to its end.
    pub(super) is_whole: bool,
}

/// A stage.
pub(super) struct Stage {
    /// Its name in lower case; empty if it has none.
    name: String,
    /// The image of its `FROM`, then the images that it copies from.
    pub(super) images: Vec<Image>,
    /// Whether an `ADD` in it uses a URL, or may do so.
    pub(super) adds_url: bool,
}

/// An image that a stage uses.
pub(super) enum Image {
    /// An earlier stage, by its index.
    Stage(usize),
    /// The empty image.
    Scratch,
    /// An image from outside.
    Outside(Reference),
    /// The name is empty after its variables are expanded.
    Blank { line: u32, text: String },
    /// The name cannot be determined.
    Unknown,
}

impl Stages {
    /// Reads the stages. None if Kaniko will refuse the file.
    pub(super) fn read(dockerfile: &str, args: &BTreeMap<String, String>) -> Option<Self> {
        let lines = lines::read(dockerfile);
        let escape = lines.escape;
        let mut arguments = Arguments::new(args);
        let mut stages: Vec<Stage> = Vec::new();
        for line in &lines.all {
            let (mut command, mut from) = words::command(&line.text);
            let mut is_trigger = false;
            match (command.as_str(), stages.is_empty()) {
                ("FROM", _) => {
                    let stage = stage(line, from, escape, &arguments.variables(), &stages)?;
                    stages.push(stage);
                    continue;
                }
                ("ARG", true) => {
                    arguments.declare(&line.text[from..], escape)?;
                    continue;
                }
                (_, true) => return None,
                ("ONBUILD", false) => {
                    let (inner, rest) = words::command(&line.text[from..]);
                    (command, from, is_trigger) = (inner, from + rest, true);
                }
                _ => {}
            }
            match command.as_str() {
                "COPY" => {
                    let image = copied(line, from, escape, &stages);
                    // A trigger runs in a later stage, or in another build with its own stages.
                    let image =
                        image.filter(|image| !is_trigger || matches!(image, Image::Stage(_)));
                    stages.last_mut()?.images.extend(image);
                }
                "ADD" => stages.last_mut()?.adds_url |= adds_url(&line.text, from, escape),
                _ => {}
            }
        }
        Some(Self { stages, is_whole: lines.is_whole })
    }
}

/// The target and the stages that it needs, in the order of the file. None if there is no such stage.
pub(super) fn needed(stages: &[Stage], target: Option<&str>) -> Option<BTreeSet<usize>> {
    let last = match target.filter(|name| !name.is_empty()) {
        None => stages.len().checked_sub(1),
        Some(name) => stages.iter().position(|stage| stage.name.eq_ignore_ascii_case(name)),
    };
    let mut needed = BTreeSet::new();
    let mut open = vec![last?];
    while let Some(index) = open.pop() {
        if needed.insert(index) {
            let on = stages[index].images.iter();
            open.extend(on.filter_map(|image| match image {
                Image::Stage(index) => Some(*index),
                _ => None,
            }));
        }
    }
    Some(needed)
}

/// The stage of a `FROM`.
fn stage(
    line: &Line,
    from: usize,
    escape: char,
    variables: &BTreeMap<String, String>,
    earlier: &[Stage],
) -> Option<Stage> {
    let (_, begin) = words::flags(&line.text, from, escape);
    let rest = line.text[begin..].trim_end();
    let words: Vec<_> = rest.split_whitespace().collect();
    let name = match words[..] {
        [_] => String::new(),
        [_, word, name] if word.eq_ignore_ascii_case("as") => name.to_lowercase(),
        _ => return None,
    };
    let text = words[0];
    let image = match expand(text, variables) {
        None => Image::Unknown,
        Some(image) if image.is_empty() => {
            Image::Blank { line: line.number, text: text.to_owned() }
        }
        Some(image) if image == SCRATCH => Image::Scratch,
        Some(image) => {
            let lower = image.to_lowercase();
            let stage = earlier.iter().position(|stage| stage.name == lower);
            stage.map_or_else(|| outside(line, image, begin..begin + text.len()), Image::Stage)
        }
    };
    Some(Stage { name, images: vec![image], adds_url: false })
}

/// The name of the empty image.
const SCRATCH: &str = "scratch";

/// The image that a `COPY` copies from; none if that is the context.
fn copied(line: &Line, from: usize, escape: char, stages: &[Stage]) -> Option<Image> {
    let (flags, _) = words::flags(&line.text, from, escape);
    let flag = flags.into_iter().find(|flag| flag.text.starts_with(FROM))?;
    let name = &flag.text[FROM.len()..];
    let lower = name.to_lowercase();
    let own = stages.len() - 1;
    Some(match (name.parse::<usize>(), stages.iter().rposition(|stage| stage.name == lower)) {
        _ if name.is_empty() => return None,
        (_, Some(index)) => Image::Stage(index),
        (Ok(index), _) if index < own => Image::Stage(index),
        _ if name == SCRATCH => Image::Scratch,
        _ if !line.text[flag.at.clone()].starts_with(FROM) => Image::Unknown,
        _ => outside(line, name.to_owned(), flag.at.start + FROM.len()..flag.at.end),
    })
}

/// The flag of `COPY`.
const FROM: &str = "--from=";

fn outside(line: &Line, image: String, at: Range<usize>) -> Image {
    Image::Outside(Reference { image, line: line.number, places: line.places(at) })
}

/// Whether an `ADD` uses a URL, or may do so after its variables are expanded.
fn adds_url(text: &str, from: usize, escape: char) -> bool {
    let (_, begin) = words::flags(text, from, escape);
    let rest = &text[begin..];
    let words: Vec<String> = serde_json::from_str(rest)
        .unwrap_or_else(|_| rest.split_whitespace().map(str::to_owned).collect());
    let sources = words.split_last().map_or(&[][..], |(_, sources)| sources);
    sources.iter().any(|source| may_be_url(source.trim_start_matches(['"', '\''])))
}

/// A path with a `/` before its first variable stays a path.
fn may_be_url(source: &str) -> bool {
    let constant = source.split('$').next().unwrap_or_default();
    let is_path = constant.contains('/') && !constant.contains(':');
    source.contains("://") || source.starts_with("git@") || (source.contains('$') && !is_path)
}
