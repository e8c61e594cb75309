//! Failures as people read them: what, where, the end of the log, what to do.

use kilnworks_workflows::failure::{Failure, FailureType};

/// All failures, in plan order.
pub(crate) fn render(failures: &[Failure]) -> String {
    failures.iter().map(one).collect()
}

/// How many lines of a log are shown, so that what failed stays on the screen above them.
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
    if let Some(hint) = hint(failure.kind) {
        text += &format!("hint: {hint}\n");
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

/// What to do about a failure of this type.
fn hint(kind: FailureType) -> Option<&'static str> {
    Some(match kind {
        FailureType::InvalidSpec => "`kiln plan SPEC` finds faults without a server",
        FailureType::InvalidTemplate => "the message names the line and the known names",
        FailureType::SourceNotFound => "check `source.git.url`",
        FailureType::RevisionNotFound => {
            "check `source.git.revision`, `contextDir` and `dockerfile` at that commit"
        }
        FailureType::SourceDenied => {
            "check `source.git.secret`, and that its annotation kiln.io/hosts lists the host"
        }
        FailureType::BaseImageNotFound => "check the image in FROM, or in `image`",
        FailureType::RegistryDenied => {
            "check `pushSecret` and `pullSecret`, and that kiln.io/hosts lists the registry"
        }
        FailureType::BuildFailed => "the lines above are the end of the build's log",
        FailureType::OutOfMemory => "raise `resources.memory`",
        FailureType::Unschedulable => "no node has room: lower `resources`, or add nodes",
        FailureType::ImagePullFailed => "check KILN_EXECUTOR_IMAGE and the Secrets it needs",
        FailureType::QuotaExceeded => "raise the quota of the build namespace, or KILN_MAX_BUILDS",
        FailureType::DeadlineExceeded => "raise the clock in `timeouts`",
        FailureType::Conflict => "wait for the other build, or give another `--id`",
        FailureType::VersionExists => "give another version",
        FailureType::SourceUnavailable
        | FailureType::StoreUnavailable
        | FailureType::ClusterUnavailable
        | FailureType::RegistryUnavailable => {
            "it was down for longer than its clock; see `timeouts.whole`"
        }
        FailureType::Evicted | FailureType::NodeLost | FailureType::PodDeleted => {
            "the cluster took every attempt's Pod; see its events, or raise KILN_MAX_ATTEMPTS"
        }
        FailureType::Internal => return None,
    })
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::failure::{Failure, FailureType};

    use super::render;

    #[test]
    fn a_failed_instruction_shows_where_and_the_log() {
        let mut failure =
            Failure::new(FailureType::BuildFailed, "`RUN make` ended with 2").of("web", "server");
        failure.line = Some(7);
        failure.instruction = Some("RUN make".to_owned());
        failure.exit_code = Some(2);
        failure.attempt = Some(1);
        failure.pod = Some("kiln-shop-web-server-0123456789".to_owned());
        failure.log_tail = "cc -c main.c\nmain.c:1: error\n".to_owned();
        let plain = Failure::new(FailureType::SourceNotFound, "no repository at https://x/y")
            .of("web", "init");
        insta::assert_snapshot!(render(&[failure, plain]));
    }
}
