//! What the author of a build file wrote beside it for people.

/// Whether a text holds a comment.
pub(super) fn any(text: &str) -> bool {
    text.lines().any(|line| comment(line).is_some())
}

/// The comments that explain something, one behind a field with the name of that field. Those that
/// are a part of the file switched off explain nothing; a credential in one must not be carried
/// over either.
pub(super) fn prose(text: &str) -> Vec<String> {
    let comments = text.lines().filter_map(comment).filter(|(_, comment)| is_prose(comment));
    let told = |(before, comment): (&str, &str)| match before.split_once(':') {
        Some((field, _)) => format!("{}: {comment}", field.trim_start_matches(['-', ' '])),
        None => comment.to_owned(),
    };
    comments.map(told).collect()
}

/// The comment of a line, and what stands before it. A `#` behind a quote may be a part of a value,
/// so it counts as one.
fn comment(line: &str) -> Option<(&str, &str)> {
    let (before, comment) = match line.trim_start().strip_prefix('#') {
        Some(comment) => ("", comment),
        None => line.split_once(" #")?,
    };
    let comment = comment.trim_matches(|c: char| c == '#' || c.is_whitespace());
    (!before.contains(['"', '\''])).then_some((before, comment))
}

fn is_prose(comment: &str) -> bool {
    let lower = comment.to_lowercase();
    let is_secret = ["token", "account", "password", "://"].iter().any(|word| lower.contains(word));
    let words = comment.split_whitespace().count();
    let is_key = comment.split_whitespace().next().is_some_and(|word| word.ends_with(':'));
    let is_item = comment.starts_with("- ");
    !is_secret && words > if is_key || is_item { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn what_explains_is_kept_and_what_is_switched_off_is_not() {
        let text = "# The server, and what migrates its tables.\na: 1 # kept for the old nodes\n\
                    b: \"x # no comment\"\n#c: 1\n#  - name: x\n# ciToken: abc def ghi jkl\n#\n\
                    # note: keep the order of these two\n######\n";
        let expected = [
            "The server, and what migrates its tables.",
            "a: kept for the old nodes",
            "note: keep the order of these two",
        ];
        assert_eq!(prose(text), expected);
    }
}
