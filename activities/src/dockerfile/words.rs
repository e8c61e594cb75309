//! The words of an instruction: its name, flags, arguments and here-documents.

use std::ops::Range;

use super::expand::ESCAPE;

/// The first word of a text, and where the rest starts.
pub(crate) fn command(text: &str) -> (String, usize) {
    let name = text.trim_start();
    let begin = text.len() - name.len();
    let end = name.find(char::is_whitespace).unwrap_or(name.len());
    (name[..end].to_ascii_uppercase(), begin + end)
}

/// A flag such as `--from=image`.
#[derive(Debug, PartialEq)]
pub(crate) struct Flag {
    /// The flag without quotes and escapes.
    pub(crate) text: String,
    /// Its range in the text, with quotes and escapes.
    pub(crate) at: Range<usize>,
}

/// The flags from a place of a text on, and where the arguments start.
pub(crate) fn flags(text: &str, from: usize, escape: char) -> (Vec<Flag>, usize) {
    let mut flags = Vec::new();
    let mut at = from;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if !text[at..].starts_with("--") {
            return (flags, at);
        }
        let word = word(&text[at..], escape);
        let end = at + word.len();
        let bare = bare(word, escape);
        if bare == "--" {
            return (flags, end);
        }
        flags.push(Flag { text: bare, at: at..end });
        at = end;
    }
}

/// The words of a text, with quotes and escapes.
pub(crate) fn words(mut text: &str, escape: char) -> Vec<&str> {
    let mut words = Vec::new();
    loop {
        text = text.trim_start();
        let word = word(text, escape);
        if word.is_empty() {
            return words;
        }
        words.push(word);
        text = &text[word.len()..];
    }
}

/// The text up to the first white space that is neither quoted nor escaped.
fn word(text: &str, escape: char) -> &str {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            _ if c == escape && quote != Some('\'') => escaped = true,
            None if c.is_whitespace() => return &text[..at],
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(end) if c == end => quote = None,
            _ => {}
        }
    }
    text
}

/// A word without quotes and escapes.
fn bare(word: &str, escape: char) -> String {
    let mut quote = None;
    let mut escaped = false;
    let keep = |c: &char| match quote {
        _ if escaped => {
            escaped = false;
            true
        }
        _ if *c == escape => {
            escaped = true;
            false
        }
        None if matches!(c, '"' | '\'') => {
            quote = Some(*c);
            false
        }
        Some(end) if *c == end => {
            quote = None;
            false
        }
        _ => true,
    };
    word.chars().filter(keep).collect()
}

/// The end of a here-document.
#[derive(Debug, PartialEq)]
pub(super) struct End {
    word: String,
    /// Written `<<-`: tabs before the word are ignored.
    indented: bool,
}

impl End {
    /// Whether a line ends the here-document.
    pub(super) fn is(&self, line: &str) -> bool {
        let line = if self.indented { line.trim_start_matches('\t') } else { line };
        line == self.word
    }
}

/// The ends of the here-documents of an instruction, in order.
pub(super) fn heredocs(text: &str, escape: char) -> Vec<End> {
    let (mut name, mut from) = command(text);
    if name == "ONBUILD" {
        let (inner, rest) = command(&text[from..]);
        (name, from) = (inner, from + rest);
    }
    let may_hold = ["ADD", "COPY", "RUN"].contains(&name.as_str()) && text.contains("<<");
    let (_, arguments) = flags(text, from, escape);
    if !may_hold || serde_json::from_str::<Vec<String>>(&text[arguments..]).is_ok() {
        return Vec::new();
    }
    let mut ends = Vec::new();
    let mut words = words(&text[arguments..], ESCAPE).into_iter();
    while let Some(word) = words.next() {
        // `<<END`, `<<-END`, `3<<END` or `<< END`, with `END` quoted or not.
        let word = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<");
        let (word, indented) = match word {
            None => continue,
            Some("") => (words.next().unwrap_or_default(), false),
            Some(word) => word.strip_prefix('-').map_or((word, false), |word| (word, true)),
        };
        let end = bare(word, ESCAPE);
        if !end.is_empty() && !word.contains('<') {
            ends.push(End { word: end, indented });
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heredocs_are_told_from_what_looks_like_one() {
        for (text, ends) in [
            ("RUN <<EOF", &["EOF"] as &[_]),
            ("run cat <<A >x && cat << 'B'", &["A", "B"]),
            ("COPY --chown=1 <<\"a.txt\" 3<<b /", &["a.txt", "b"]),
            ("ONBUILD RUN <<-EOF", &["EOF"]),
            ("RUN cat <<<EOF", &[]),
            ("RUN cat<<EOF", &[]),
            ("RUN echo '<<EOF' \" <<EOF\" \\<<EOF", &[]),
            ("RUN [\"cat\", \"<<EOF\"]", &[]),
            ("RUN [ -e x ] && cat <<EOF", &["EOF"]),
            ("RUN echo $((1 << 2)) ${x:-y}", &["2))"]),
            ("ENV a <<EOF", &[]),
        ] {
            let found: Vec<_> = heredocs(text, '\\').into_iter().map(|end| end.word).collect();
            assert_eq!(found, ends, "{text}");
        }
    }

    #[test]
    fn flags_end_where_the_arguments_begin() {
        let text = r#"COPY --chown=a:b --from="the one" --link src --from=x"#;
        let (flags, arguments) = flags(text, 4, '\\');
        let texts: Vec<_> = flags.iter().map(|flag| flag.text.as_str()).collect();
        assert_eq!(texts, ["--chown=a:b", "--from=the one", "--link"]);
        assert_eq!(&text[flags[1].at.clone()], r#"--from="the one""#);
        assert_eq!(&text[arguments..], "src --from=x");
    }

    #[test]
    fn words_keep_quotes_and_escapes() {
        let found = words(r#" A="b c"  D=e\ f G='\' "#, '\\');
        assert_eq!(found, [r#"A="b c""#, r"D=e\ f", r"G='\'"]);
    }
}
