//! Who is an orphan: what is known of an object, the engine's answer and the time decide, and
//! nothing else does.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kilnworks_workflows::{bounds, names, sweep::SweptObject};
use kube::core::ObjectMeta;

use crate::{
    cluster::JOB_UID,
    share::{
        self,
        members::{self, Member},
    },
};

/// How long a workflow has been closed until its own clean-up can no longer be on its way.
const CLOSING: Duration = Duration::from_secs(60);

/// How long after its deadline a deleted object counts as stuck. A node that lives confirms the
/// end of a Pod within seconds.
const STUCK: Duration = Duration::from_secs(300);

/// An execution whose an object is: it made it, or shares it.
pub type Owner = Member;

/// What the engine says of an owner.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnerState {
    /// It runs.
    Running,
    /// It has ended: at this time or before it.
    Closed(Timestamp),
    /// The engine knows no such workflow, any more.
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
    /// What it was in the API.
    pub version: Option<String>,
    /// Who shares it; else who made it, where it says so.
    pub owners: Vec<Owner>,
    /// Whether equal builds share it.
    pub shared: bool,
    /// UID of the Job whose Pod it is.
    pub job: Option<String>,
    created: Option<Timestamp>,
    deadline: Option<Timestamp>,
    held: bool,
}

impl Facts {
    /// Reads an object's metadata.
    pub fn of(kind: &'static str, meta: ObjectMeta) -> Self {
        let label = |name: &str| meta.labels.as_ref()?.get(name).cloned();
        let annotation = |name| meta.annotations.as_ref()?.get(&names::label(name)).cloned();
        let made = annotation("workflow-id").zip(label(&names::label("run")));
        let made = made.map(|(workflow_id, run_id)| Owner { workflow_id, run_id });
        let mut owners: Vec<_> = members::of(&meta).into_values().flatten().collect();
        // A Job's Pod does not say who shares it.
        if owners.is_empty() {
            owners.extend(made);
        }
        // An id that the engine cannot have would keep it from answering for all the others.
        owners.retain(|owner| (1..=bounds::WORKFLOW_ID).contains(&owner.workflow_id.len()));
        Self {
            kind,
            owners,
            shared: share::is_shared(&meta),
            job: label(JOB_UID),
            version: meta.resource_version,
            created: meta.creation_timestamp.map(|time| time.0),
            deadline: meta.deletion_timestamp.map(|time| time.0),
            held: meta.finalizers.is_some_and(|held| !held.is_empty()),
            name: meta.name.unwrap_or_default(),
            uid: meta.uid,
        }
    }

    /// A line of the report.
    pub fn told(&self, reason: &str) -> SweptObject {
        let owner = self.owners.first();
        SweptObject {
            kind: self.kind.to_owned(),
            name: self.name.clone(),
            workflow_id: owner.map(|owner| owner.workflow_id.clone()).unwrap_or_default(),
            reason: reason.to_owned(),
        }
    }
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for this reason.
    Left(&'static str),
    /// It is deleted.
    Deleted(&'static str),
    /// It was deleted and its node never confirmed that: it is removed by force.
    Forced(&'static str),
}

/// The owners to ask about, or why nobody needs to be asked.
pub fn asked(facts: &Facts, now: Timestamp, floor: Duration) -> Result<&[Owner], Fate> {
    if facts.owners.is_empty() {
        return Err(Fate::Left("it names no workflow"));
    }
    // Without a time it is as good as new.
    match facts.created.is_some_and(|created| passed(created, now) >= floor) {
        true => Ok(&facts.owners),
        false => Err(Fate::Left("it is too young")),
    }
}

/// What becomes of an object that is old enough, by what the engine says of its owners: one that
/// may need it keeps it.
pub fn fate(facts: &Facts, owners: &[&OwnerState], now: Timestamp) -> Fate {
    let has_just_ended =
        |owner: &OwnerState| matches!(owner, OwnerState::Closed(at) if passed(*at, now) < CLOSING);
    let reason = if owners.iter().any(|owner| **owner == OwnerState::Running) {
        return Fate::Left("its workflow runs");
    } else if owners.iter().any(|owner| has_just_ended(owner)) {
        return Fate::Left("its workflow has just ended");
    } else if owners.iter().all(|owner| **owner == OwnerState::Unknown) {
        "the engine knows no such workflow"
    } else {
        "its workflow has ended"
    };
    match facts.deadline {
        None => Fate::Deleted(reason),
        Some(_) if facts.held => Fate::Left("it is deleted, and a finalizer holds it"),
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
            Ok(_) => fate(&facts, &[&owner], at(second)),
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
            (Unknown, 600, Fate::Deleted("the engine knows no such workflow")),
            (Closed(at(100)), 599, Fate::Left("it is too young")),
            (Closed(at(100)), 600, Fate::Deleted("its workflow has ended")),
            (Closed(at(1000)), 1059, Fate::Left("its workflow has just ended")),
            (Closed(at(1000)), 1060, Fate::Deleted("its workflow has ended")),
            // By a clock that is behind the engine's.
            (Closed(at(1000)), 900, Fate::Left("its workflow has just ended")),
        ] {
            assert_eq!(judged(meta(), owner.clone(), second), expected, "{owner:?} at {second}");
        }
    }

    #[test]
    fn what_is_shared_stays_while_one_of_its_members_may_need_it() {
        use OwnerState::{Closed, Running, Unknown};
        let facts = Facts::of("Pod", meta());
        for (owners, expected) in [
            (vec![Unknown, Running], Fate::Left("its workflow runs")),
            (vec![Closed(at(100)), Closed(at(990))], Fate::Left("its workflow has just ended")),
            (vec![Closed(at(100)), Unknown], Fate::Deleted("its workflow has ended")),
            (vec![Unknown, Unknown], Fate::Deleted("the engine knows no such workflow")),
        ] {
            let owners: Vec<_> = owners.iter().collect();
            assert_eq!(fate(&facts, &owners, at(1000)), expected, "{owners:?}");
        }
    }

    #[test]
    fn the_owners_are_the_members_while_there_are_any() {
        let joined = Member { workflow_id: "other".to_owned(), run_id: "r2".to_owned() };
        let mut shared = meta();
        shared.annotations.get_or_insert_default().insert(joined.label(), joined.text());
        assert_eq!(Facts::of("Pod", shared).owners, [joined], "who made it has left");
        let made = Member { workflow_id: "nightly/web".to_owned(), run_id: "r1".to_owned() };
        assert_eq!(Facts::of("Pod", meta()).owners, [made]);
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
        let told = Facts::of("Pod", meta()).told("because");
        assert_eq!(
            (told.name.as_str(), told.workflow_id.as_str()),
            ("kiln-shop-web-1", "nightly/web")
        );
        assert_eq!(Facts::of("Pod", ObjectMeta::default()).told("because").workflow_id, "");
    }
}
