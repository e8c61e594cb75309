//! The question after Ctrl-C: detach or cancel?

use std::io::{BufRead, stderr, stdin};

use tokio::sync::oneshot;

use crate::output::terminal;

/// What to do with the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The build continues.
    Detach,
    /// The build is cancelled.
    Cancel,
}

/// Asks once. Without a terminal the answer is to detach.
pub(crate) async fn ask(id: &str) -> Answer {
    if !terminal::answers() {
        return Answer::Detach;
    }
    eprint!("`{id}`: [d]etach and leave it running, or [c]ancel it? (detach) ");
    let _ = std::io::Write::flush(&mut stderr());
    let (sender, answer) = oneshot::channel();
    // A read from a terminal cannot be cancelled. In a thread of its own it does not block the exit of
    // the program.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = stdin().lock().read_line(&mut line);
        let _ = sender.send(line);
    });
    answer.await.map_or(Answer::Detach, |line| read(&line))
}

/// Only `c` and `cancel` cancel.
fn read(line: &str) -> Answer {
    match line.trim().to_lowercase().as_str() {
        "c" | "cancel" => Answer::Cancel,
        _ => Answer::Detach,
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, read};

    #[test]
    fn only_cancel_cancels() {
        for line in ["c\n", "Cancel\n", " c "] {
            assert_eq!(read(line), Answer::Cancel);
        }
        for line in ["", "\n", "d\n", "y\n", "clear\n"] {
            assert_eq!(read(line), Answer::Detach);
        }
    }
}
