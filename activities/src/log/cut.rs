//! Cuts what the cluster sends into lines, each with its time, and redacts them.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::secrets::redact::Redactor;

/// Bytes of the longest line. A longer line is cut into several.
pub const PIECE: usize = 64 * 1024;

/// Characters of the longest time in RFC 3339.
const LONGEST_TIME: usize = 40;

/// Cuts a stream of `time line` into lines. The times always increase, by a nanosecond if the
/// cluster's times do not, so a time identifies a line of its log. The lines do not depend on where
/// the stream's chunks end. The memory that it uses is bounded.
#[derive(Default)]
pub struct Cutter {
    line: Vec<u8>,
    at: At,
    last: Option<Timestamp>,
}

/// The time of the current line.
#[derive(Default)]
enum At {
    #[default]
    Unread,
    Time(Timestamp),
    /// The line has no time: it is the rest of a line that started before the stream, or the kubelet's
    /// message that there is no log. Neither can be told apart from what is kept, so both are dropped.
    None,
}

impl Cutter {
    /// Reads a chunk, and passes on the lines that end in it.
    pub fn push(
        &mut self,
        chunk: &[u8],
        redactor: &Redactor,
        out: &mut (dyn FnMut(Timestamp, &[u8]) + Send),
    ) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            self.line.extend_from_slice(text);
            while self.line.len() > LONGEST_TIME + PIECE + redactor.hold() {
                self.take_time();
                let cut = redactor.cut(&self.line, PIECE);
                let rest = self.line.split_off(cut);
                self.give(redactor, out);
                self.line = rest;
            }
            if text.len() < part.len() {
                self.end(redactor, out);
            }
        }
    }

    /// Ends the stream. What is left is the last line.
    pub fn end(&mut self, redactor: &Redactor, out: &mut (dyn FnMut(Timestamp, &[u8]) + Send)) {
        self.take_time();
        self.give(redactor, out);
        self.line.clear();
        self.at = At::Unread;
    }

    fn take_time(&mut self) {
        if !matches!(self.at, At::Unread) {
            return;
        }
        let head = &self.line[..self.line.len().min(LONGEST_TIME)];
        let space = head.iter().position(|byte| *byte == b' ');
        let time = &head[..space.unwrap_or(head.len())];
        let time = std::str::from_utf8(time).ok().and_then(|time| time.parse().ok());
        self.at = time.map_or(At::None, At::Time);
        if time.is_some() {
            self.line.drain(..space.map_or(self.line.len(), |space| space + 1));
        }
    }

    fn give(&mut self, redactor: &Redactor, out: &mut (dyn FnMut(Timestamp, &[u8]) + Send)) {
        if let At::Time(at) = self.at {
            let at = self.last.map_or(at, |last| at.max(after(last)));
            self.last = Some(at);
            out(at, &redactor.bytes(&self.line));
        }
    }
}

/// The time one nanosecond later.
pub fn after(time: Timestamp) -> Timestamp {
    time.checked_add(SignedDuration::from_nanos(1)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;

    use super::*;
    use crate::secrets::redact::known;

    const TIME: &str = "2026-11-22T16:02:44.000000001Z";

    fn cut(text: &str, chunk: usize) -> Vec<(String, String)> {
        let (mut cutter, mut lines) = (Cutter::default(), Vec::new());
        let mut out = |at: Timestamp, line: &[u8]| {
            lines.push((format!("{at:.9}"), String::from_utf8(line.to_vec()).unwrap()));
        };
        for chunk in text.as_bytes().chunks(chunk) {
            cutter.push(chunk, &known(), &mut out);
        }
        cutter.end(&known(), &mut out);
        lines
    }

    #[test]
    fn lines_have_times_that_grow_wherever_the_chunks_end() {
        let text = format!("rest of a line\n{TIME} one\n{TIME} \n{TIME} three\nno time\n");
        for chunk in 1..text.len() {
            let lines = cut(&text, chunk);
            let expected = [("1Z", "one"), ("2Z", ""), ("3Z", "three")];
            assert_eq!(lines.len(), 3, "{lines:?}");
            for ((at, line), (end, text)) in lines.iter().zip(expected) {
                assert!(at.ends_with(end) && line == text, "{at} {line}");
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_the_same_way_and_a_secret_in_it_never() {
        let secret = k8s_openapi::ByteString(b"sesame-open-sesame".to_vec());
        let data = Some([("token".to_owned(), secret)].into());
        crate::secrets::redact::learn(&Secret { data, ..Secret::default() });
        let line =
            format!("{TIME} {}sesame-open-sesame{}", "a".repeat(PIECE - 9), "b".repeat(200_000));
        let lines = cut(&line, 7);
        assert_eq!(lines, cut(&line, 32 * 1024));
        let whole: String = lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(whole, known().text(&line[TIME.len() + 1..]));
        assert!(whole.contains("a***b"), "the secret is blotted out");
        assert!(lines.len() > 3 && lines.iter().all(|(_, line)| line.len() <= PIECE + 99));
    }
}
