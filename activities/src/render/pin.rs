//! Pinning: writes the digest of every image from outside into the Dockerfile, so that the build uses
//! what its key and its record name, even if a tag moves meanwhile.
//!
//! Where Kaniko and Docker differ, this follows Kaniko. Kaniko has no platform arguments (`TARGETARCH`
//! is empty unless it is a build arg), ignores `--platform` and `RUN --mount`, expands nothing in
//! `COPY --from`, and uses build args in `FROM` without an `ARG`. A file that Kaniko refuses stays as
//! it is, so that Kaniko reports the reason.

mod arguments;
mod stages;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::Range};

use futures::{StreamExt, TryStreamExt, stream};
use kilnworks_workflows::{
    checks::is_digest,
    failure::{Failure, FailureType},
    output::Base,
};
use oci_client::Reference as Name;

use self::stages::{Image, Stages};
use crate::error::within;

/// How many images are looked up at the same time.
const SIDE_BY_SIDE: usize = 8;

/// A place in a Dockerfile that names an image from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The image as Kaniko requests it: with expanded variables and without quotes.
    pub image: String,
    /// The first line of its instruction, counted from 1.
    pub line: u32,
    /// Its byte ranges in the file. There are several if it spans lines.
    places: Vec<Range<usize>>,
}

impl Reference {
    /// The image without its digest, and the digest in the file.
    fn split(&self) -> (&str, Option<&str>) {
        match self.image.split_once('@') {
            Some((image, digest)) => (image, Some(digest)),
            None => (&self.image, None),
        }
    }
}

/// What a build uses from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The images, in the order of the file.
    pub images: Vec<Reference>,
    /// Whether an `ADD` uses a URL, or may do so.
    pub adds_url: bool,
    /// False if there may be other images, whose names cannot be determined.
    pub is_whole: bool,
}

/// What the build of a target, by default the last stage, uses from outside. Stages that the target
/// does not need do not count.
///
/// # Errors
/// `BuildFailed` if an image's name is blank.
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

/// The failure in Docker's words.
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

/// Writes the digests of images into a Dockerfile. An image keeps its name and tag, which mirrors and
/// maps of registries need. Nothing else in the file changes, and every line keeps its number.
pub fn pinned(
    dockerfile: &str,
    references: &[Reference],
    digests: &BTreeMap<String, String>,
) -> String {
    let mut edits = Vec::new();
    for reference in references.iter().filter(|reference| reference.split().1.is_none()) {
        let Some(digest) = digests.get(&reference.image) else { continue };
        // The text goes to the last place: an empty last line would end the continuation too late.
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

/// The result of looking up an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its digest now.
    At(String),
    /// The image does not exist.
    Nowhere,
    /// The worker cannot look it up, but Kaniko may. The image gets no digest.
    Hidden,
}

/// A Dockerfile whose images have digests.
#[derive(Clone, Debug, PartialEq)]
pub struct Pinned {
    /// The Dockerfile.
    pub dockerfile: String,
    /// The images from outside, each once.
    pub bases: Vec<Base>,
    /// Whether everything from outside has a digest. Otherwise the build has no content key.
    pub reusable: bool,
}

/// Pins the images of a Dockerfile. `resolve` looks an image up; each is looked up once, several at
/// the same time.
///
/// # Errors
/// `BaseImageNotFound` if an image does not exist, `BuildFailed` if a name is blank, and the errors of
/// `resolve`.
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
    let References { images, adds_url, is_whole } = references(dockerfile, args, target)?;
    let digests = resolved(&images, resolve).await?;
    let mut bases = Vec::new();
    let mut all_pinned = true;
    for image in &images {
        match base(image, &digests) {
            Some(base) if bases.contains(&base) => {}
            Some(base) => bases.push(base),
            None => all_pinned = false,
        }
    }
    Ok(Pinned {
        dockerfile: pinned(dockerfile, &images, &digests),
        bases,
        reusable: is_whole && all_pinned && !adds_url,
    })
}

/// The digests of the images that have none in the file. Kaniko reports invalid names.
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
                // Anything else in the Dockerfile could be an instruction.
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

fn base(reference: &Reference, digests: &BTreeMap<String, String>) -> Option<Base> {
    let (image, written) = reference.split();
    let digest = written.filter(|digest| is_digest(digest));
    let digest = digest.or_else(|| digests.get(&reference.image).map(String::as_str))?;
    Some(Base { image: image.to_owned(), digest: digest.to_owned() })
}
