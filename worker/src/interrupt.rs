//! What Ctrl-C means to someone who follows a build.

use std::io::{BufRead, stderr, stdin};

use tokio::sync::oneshot;

use crate::terminal;

/// What is to become of the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It goes on, without a watcher.
    Detach,
    /// It is cancelled.
    Cancel,
}

/// Asks once. Where nobody can be asked, the build goes on.
pub(crate) async fn ask(id: &str) -> Answer {
    if !terminal::answers() {
        return Answer::Detach;
    }
    eprint!("`{id}`: [d]etach and leave it running, or [c]ancel it? (detach) ");
    let _ = std::io::Write::flush(&mut stderr());
    let (tell, told) = oneshot::channel();
    // A thread of its own: nothing can end a read from a terminal, and the program must not wait
    // for one that nobody answers any more.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = stdin().lock().read_line(&mut line);
        let _ = tell.send(line);
    });
    told.await.map_or(Answer::Detach, |line| read(&line))
}

/// Only a plain yes to the cancel is one.
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
    fn only_a_plain_cancel_cancels() {
        for line in ["c\n", "Cancel\n", " c "] {
            assert_eq!(read(line), Answer::Cancel);
        }
        for line in ["", "\n", "d\n", "y\n", "clear\n"] {
            assert_eq!(read(line), Answer::Detach);
        }
    }
}
