//! Who is an orphan. The decision depends only on what is known of an object, on what Temporal says
//! of its workflow, and on the time.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{bounds, names, steps::SweptObject};
use kube::core::ObjectMeta;

/// For this long after a workflow has closed, its own clean-up may still be running.
const CLOSING: Duration = Duration::from_secs(60);

/// How long after its deadline a deleted object counts as stuck. A healthy node confirms the end of
/// a Pod within seconds.
const STUCK: Duration = Duration::from_secs(300);

/// The execution that made an object: the first of a workflow's chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Id of the workflow.
    pub workflow_id: String,
    /// Run id of its first execution.
    pub run_id: String,
}

/// What Temporal says of an owner.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnerState {
    /// The workflow runs.
    Running,
    /// The workflow has ended, at this time or before it.
    Closed(Timestamp),
    /// Temporal does not know the workflow.
    Unknown,
}

/// What is known of an object.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `Pod` or `Job`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Option<String>,
    /// The execution that made the object, if its labels name one.
    pub owner: Option<Owner>,
    created: Option<Timestamp>,
    deadline: Option<Timestamp>,
    has_finalizer: bool,
}

impl Facts {
    /// Reads an object's metadata.
    pub fn of(kind: &'static str, meta: ObjectMeta) -> Self {
        let label = |name| meta.labels.as_ref()?.get(&names::label(name)).cloned();
        let annotation = |name| meta.annotations.as_ref()?.get(&names::label(name)).cloned();
        let owner = annotation("workflow-id").zip(label("run"));
        let owner = owner.map(|(workflow_id, run_id)| Owner { workflow_id, run_id });
        Self {
            kind,
            // Temporal refuses other ids, and one refusal would end the sweep.
            owner: owner
                .filter(|owner| (1..=bounds::WORKFLOW_ID).contains(&owner.workflow_id.len())),
            created: meta.creation_timestamp.map(|time| time.0),
            deadline: meta.deletion_timestamp.map(|time| time.0),
            has_finalizer: meta.finalizers.is_some_and(|all| !all.is_empty()),
            name: meta.name.unwrap_or_default(),
            uid: meta.uid,
        }
    }

    /// A line of the report.
    pub fn reported(&self, reason: &str) -> SweptObject {
        let owner = self.owner.as_ref();
        SweptObject {
            kind: self.kind.to_owned(),
            name: self.name.clone(),
            workflow_id: owner.map(|owner| owner.workflow_id.clone()).unwrap_or_default(),
            reason: reason.to_owned(),
        }
    }
}

/// What the sweep does with an object, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The object stays.
    Left(&'static str),
    /// The sweep deletes the object.
    Deleted(&'static str),
    /// The object was deleted before, and its node never confirmed that: the sweep removes it from
    /// the API.
    Forced(&'static str),
}

/// The owner to ask Temporal about, or the fate of an object that needs no question.
pub fn asked(facts: &Facts, now: Timestamp, floor: Duration) -> Result<&Owner, Fate> {
    let owner = facts.owner.as_ref().ok_or(Fate::Left("it names no workflow"))?;
    // An object without a creation time counts as new.
    match facts.created.is_some_and(|created| passed(created, now) >= floor) {
        true => Ok(owner),
        false => Err(Fate::Left("it is too young")),
    }
}

/// The fate of an object that is old enough, by what Temporal says of its owner.
pub fn fate(facts: &Facts, owner: &OwnerState, now: Timestamp) -> Fate {
    let reason = match owner {
        OwnerState::Running => return Fate::Left("its workflow runs"),
        OwnerState::Closed(at) if passed(*at, now) < CLOSING => {
            return Fate::Left("its workflow has just ended");
        }
        OwnerState::Closed(_) => "its workflow has ended",
        OwnerState::Unknown => "Temporal knows no such workflow",
    };
    match facts.deadline {
        None => Fate::Deleted(reason),
        Some(_) if facts.has_finalizer => Fate::Left("it is deleted, and has a finalizer"),
        Some(deadline) if passed(deadline, now) < STUCK => Fate::Left("it is being deleted"),
        Some(_) => Fate::Forced("it was deleted, and its node does not confirm that"),
    }
}

fn passed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    const FLOOR: Duration = Duration::from_secs(600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// A Pod that was made at second 0.
    fn meta() -> ObjectMeta {
        let pairs = |name: &str, value: &str| [(names::label(name), value.to_owned())].into();
        ObjectMeta {
            name: Some("kiln-shop-web-1".to_owned()),
            labels: Some(pairs("run", "r1")),
            annotations: Some(pairs("workflow-id", "nightly/web")),
            creation_timestamp: Some(Time(at(0))),
            ..ObjectMeta::default()
        }
    }

    fn judged(meta: ObjectMeta, owner: OwnerState, second: i64) -> Fate {
        let facts = Facts::of("Pod", meta);
        match asked(&facts, at(second), FLOOR) {
            Ok(_) => fate(&facts, &owner, at(second)),
            Err(left) => left,
        }
    }

    #[test]
    fn an_orphan_is_old_and_its_workflow_is_over() {
        use OwnerState::{Closed, Running, Unknown};
        for (owner, second, expected) in [
            (Running, 100_000, Fate::Left("its workflow runs")),
            (Unknown, 599, Fate::Left("it is too young")),
            (Unknown, -5, Fate::Left("it is too young")),
            (Unknown, 600, Fate::Deleted("Temporal knows no such workflow")),
            (Closed(at(100)), 599, Fate::Left("it is too young")),
            (Closed(at(100)), 600, Fate::Deleted("its workflow has ended")),
            (Closed(at(1000)), 1059, Fate::Left("its workflow has just ended")),
            (Closed(at(1000)), 1060, Fate::Deleted("its workflow has ended")),
            // By a clock that is behind Temporal's.
            (Closed(at(1000)), 900, Fate::Left("its workflow has just ended")),
        ] {
            assert_eq!(judged(meta(), owner.clone(), second), expected, "{owner:?} at {second}");
        }
    }

    #[test]
    fn what_does_not_say_whose_it_is_stays() {
        for meta in [
            ObjectMeta { labels: None, ..meta() },
            ObjectMeta { annotations: None, ..meta() },
            ObjectMeta { creation_timestamp: None, ..meta() },
        ] {
            let fate = judged(meta, OwnerState::Unknown, 1_000_000);
            assert!(matches!(fate, Fate::Left(_)), "{fate:?}");
        }
    }

    #[test]
    fn a_deletion_that_no_node_confirms_is_forced() {
        let going = || ObjectMeta { deletion_timestamp: Some(Time(at(1000))), ..meta() };
        let held = ObjectMeta { finalizers: Some(vec!["x/y".to_owned()]), ..going() };
        for (meta, owner, second, forced) in [
            (going(), OwnerState::Unknown, 1299, false),
            (going(), OwnerState::Unknown, 1300, true),
            (going(), OwnerState::Running, 1300, false),
            (held, OwnerState::Unknown, 1300, false),
        ] {
            let fate = judged(meta, owner, second);
            assert_eq!(matches!(fate, Fate::Forced(_)), forced, "{fate:?} at {second}");
            assert!(!matches!(fate, Fate::Deleted(_)));
        }
    }

    #[test]
    fn a_report_says_whose_it_was() {
        let reported = Facts::of("Pod", meta()).reported("because");
        assert_eq!(
            (reported.name.as_str(), reported.workflow_id.as_str()),
            ("kiln-shop-web-1", "nightly/web")
        );
        assert_eq!(Facts::of("Pod", ObjectMeta::default()).reported("because").workflow_id, "");
    }
}
