//! Failures for people: the message, the place, the end of the log, and what to do.

use kilnworks_workflows::failure::Failure;

use super::table::one_line;

/// All failures, in plan order.
pub(crate) fn render(failures: &[Failure]) -> String {
    failures.iter().map(one).collect()
}

/// The last lines of a log. With more lines the error message above scrolls off the screen.
const LOG_LINES: usize = 30;

fn one(failure: &Failure) -> String {
    let mut text = format!("error: {failure} [{}]\n", failure.kind.name());
    if let Some(at) = at(failure) {
        text += &format!("  at: {at}\n");
    }
    let log: Vec<_> = failure.log_tail.lines().collect();
    for line in &log[log.len().saturating_sub(LOG_LINES)..] {
        text += &format!("  | {line}\n");
    }
    for attempt in &failure.earlier {
        let (number, message) = (attempt.attempt, one_line(&attempt.message));
        text += &format!("  attempt {number}: {message} [{}]\n", attempt.kind.name());
    }
    if let Some(log) = &failure.log {
        text += &format!("  log: {log}\n");
    }
    if !failure.remedy.is_empty() {
        text += &format!("hint: {}\n", failure.remedy);
    }
    text
}

fn at(failure: &Failure) -> Option<String> {
    let line = failure.line.map(|line| format!("line {line}"));
    let instruction = failure.instruction.as_ref().map(|it| format!("`{it}`"));
    let exit = failure.exit_code.map(|code| format!("exit code {code}"));
    let attempt =
        failure.attempt.filter(|attempt| *attempt > 1).map(|attempt| format!("attempt {attempt}"));
    let pod = failure.pod.as_ref().map(|pod| format!("pod {pod}"));
    let node = failure.node.as_ref().map(|node| format!("node {node}"));
    let parts = [line, instruction, exit, attempt, pod, node];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::failure::{FailedAttempt, Failure, FailureType};

    use super::render;

    #[test]
    fn a_failed_instruction_shows_where_and_the_log() {
        let mut failure =
            Failure::new(FailureType::BuildFailed, "`RUN make` ended with 2").of("web", "server");
        failure.line = Some(7);
        failure.instruction = Some("RUN make".to_owned());
        failure.exit_code = Some(2);
        failure.attempt = Some(2);
        failure.log = Some("s3://kiln/logs/run/2/".to_owned());
        let lost = Failure::new(FailureType::Evicted, "the node ended the Pod: Evicted");
        failure.earlier = vec![FailedAttempt::of(1, &lost)];
        failure.pod = Some("kiln-shop-web-server-0123456789".to_owned());
        failure.log_tail = "cc -c main.c\nmain.c:1: error\n".to_owned();
        let plain = Failure::new(FailureType::SourceNotFound, "no repository at https://x/y")
            .of("web", "init");
        insta::assert_snapshot!(render(&[failure, plain]));
    }
}
