//! The documents of a build file. Each is parsed on its own, so that one error can list the faults of
//! all.

use serde_json::Value;

use super::{comments, reading::Reading, values};

/// A document that is not empty.
#[derive(Debug)]
pub(super) struct Document {
    /// Where it is: `document 2`, counted by the `---` of the file.
    pub(super) place: String,
    /// The parsed document.
    pub(super) content: Value,
    /// The comments that explain something.
    pub(super) comments: Vec<String>,
}

/// The documents of a file, without empty ones. A commented-out document is reported.
pub(super) fn read(text: &str, reading: &mut Reading) -> Vec<Document> {
    let mut documents = Vec::new();
    // A byte order mark does not belong to the text.
    let text = text.trim_start_matches('\u{feff}');
    for (index, piece) in pieces(text).into_iter().enumerate() {
        let place = format!("document {}", index + 1);
        let marked = values::mark(&piece.text);
        match serde_saphyr::from_multiple::<Value>(&marked) {
            Err(error) => reading.fault(&place, piece.fault(&error)),
            Ok(contents) if contents.is_empty() && comments::any(&piece.text) => {
                reading.left_out(&place, "it is empty or commented out");
            }
            Ok(contents) => documents.extend(contents.into_iter().map(|content| Document {
                place: place.clone(),
                content,
                comments: comments::prose(&piece.text),
            })),
        }
    }
    documents
}

/// The text of one document, including its marker.
#[derive(Default)]
struct Piece {
    /// Lines of the file before it.
    above: usize,
    text: String,
}

impl Piece {
    /// A parser error with the line in the file. It repeats no text, because the text may contain a
    /// token.
    fn fault(&self, error: &serde_saphyr::Error) -> String {
        let bare = error.without_snippet();
        let what = bare.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let what = what.split(" at line ").next().unwrap_or_default();
        match error.location() {
            Some(at) => {
                let line = self.above as u64 + at.line();
                format!("invalid YAML: line {line}, column {}: {what}", at.column())
            }
            None => format!("invalid YAML: {what}"),
        }
    }
}

/// Splits a file at its `---` lines. No YAML scalar can contain such a line.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = vec![Piece::default()];
    for (above, line) in text.lines().enumerate() {
        let is_marker = line == "---" || line.starts_with("--- ") || line.starts_with("---\t");
        let current = pieces.last().map_or("", |piece| &piece.text);
        if is_marker && !is_directives(current) {
            pieces.push(Piece { above, ..Piece::default() });
        }
        if let Some(piece) = pieces.last_mut() {
            piece.text += line;
            piece.text.push('\n');
        }
    }
    if pieces[0].text.trim().is_empty() {
        pieces.remove(0);
    }
    pieces
}

/// Whether a text has only directives, such as `%YAML 1.2`, for the document below.
fn is_directives(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let first = lines.next();
    first.is_some_and(|line| line.starts_with('%')) && lines.all(|line| line.starts_with('%'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Reading, read};
    use crate::convert::values::Values;

    fn contents(text: &str) -> (Vec<(String, serde_json::Value)>, String) {
        let mut reading = Reading::new(Values::default());
        let documents = read(text, &mut reading);
        let contents = documents.into_iter().map(|one| (one.place, one.content)).collect();
        (contents, reading.report())
    }

    #[test]
    fn empty_and_commented_documents_are_skipped() {
        let text = "---\na: 1\n---\n\n---\n# b: 2\n--- # why\n---\nc: |\n  text\n  --- more\n...\n";
        let (contents, report) = contents(text);
        let expected =
            [("document 1", json!({"a": 1})), ("document 5", json!({"c": "text\n--- more\n"}))];
        assert_eq!(contents, expected.map(|(place, value)| (place.to_owned(), value)));
        assert_eq!(
            report,
            "left out: document 3: it is empty or commented out\n\
             left out: document 4: it is empty or commented out\n"
        );
    }

    #[test]
    fn a_directive_belongs_to_the_document_below() {
        let (contents, report) = contents("%YAML 1.2\n---\na: 1\n");
        assert_eq!(contents, [("document 1".to_owned(), json!({"a": 1}))]);
        assert_eq!(report, "");
    }

    #[test]
    fn every_invalid_document_is_reported_with_its_line() {
        let (_, report) = contents("a: 1\n---\nb: [1\n---\nc: 1\nc: 2\n");
        insta::assert_snapshot!(report);
    }
}
