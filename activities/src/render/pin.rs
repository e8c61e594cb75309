//! Pinning: each image that a build takes from outside is written into the Dockerfile with its
//! digest, so that what is keyed and recorded is what is built, however a tag moves meanwhile.
//!
//! Where Kaniko and Docker differ, this goes by Kaniko. It knows no platform arguments
//! (`TARGETARCH` and its like are empty unless they are build args), heeds no `--platform` and no
//! `RUN --mount`, expands nothing in `COPY --from`, and uses build args in `FROM` that no `ARG`
//! declares. What Kaniko will refuse is left as it is, for Kaniko to say why.

mod arguments;
mod stages;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::Range};

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{
    failure::{Failure, FailureType},
    output::Base,
};
use oci_client::Reference as Name;

use self::stages::{Image, Stages};
use crate::error::within;

/// How many images are looked up side by side.
const SIDE_BY_SIDE: usize = 8;

/// A place in a Dockerfile that names an image from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The image as Kaniko will ask for it: variables put in, quotes taken away.
    pub image: String,
    /// The first line of its instruction, counted from 1.
    pub line: u32,
    /// Where in the file it is written, in bytes: more than one place where it goes over a line's
    /// end.
    places: Vec<Range<usize>>,
}

impl Reference {
    /// The image without its digest, and the digest that it is written with.
    fn split(&self) -> (&str, Option<&str>) {
        match self.image.split_once('@') {
            Some((image, digest)) => (image, Some(digest)),
            None => (&self.image, None),
        }
    }
}

/// What a build takes from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The images, in the order of the file.
    pub images: Vec<Reference>,
    /// Whether an `ADD` takes something from an URL, or may do so.
    pub adds_url: bool,
    /// False where there may be other images, whose names cannot be told.
    pub is_whole: bool,
}

/// What the build of a target, by default the last stage, takes from outside. Stages that the
/// target does not stand on do not count.
///
/// # Errors
/// With `BuildFailed` where an image's name is blank.
pub fn references(
    dockerfile: &str,
    args: &BTreeMap<String, String>,
    target: Option<&str>,
) -> anyhow::Result<References> {
    let Some(Stages { stages, is_whole }) = Stages::read(dockerfile, args) else {
        return Ok(References::default());
    };
    let Some(needed) = stages::needed(&stages, target) else {
        return Ok(References::default());
    };
    let mut references = References { is_whole, ..References::default() };
    for stage in needed.into_iter().map(|index| &stages[index]) {
        references.adds_url |= stage.adds_url;
        for image in &stage.images {
            match image {
                Image::Stage(_) | Image::Scratch => {}
                Image::Unknown => references.is_whole = false,
                Image::Blank { line, text } => return Err(blank(*line, text).into()),
                Image::Outside(reference) => references.images.push(reference.clone()),
            }
        }
    }
    Ok(references)
}

/// As Docker says it.
fn blank(line: u32, text: &str) -> Failure {
    let message = format!(
        "line {line}: the base name `{text}` is blank; an `ARG` before the first `FROM` has \
         neither a default nor a build arg"
    );
    Failure {
        line: Some(line),
        instruction: Some(format!("FROM {text}")),
        ..Failure::new(FailureType::BuildFailed, message)
    }
}

/// The Dockerfile with the digests of images written into it. An image keeps the name and tag that
/// it has, so that mirrors and maps of registries go by it as before. Every line stays where it
/// is, and every byte that names no image as it was.
pub fn pinned(
    dockerfile: &str,
    references: &[Reference],
    digests: &BTreeMap<String, String>,
) -> String {
    let mut edits = Vec::new();
    for reference in references.iter().filter(|reference| reference.split().1.is_none()) {
        let Some(digest) = digests.get(&reference.image) else { continue };
        // All of it goes where it ends: a last line left empty would end the continuation late.
        let places = reference.places.iter().rev().cloned();
        let texts = [format!("{}@{digest}", reference.image)].into_iter();
        edits.extend(places.zip(texts.chain(std::iter::repeat(String::new()))));
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut pinned = dockerfile.to_owned();
    for (place, text) in edits.into_iter().rev() {
        pinned.replace_range(place, &text);
    }
    pinned
}

/// What is known of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its digest now.
    At(String),
    /// There is no such image.
    Nowhere,
    /// It cannot be seen from here. It stays as it is written, and Kaniko may reach it.
    Hidden,
}

/// A Dockerfile whose images have digests.
#[derive(Clone, Debug, PartialEq)]
pub struct Pinned {
    /// The Dockerfile.
    pub dockerfile: String,
    /// What the build takes from outside, each image once.
    pub bases: Vec<Base>,
    /// Whether the same Dockerfile and context make the same image, as far as can be told:
    /// everything from outside has a digest. Without it the build has no content key.
    pub reusable: bool,
}

/// Pins the images of a Dockerfile. `resolve` says what is known of an image; each is asked for
/// once, several at a time.
///
/// # Errors
/// With `BaseImageNotFound` where there is no such image, `BuildFailed` where a name is blank,
/// and what `resolve` fails with.
pub async fn pin<F, Answer>(
    dockerfile: &str,
    args: &BTreeMap<String, String>,
    target: Option<&str>,
    resolve: F,
) -> anyhow::Result<Pinned>
where
    F: Fn(String) -> Answer,
    Answer: Future<Output = anyhow::Result<Found>>,
{
    let references = references(dockerfile, args, target)?;
    let digests = resolved(&references.images, resolve).await?;
    Ok(Pinned::new(dockerfile, &references, &digests))
}

/// The Dockerfile as it is, for who wants nothing pinned.
///
/// # Errors
/// With `BuildFailed` where a name is blank.
pub fn unpinned(
    dockerfile: &str,
    args: &BTreeMap<String, String>,
    target: Option<&str>,
) -> anyhow::Result<Pinned> {
    let references = references(dockerfile, args, target)?;
    Ok(Pinned::new(dockerfile, &references, &BTreeMap::new()))
}

impl Pinned {
    fn new(
        dockerfile: &str,
        References { images, adds_url, is_whole }: &References,
        digests: &BTreeMap<String, String>,
    ) -> Self {
        let mut bases = Vec::new();
        let mut all_pinned = true;
        for image in images {
            match base(image, digests) {
                Some(base) if bases.contains(&base) => {}
                Some(base) => bases.push(base),
                None => all_pinned = false,
            }
        }
        Self {
            dockerfile: pinned(dockerfile, images, digests),
            bases,
            reusable: *is_whole && all_pinned && !adds_url,
        }
    }
}

/// The digests of the images that have none in their name. A name that is none is left to Kaniko.
async fn resolved<F, Answer>(
    images: &[Reference],
    resolve: F,
) -> anyhow::Result<BTreeMap<String, String>>
where
    F: Fn(String) -> Answer,
    Answer: Future<Output = anyhow::Result<Found>>,
{
    let mut lines = BTreeMap::new();
    for reference in images.iter().filter(|one| one.split().1.is_none()) {
        if reference.image.parse::<Name>().is_ok() {
            lines.entry(reference.image.clone()).or_insert(reference.line);
        }
    }
    let answers = lines.into_iter().map(|(image, line)| {
        let answer = resolve(image.clone());
        async move {
            let found = answer.await.map_err(|error| within(&format!("line {line}"), error))?;
            match found {
                Found::At(digest) => Ok(is_digest(&digest).then_some((image, digest))),
                Found::Nowhere => Err(missing(line, &image).into()),
                Found::Hidden => Ok(None),
            }
        }
    });
    let answers = stream::iter(answers).buffered(SIDE_BY_SIDE);
    answers.try_filter_map(|answer| async { Ok(answer) }).try_collect().await
}

fn missing(line: u32, image: &str) -> Failure {
    let message = format!("line {line}: there is no base image `{image}`");
    Failure { line: Some(line), ..Failure::new(FailureType::BaseImageNotFound, message) }
}

/// Whether it is a digest that Kaniko takes. It comes from a registry and goes into the
/// Dockerfile: anything else there could be an instruction.
fn is_digest(text: &str) -> bool {
    let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex))
}

fn base(reference: &Reference, digests: &BTreeMap<String, String>) -> Option<Base> {
    let (image, written) = reference.split();
    let digest = written.filter(|digest| is_digest(digest));
    let digest = digest.or_else(|| digests.get(&reference.image).map(String::as_str))?;
    Some(Base { image: image.to_owned(), digest: digest.to_owned() })
}
