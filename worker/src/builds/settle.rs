//! The final state of every container.

use kilnworks_workflows::progress::{Progress, State};

use super::outcome::Outcome;

/// Sets the final state of every container from the outcome, because the last poll may be older than
/// the end.
pub(crate) fn settle(progress: &mut Progress, outcome: &Outcome) {
    let (images, failures, other) = match outcome {
        Outcome::Succeeded(output) => (output.images.as_slice(), &[][..], State::Done),
        Outcome::Failed(details) => {
            (details.images.as_slice(), details.failures.as_slice(), State::Failed)
        }
        Outcome::Cancelled => (&[][..], &[][..], State::Cancelled),
    };
    for row in &mut progress.containers {
        let same = |component: &str, container: &str| {
            component == row.component && container == row.container
        };
        let image = images.iter().find(|one| same(&one.component, &one.container));
        let failure = failures.iter().find(|one| same(&one.component, &one.container));
        if let Some(image) = image {
            (row.state, row.reason) = (State::Done, None);
            row.reference = Some(image.reference.clone());
        } else if let Some(failure) = failure {
            (row.state, row.reason) = (State::Failed, Some(failure.message.clone()));
        } else if !row.state.is_final() {
            (row.state, row.reason) = (other, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use kilnworks_workflows::{
        failure::{Failure, FailureType},
        output::FailureDetails,
        progress::ContainerProgress,
    };

    use super::*;

    #[test]
    fn the_end_settles_every_row() {
        let row = |container: &str| ContainerProgress {
            component: "web".to_owned(),
            container: container.to_owned(),
            state: State::Building,
            ..ContainerProgress::default()
        };
        let failure = Failure::new(FailureType::BuildFailed, "it broke").of("web", "server");
        let details = FailureDetails { failures: vec![failure], images: Vec::new() };
        let mut progress =
            Progress { containers: vec![row("init"), row("server")], ..Progress::default() };
        settle(&mut progress, &Outcome::Failed(Box::new(details)));
        assert!(progress.containers.iter().all(|row| row.state == State::Failed));
        assert_eq!(progress.containers[1].reason.as_deref(), Some("it broke"));
    }
}
