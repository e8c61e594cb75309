//! Splits a Dockerfile into instructions as BuildKit's parser does, which Kaniko uses. Each
//! instruction knows where each of its bytes is in the file.

use std::ops::Range;

use super::words;

/// The instructions of a Dockerfile.
#[derive(Debug)]
pub(crate) struct Lines {
    /// In the order of the file.
    pub(crate) all: Vec<Line>,
    /// The escape character, which also continues lines.
    pub(crate) escape: char,
    /// False if a here-document does not end. Nothing after it is parsed then.
    pub(crate) is_whole: bool,
}

/// An instruction.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its first line, counted from 1.
    pub(crate) number: u32,
    /// Its text on one line, without comments and continuations. White space is kept.
    pub(crate) text: String,
    /// The ranges in the file of the parts of the text, one per line.
    parts: Vec<Range<usize>>,
}

impl Line {
    /// The ranges in the file of a part of the text. There are several if the part spans lines.
    pub(crate) fn places(&self, part: Range<usize>) -> Vec<Range<usize>> {
        let mut begin = 0;
        let mut places = Vec::new();
        for from in &self.parts {
            let low = part.start.max(begin);
            let high = part.end.min(begin + from.len());
            if low < high {
                places.push(from.start + low - begin..from.start + high - begin);
            }
            begin += from.len();
        }
        places
    }

    /// The text with one space between the parts of its lines.
    pub(super) fn spaced(&self, dockerfile: &str) -> String {
        let parts = self.parts.iter().map(|part| dockerfile[part.clone()].trim());
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// Parses a Dockerfile.
pub(crate) fn read(dockerfile: &str) -> Lines {
    let escape = escape(dockerfile);
    let mut lines = Lines { all: Vec::new(), escape, is_whole: true };
    let mut rest = physical(dockerfile);
    while let Some((number, at)) = rest.next() {
        let text = &dockerfile[at.clone()];
        let at = at.end - text.trim_start().len()..at.end;
        if is_bare(text) {
            continue;
        }
        let (mut part, mut goes_on) = continued(dockerfile, at, escape);
        let mut parts = vec![part];
        while goes_on && let Some((_, at)) = rest.next() {
            if !is_bare(&dockerfile[at.clone()]) {
                (part, goes_on) = continued(dockerfile, at, escape);
                parts.push(part);
            }
        }
        let text: String = parts.iter().map(|part| &dockerfile[part.clone()]).collect();
        for end in words::heredocs(&text, escape) {
            lines.is_whole &= rest.any(|(_, at)| end.is(&dockerfile[at]));
        }
        lines.all.push(Line { number, text, parts });
    }
    lines
}

/// The numbered lines of a file, without their line ends.
fn physical(dockerfile: &str) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut at = 0;
    dockerfile.split_inclusive('\n').zip(1..).map(move |(line, number)| {
        let begin = at;
        at += line.len();
        let mark = if number == 1 && line.starts_with(MARK) { MARK.len_utf8() } else { 0 };
        (number, begin + mark..begin + line.trim_end_matches(['\r', '\n']).len())
    })
}

/// The byte order mark at the start of some files.
const MARK: char = '\u{feff}';

/// Whether a line is blank or a comment.
fn is_bare(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// A line without the escape at its end, and whether it had one. A doubled escape does not count.
fn continued(dockerfile: &str, at: Range<usize>, escape: char) -> (Range<usize>, bool) {
    let text = dockerfile[at.clone()].trim_end_matches([' ', '\t']);
    match text.strip_suffix(escape) {
        Some(text) if !text.ends_with(escape) => (at.start..at.start + text.len(), true),
        _ => (at, false),
    }
}

/// The character of the directive `# escape=`, for Windows paths; by default a backslash. Directives
/// come before everything else, including other comments.
fn escape(dockerfile: &str) -> char {
    for line in dockerfile.trim_start_matches(MARK).lines() {
        let directive = line.trim_start().strip_prefix('#').and_then(|line| line.split_once('='));
        let Some((name, value)) = directive else { break };
        match name.trim().to_ascii_lowercase().as_str() {
            "escape" => return value.trim().chars().next().unwrap_or('\\'),
            "syntax" | "check" => {}
            _ => break,
        }
    }
    '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(dockerfile: &str) -> Vec<(u32, String)> {
        let lines = read(dockerfile).all.into_iter();
        lines.map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn a_file_is_read_as_buildkit_reads_it() {
        for (dockerfile, expected) in [
            ("FROM a\r\nRUN b\r\n", &[(1u32, "FROM a"), (2, "RUN b")] as &[_]),
            ("\u{feff}  from a\n", &[(1, "from a")]),
            ("FROM a\\\nb\n", &[(1, "FROM ab")]),
            ("FROM \\\n# c\n\n  a\nRUN b", &[(1, "FROM   a"), (5, "RUN b")]),
            ("RUN dir c:\\\\\nRUN b\n", &[(1, "RUN dir c:\\\\"), (2, "RUN b")]),
            ("# escape=`\nRUN a\\\nRUN b `\n c\n", &[(2, "RUN a\\"), (3, "RUN b  c")]),
            ("# syntax=x\n#Escape = `\nRUN a`\nb\n", &[(3, "RUN ab")]),
            ("# told\n# escape=`\nRUN a`\nRUN b\n", &[(3, "RUN a`"), (4, "RUN b")]),
            ("RUN <<A cat <<-'B'\nx\nA\n\tB\nRUN b\n", &[(1, "RUN <<A cat <<-'B'"), (5, "RUN b")]),
            ("RUN <<A\n A\nA \nA\nRUN b\n", &[(1, "RUN <<A"), (5, "RUN b")]),
            ("RUN a \\", &[(1, "RUN a ")]),
        ] {
            let found = texts(dockerfile);
            let found: Vec<_> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
            assert_eq!(found, expected, "{dockerfile:?}");
        }
    }

    #[test]
    fn a_heredoc_without_an_end_is_told() {
        assert!(!read("FROM a\nRUN <<EOF\nFROM b\n").is_whole);
        assert!(read("FROM a\nRUN <<EOF\nEOF\n").is_whole);
    }

    #[test]
    fn a_part_is_found_again_in_the_file() {
        let dockerfile = "FROM de\\\n# c\nbi\\\nan AS x\n";
        let line = &read(dockerfile).all[0];
        assert_eq!(line.text, "FROM debian AS x");
        let places = line.places(5..11).into_iter().map(|at| &dockerfile[at]);
        assert_eq!(places.collect::<Vec<_>>(), ["de", "bi", "an"]);
    }
}
