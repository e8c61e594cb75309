//! Comments of a build file.

/// Whether a text has a comment.
pub(super) fn any(text: &str) -> bool {
    text.lines().any(|line| !comment(line).is_empty())
}

/// The comments that explain something, each with the name of the field below or before it. Commented
/// out YAML is left out, and so are comments that may contain credentials.
pub(super) fn prose(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut above = String::new();
    for line in text.lines() {
        let comment = comment(line);
        let prose = is_prose(comment, !above.is_empty()).then_some(comment);
        if line.trim_start().starts_with('#') {
            if let Some(comment) = prose {
                above = format!("{above} {comment}");
            }
            continue;
        }
        all.extend(about(line, &std::mem::take(&mut above)));
        all.extend(prose.and_then(|comment| about(line, comment)));
    }
    all.extend(about("", &above));
    all
}

/// A comment with its subject: a field, or the name of a list item.
fn about(line: &str, comment: &str) -> Option<String> {
    let comment = Some(comment.trim()).filter(|comment| !comment.is_empty())?;
    let indented = line.trim_start_matches([' ', '-']);
    let subject = match indented.split_once(':') {
        Some(("name", name)) => name.split(" #").next().unwrap_or_default().trim(),
        Some((field, _)) if indented != line => field,
        _ => "",
    };
    match subject.is_empty() {
        true => Some(comment.to_owned()),
        false => Some(format!("{subject}: {comment}")),
    }
}

/// The comment of a line. A `#` after a quote may belong to a value, so it does not start a comment.
fn comment(line: &str) -> &str {
    let (before, comment) = match line.trim_start().strip_prefix('#') {
        Some(comment) => ("", comment),
        None => line.split_once(" #").unwrap_or_default(),
    };
    match before.contains(['"', '\'']) {
        true => "",
        false => comment.trim_matches(|c: char| c == '#' || c.is_whitespace()),
    }
}

/// Whether a comment is a sentence, or continues one.
fn is_prose(comment: &str, continues: bool) -> bool {
    let lower = comment.to_lowercase();
    let is_secret = ["token", "account", "password", "://"].iter().any(|word| lower.contains(word));
    let words = comment.split_whitespace().count();
    let is_key = comment.split_whitespace().next().is_some_and(|word| word.ends_with(':'));
    let fewest = match is_key || comment.starts_with("- ") {
        true => 4,
        false if continues => 1,
        false => 2,
    };
    !is_secret && words >= fewest
}

#[cfg(test)]
mod tests {
    use super::{any, prose};

    #[test]
    fn prose_is_kept_with_its_field() {
        let text = "# The server, and what migrates its\n# tables.\na: 1 # kept for the old nodes\n\
                    b:\n  - name: server # see the other one\n    # note: keep the order of these\n    \
                    c: 1\n    d: \"x # no comment\"\n# The last word.\n";
        let expected = [
            "The server, and what migrates its tables.",
            "kept for the old nodes",
            "server: see the other one",
            "c: note: keep the order of these",
            "The last word.",
        ];
        assert_eq!(prose(text), expected);
    }

    #[test]
    fn commented_out_yaml_is_not_prose() {
        let text = "#c: 1\n#  - name: x\n# ciToken: abc def ghi jkl\n#\n######\n# word\na: 1\n";
        assert_eq!(prose(text), Vec::<String>::new());
        assert!(any("a: 1\n#b\n") && !any("a: '1 #b'\n---\n"));
    }
}
