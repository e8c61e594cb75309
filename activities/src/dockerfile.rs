//! The instructions of a Dockerfile and their lines, as far as a failed one must be found.

/// The instructions that Kaniko names in its log when it comes to them.
const INSTRUCTIONS: [&str; 17] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
];

/// An instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// Its first line, counted from 1.
    pub line: u32,
    /// Its text in one line, without continuations and comments.
    pub text: String,
}

/// Whether a text begins like an instruction.
pub fn is_step(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let word = word.to_ascii_uppercase();
    word == "WORKDIR" || INSTRUCTIONS.contains(&word.as_str())
}

/// The instructions of a Dockerfile.
pub fn instructions(dockerfile: &str) -> Vec<Instruction> {
    let escape = escape(dockerfile);
    let mut found = Vec::new();
    let mut open: Option<Instruction> = None;
    let mut heredocs: Vec<String> = Vec::new();
    for (index, line) in dockerfile.lines().enumerate() {
        if let Some(end) = heredocs.first() {
            if line.trim_start_matches('\t') == end {
                heredocs.remove(0);
            }
            continue;
        }
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (text, goes_on) = match text.strip_suffix(escape) {
            Some(text) => (text.trim_end(), true),
            None => (text, false),
        };
        let instruction = match open.take() {
            Some(mut instruction) => {
                instruction.text.push(' ');
                instruction.text.push_str(text);
                instruction
            }
            None => Instruction { line: index as u32 + 1, text: text.to_owned() },
        };
        if goes_on {
            open = Some(instruction);
        } else {
            heredocs = heredocs_of(&instruction.text);
            found.push(instruction);
        }
    }
    found.extend(open);
    found
}

/// The directive `# escape=` of a Dockerfile for Windows paths; a backslash otherwise.
fn escape(dockerfile: &str) -> char {
    let directives = dockerfile.lines().map_while(|line| line.strip_prefix('#'));
    let mut escapes = directives.filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "escape").then(|| value.trim().chars().next())?
    });
    escapes.next().unwrap_or('\\')
}

/// The words that end the here-documents of an instruction, in order.
fn heredocs_of(text: &str) -> Vec<String> {
    let is_possible = ["RUN", "COPY", "ADD"]
        .iter()
        .any(|name| text.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name)));
    let words = text.split_whitespace().filter_map(|word| word.strip_prefix("<<"));
    let words = words.map(|word| word.trim_start_matches('-').trim_matches(['"', '\'']));
    let is_word = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let words = words.filter(is_word).map(str::to_owned);
    words.filter(|_| is_possible).collect()
}

/// The last of the logged steps, found in the Dockerfile. Of equal instructions it is the one that
/// was come to as often as the log says.
pub fn last_step(dockerfile: &str, steps: &[String]) -> Option<Instruction> {
    let instructions = instructions(dockerfile);
    let (equal, step) = steps.iter().rev().find_map(|step| {
        let equal = instructions.iter().filter(|one| same(&one.text, step));
        let equal: Vec<_> = equal.collect();
        (!equal.is_empty()).then_some((equal, step))
    })?;
    let times = steps.iter().filter(|one| *one == step).count();
    equal.get(times.min(equal.len()) - 1).map(|one| (*one).clone())
}

/// Kaniko joins continuation lines in its own way, so white space does not count.
fn same(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str = r#"# syntax=docker/dockerfile:1
FROM debian AS build

RUN apt-get update && \
    # the compiler
    apt-get install -y \
      gcc
RUN make
RUN <<EOF
RUN not an instruction
EOF
RUN make
"#;

    #[test]
    fn instructions_have_lines() {
        let lines = instructions(DOCKERFILE).into_iter().map(|one| one.line);
        assert_eq!(lines.collect::<Vec<_>>(), [2, 4, 8, 9, 12]);
    }

    #[test]
    fn the_last_step_is_found() {
        let steps = |steps: &[&str]| steps.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        for (logged, line) in [
            (steps(&["RUN apt-get update &&     apt-get install -y       gcc"]), Some(4)),
            (steps(&["RUN make"]), Some(8)),
            (steps(&["RUN make", "RUN <<EOF", "RUN make"]), Some(12)),
            (steps(&["RUN make", "RUN unknown"]), Some(8)),
            (steps(&[]), None),
        ] {
            let found = last_step(DOCKERFILE, &logged);
            assert_eq!(found.map(|one| one.line), line, "{logged:?}");
        }
    }
}
