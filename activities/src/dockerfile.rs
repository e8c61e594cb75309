//! Parses Dockerfiles: to find the images that they name, and the instruction that failed.

pub(crate) mod expand;
pub(crate) mod lines;
pub(crate) mod words;

/// The instructions that Kaniko logs when it reaches them.
const INSTRUCTIONS: &str = "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER \
    ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR";

/// An instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// Its first line, counted from 1.
    pub line: u32,
    /// Its text on one line, without continuations and comments.
    pub text: String,
}

/// Whether a text starts like an instruction.
pub fn is_step(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    INSTRUCTIONS.split(' ').any(|instruction| instruction.eq_ignore_ascii_case(word))
}

/// The instructions of a Dockerfile.
pub fn instructions(dockerfile: &str) -> Vec<Instruction> {
    let lines = lines::read(dockerfile).all.into_iter();
    lines.map(|one| Instruction { line: one.number, text: one.spaced(dockerfile) }).collect()
}

/// The instruction of the last logged step. Of several equal instructions it is the n-th if the log
/// has the step n times.
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
