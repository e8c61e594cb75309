//! How long an attempt was in each of its phases, by the times in its Pod's own status. The
//! cluster's clock counts, whatever worker looks, and however late.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use opentelemetry::{
    Context, KeyValue, global,
    trace::{Span, SpanBuilder, TraceContextExt, Tracer},
};

use super::{phase, seen::SeenPod};
use crate::metrics::metrics;

/// What the executor logs when it begins to push.
const PUSHES: &[u8] = b"Pushing image to ";

/// When the executor began to push, by its own log.
#[derive(Default)]
pub struct Pushing(Mutex<Option<Timestamp>>);

impl Pushing {
    /// Looks at a line of the log. The first one that tells of a push counts, as there is one for
    /// each tag; what a `RUN` prints is not in the executor's form.
    pub fn look(&self, at: Timestamp, line: &[u8]) {
        let Some(place) = line.windows(PUSHES.len()).position(|part| part == PUSHES) else {
            return;
        };
        let before = &line[..place];
        if before.starts_with(b"INFO[") || before.ends_with(b"level=info msg=\"") {
            let mut since = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            since.get_or_insert(at);
        }
    }

    fn since(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One phase of a Pod.
#[derive(Debug, PartialEq)]
pub struct Phase {
    /// Its name, one of [`crate::metrics::PHASES`].
    pub name: &'static str,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; no earlier.
    pub end: Timestamp,
}

/// The phases that a finished Pod went through. Its times are whole seconds, those of its log are
/// not, so a short phase may come out as none at all.
pub fn of(pod: &SeenPod, pushing: &Pushing) -> Vec<Phase> {
    let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let scheduled = phase::condition(pod, "PodScheduled").filter(|it| it.status == "True");
    let scheduled = scheduled.and_then(|it| it.last_transition_time.as_ref()).map(|time| time.0);
    let end = phase::terminated(pod);
    let started = end.and_then(|end| end.started_at.as_ref()).map(|time| time.0);
    let finished = end.and_then(|end| end.finished_at.as_ref()).map(|time| time.0);
    let phase = |name, start: Option<Timestamp>, end: Option<Timestamp>| {
        let (start, end) = (start?, end?);
        Some(Phase { name, start, end: end.max(start) })
    };
    let phases = [
        phase("scheduling", created, scheduled),
        phase("pulling", scheduled, started),
        phase("building", started, finished),
        phase("pushing", pushing.since(), finished),
    ];
    phases.into_iter().flatten().collect()
}

/// Counts the phases of an attempt that has ended, and puts them into its build's trace. The
/// executor has no traces of its own.
pub fn record(pod: &SeenPod, pushing: &Pushing) {
    let parent = Context::current();
    let tracer = global::tracer("kilnworks");
    for phase in of(pod, pushing) {
        let length = phase.end.duration_since(phase.start);
        metrics().phase(phase.name, Duration::try_from(length).unwrap_or_default());
        if parent.span().span_context().is_valid() {
            let span = SpanBuilder::from_name(format!("Pod:{}", phase.name))
                .with_start_time(SystemTime::from(phase.start))
                .with_attributes([KeyValue::new("k8s.pod.name", pod.name_any())]);
            let mut span = tracer.build_with_context(span, &parent);
            span.end_with_timestamp(SystemTime::from(phase.end));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn finished() -> SeenPod {
        serde_json::from_value(json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {
                "conditions": [{
                    "type": "PodScheduled", "status": "True",
                    "lastTransitionTime": "2026-01-01T00:00:02Z",
                }],
                "containerStatuses": [{
                    "name": "executor", "image": "", "imageID": "", "ready": false,
                    "restartCount": 0,
                    "state": {"terminated": {
                        "exitCode": 0,
                        "startedAt": "2026-01-01T00:00:05Z",
                        "finishedAt": "2026-01-01T00:01:00Z",
                    }},
                }],
            },
        }))
        .expect("a Pod")
    }

    #[test]
    fn the_phases_are_the_pods_own_times() {
        let pushing = Pushing::default();
        pushing.look(at("2026-01-01T00:00:30Z"), b"Pushing image to nowhere, says a RUN");
        pushing.look(at("2026-01-01T00:00:55.5Z"), b"INFO[0050] Pushing image to localhost/a:1");
        pushing.look(at("2026-01-01T00:00:58Z"), b"INFO[0053] Pushing image to localhost/a:2");
        let phases = of(&finished(), &pushing);
        let told: Vec<_> = phases
            .iter()
            .map(|it| (it.name, it.end.duration_since(it.start).as_secs_f64()))
            .collect();
        let expected =
            [("scheduling", 2.0), ("pulling", 3.0), ("building", 55.0), ("pushing", 4.5)];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_the_status_does_not_say_is_no_phase() {
        let mut pod = finished();
        pod.status.as_mut().expect("a status").conditions = None;
        let names: Vec<_> = of(&pod, &Pushing::default()).iter().map(|it| it.name).collect();
        assert_eq!(names, ["building"]);
        assert_eq!(of(&SeenPod::default(), &Pushing::default()), []);
    }

    #[test]
    fn no_phase_ends_before_it_begins() {
        let pushing = Pushing::default();
        // The Pod's end is cut to its second.
        let line = b"time=\"2026-01-01T00:01:00Z\" level=info msg=\"Pushing image to a\"";
        pushing.look(at("2026-01-01T00:01:00.7Z"), line);
        let phases = of(&finished(), &pushing);
        let last = phases.last().expect("a phase");
        assert_eq!((last.name, last.start), ("pushing", last.end));
    }
}
