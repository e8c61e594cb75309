//! Kaniko's last line, and what it means. The texts are those of chainguard's 1.25, of Google's 1.24,
//! and of go-containerregistry, which both use for registries.

use kilnworks_workflows::failure::{Failure, FailureType};

use crate::{
    dockerfile::{self, Instruction},
    log::{self, Log},
};

/// How Kaniko's last line starts. Its function `exit()` prints the line to standard error.
const LAST_LINES: [(&str, Stage); 5] = [
    ("error building image: ", Stage::Build),
    ("error pushing image: ", Stage::Push),
    ("error checking push permissions", Stage::Push),
    ("error resolving relative paths", Stage::Build),
    ("error changing to root dir", Stage::Build),
];

/// In an error of the instruction itself.
const INSTRUCTION: &str = "failed to execute command: ";

/// In an error of a cached layer that could not be fetched, within an instruction.
const CACHED_LAYER: [&str; 3] =
    ["retrieving image layers", "retrieve image layers", "extracting fs from image"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Before the first instruction: flags and context.
    Start,
    Build,
    Push,
}

/// Classifies a failure by the log.
pub(super) fn judge(log: &Log, dockerfile: &str, exit_code: i32) -> Failure {
    let Some((stage, words)) = last_words(&log.tail) else {
        return silent(log, dockerfile, exit_code);
    };
    match stage {
        Stage::Start => start(&words),
        Stage::Push => match registry(&words) {
            // Some registries require that a repository is created before the push.
            Some(FailureType::BaseImageNotFound) | None => {
                Failure::new(FailureType::RegistryDenied, words)
            }
            Some(kind) => Failure::new(kind, words),
        },
        Stage::Build => build(log, dockerfile, exit_code, &words),
    }
}

fn build(log: &Log, dockerfile: &str, exit_code: i32, words: &str) -> Failure {
    if let Some((_, cause)) = words.split_once(INSTRUCTION)
        && !CACHED_LAYER.iter().any(|layer| cause.starts_with(layer))
    {
        let step = dockerfile::last_step(dockerfile, &log.steps);
        return instruction_failed(step, exit_code, cause);
    }
    if let Some((_, cause)) = words.split_once("failed to get files used from context: ") {
        return instruction_failed(missing_file(dockerfile, cause), exit_code, cause);
    }
    if let Some((_, cause)) = words.split_once("dockerfile parse error on line ") {
        let line = cause.split(':').next().and_then(|line| line.parse().ok());
        let instructions = dockerfile::instructions(dockerfile);
        let step = instructions.into_iter().find(|one| Some(one.line) == line);
        return Failure { line, ..failed_at(step, words) };
    }
    let kind = registry(words).unwrap_or(FailureType::BuildFailed);
    match missing_image(words).filter(|_| kind == FailureType::BaseImageNotFound) {
        Some(image) => Failure::new(kind, format!("there is no base image `{image}`: {words}")),
        None => Failure::new(kind, words),
    }
}

/// The missing image in `GET https://HOST/v2/NAME/manifests/REFERENCE: ...`.
fn missing_image(words: &str) -> Option<String> {
    let (host, rest) = words.split_once("://")?.1.split_once("/v2/")?;
    let (name, rest) = rest.split_once("/manifests/")?;
    let reference = rest.split_whitespace().next()?.trim_end_matches(':');
    let mark = if reference.contains(':') { '@' } else { ':' };
    Some(format!("{host}/{name}{mark}{reference}"))
}

fn start(words: &str) -> Failure {
    // The context was uploaded, so its store is down, or the executor may not read it.
    let is_context = words.starts_with("error resolving source context");
    let kind = if is_context { FailureType::StoreUnavailable } else { FailureType::BuildFailed };
    Failure::new(kind, words)
}

/// The failure of an executor without a last line: a crash, or a kill that the node does not report.
fn silent(log: &Log, dockerfile: &str, exit_code: i32) -> Failure {
    let step = dockerfile::last_step(dockerfile, &log.steps);
    let message = match exit_code {
        0 => "the executor ended without a digest".to_owned(),
        code => format!("the executor ended with exit code {code} and said nothing"),
    };
    failed_at(step, message)
}

fn failed_at(step: Option<Instruction>, message: impl Into<String>) -> Failure {
    Failure {
        line: step.as_ref().map(|step| step.line),
        instruction: step.map(|step| short(&step.text)),
        ..Failure::new(FailureType::BuildFailed, message)
    }
}

fn instruction_failed(step: Option<Instruction>, exit_code: i32, cause: &str) -> Failure {
    let place = match &step {
        Some(step) => format!("`{}` (line {})", short(&step.text), step.line),
        None => "an instruction".to_owned(),
    };
    let message = match cause.strip_prefix("waiting for process to exit: ") {
        Some(how) if how.starts_with("exit status") => {
            format!("{place} failed with exit code {exit_code}")
        }
        Some(how) => format!("{place} failed: {how}"),
        None => format!("{place} failed: {cause}"),
    };
    failed_at(step, message)
}

/// The instruction that names a file that the context lacks. Kaniko fails before it logs the
/// instruction.
fn missing_file(dockerfile: &str, cause: &str) -> Option<Instruction> {
    let path = cause.split("lstat ").nth(1).or_else(|| cause.split("stat ").nth(1))?;
    let name = path.split(": ").next()?.rsplit('/').next()?;
    let instructions = dockerfile::instructions(dockerfile);
    instructions.into_iter().find(|one| {
        let mut words = one.text.split_whitespace();
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        matches!(verb.as_str(), "COPY" | "ADD")
            && words.any(|word| word.trim_matches(['"', ',', '[', ']']).ends_with(name))
    })
}

/// Kaniko's last line, without its prefix if that says nothing.
fn last_words(tail: &str) -> Option<(Stage, String)> {
    let own = tail.lines().rev().find_map(|line| {
        let begins = LAST_LINES.iter().find(|(begin, _)| line.starts_with(begin));
        let (begin, stage) = begins?;
        let words = match stage {
            Stage::Build => line.strip_prefix(begin).unwrap_or(line),
            _ => line,
        };
        let words = words.strip_prefix("error building stage: ").unwrap_or(words);
        Some((*stage, words.trim_end().to_owned()))
    });
    own.or_else(|| fatal(tail)).or_else(|| usage(tail))
}

fn fatal(tail: &str) -> Option<(Stage, String)> {
    let fatal = tail.lines().rev().find(|line| line.contains(" level=fatal msg="))?;
    Some((Stage::Build, log::message(fatal)?))
}

/// The error of Kaniko's command line, which Kaniko prints right before its usage.
fn usage(tail: &str) -> Option<(Stage, String)> {
    let (before, _) = tail.split_once("\nUsage:\n  executor [flags]")?;
    let words = before.lines().next_back()?.strip_prefix("Error: ")?;
    Some((Stage::Start, words.to_owned()))
}

/// Classifies a registry's answer, or its silence.
fn registry(words: &str) -> Option<FailureType> {
    const MISSING: [&str; 4] =
        ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "status code 404", ": NOT_FOUND"];
    const DENIED: [&str; 8] = [
        "UNAUTHORIZED",
        "DENIED",
        "FORBIDDEN",
        "status code 401",
        "status code 403",
        "x509: ",
        "HTTP response to HTTPS client",
        "no basic auth credentials",
    ];
    const AWAY: [&str; 17] = [
        "TOOMANYREQUESTS",
        "status code 429",
        "status code 5",
        "connection refused",
        "connection reset",
        "broken pipe",
        "i/o timeout",
        "TLS handshake timeout",
        "Client.Timeout",
        "deadline exceeded",
        "no such host",
        "server misbehaving",
        "network is unreachable",
        "no route to host",
        "unexpected EOF",
        ": EOF",
        "stream error: ",
    ];
    // Kaniko first tries TLS with an insecure registry. Only the answer to plain http counts.
    let plain = words.rsplit_once("HTTP response to HTTPS client; ");
    let words = plain.map_or(words, |(_, answer)| answer);
    let says = |words_of: &[&str]| words_of.iter().any(|word| words.contains(word));
    match () {
        () if says(&DENIED) => Some(FailureType::RegistryDenied),
        () if says(&MISSING) => Some(FailureType::BaseImageNotFound),
        () if says(&AWAY) => Some(FailureType::RegistryUnavailable),
        () => None,
    }
}

/// An instruction, shortened for a message.
fn short(text: &str) -> String {
    const LONGEST: usize = 200;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
