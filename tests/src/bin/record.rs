//! Records the histories that `replay.rs` replays: each ending of each workflow, with fake steps on
//! the stack's real engine. `make record` runs it; the histories it writes are committed. With
//! names (`make record ARGS='app sweep'`) it records these alone: what older versions recorded is
//! worth keeping, as builds in flight have such histories.

use std::{path::Path, time::Duration};

use kilnworks_tests::{
    engine::{eventually, start, with_fakes},
    fakes::{FakeSteps, Fate},
    specs::{container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, Sweep,
    build::raw,
    failure::{Failure, FailureType},
    names,
};
use serde_json::{Value, json};
use strum::VariantArray;
use temporalio_client::{
    UntypedUpdate, UntypedWorkflow, WorkflowCancelOptions, WorkflowExecuteUpdateOptions,
    WorkflowFetchHistoryOptions, WorkflowGetResultOptions,
};
use temporalio_common::{HasWorkflowDefinition, data_converters::RawValue};

/// The replayer knows no workflow id but this one, and the children's are made of their parent's.
const ID: &str = "replay-workflow";

#[tokio::main]
async fn main() {
    let fails = |kind| FakeSteps::default().fate("web/server", Fate::Fails(vec![failure(kind)]));
    let hangs = || FakeSteps::default().fate("web/server", Fate::Hangs);
    let component = json!({
        "app": "shop", "defaults": shop()["defaults"], "component": shop()["components"][0],
    });
    let mut short = container();
    short["container"]["timeouts"] = json!({"whole": "1s"});
    let use_only = json!({
        "app": "shop", "component": "data",
        "container": {"name": "proxy", "image": "registry.example.com/proxy:1"},
    });
    let ok = FakeSteps::default;

    record("app", ok(), BuildApp::run, shop(), false).await;
    record("app-failed", fails(FailureType::BuildFailed), BuildApp::run, shop(), false).await;
    record("app-cancelled", hangs(), BuildApp::run, shop(), true).await;
    record("app-invalid", ok(), BuildApp::run, json!({"app": 1}), false).await;
    record("component", ok(), BuildComponent::run, component.clone(), false).await;
    record("component-cancelled", hangs(), BuildComponent::run, component.clone(), true).await;
    record("container", ok(), BuildContainer::run, container(), false).await;
    record("container-image", ok(), BuildContainer::run, use_only, false).await;
    let mut fast = shop();
    fast["failFast"] = json!(true);
    let fast_fails = fails(FailureType::BuildFailed).fate("data/loader", Fate::Hangs);
    record("app-failed-fast", fast_fails, BuildApp::run, fast, false).await;
    for kind in [FailureType::OutOfMemory, FailureType::Evicted] {
        let name = format!("container-again-{kind:?}").to_lowercase();
        record(&name, fails(kind), BuildContainer::run, container(), false).await;
    }
    for kind in FailureType::VARIANTS {
        // As often as it takes; what is waited out never ends by itself.
        let fate = Fate::Fails(vec![failure(*kind); if kind.waiting_mends() { 1 } else { 9 }]);
        let steps = FakeSteps::default().fate("web/server", fate);
        let name = format!("container-ends-{kind:?}").to_lowercase();
        record(&name, steps, BuildContainer::run, container(), false).await;
    }
    let lost = FakeSteps::default().heartbeat(1).fate("web/server", Fate::LosesItsWorker);
    record("container-worker-lost", lost, BuildContainer::run, container(), false).await;
    record("container-cancelled", hangs(), BuildContainer::run, container(), true).await;
    record("container-deadline", hangs(), BuildContainer::run, short, false).await;
    record("sweep", ok(), Sweep::run, json!({"dryRun": true}), false).await;

    let built = || {
        ["web/server", "web/migrate", "data/loader"].iter().fold(ok(), |steps, it| steps.built(it))
    };
    record("app-delivered", ok(), BuildApp::run, shop(), false).await;
    record("app-reused", built(), BuildApp::run, shop(), false).await;
    record("container-reused", built(), BuildContainer::run, container(), false).await;
    // Images that are there when their source is fetched: these containers have no workflow.
    let found = || ok().found("web/server").found("data/loader");
    record("app-found", found(), BuildApp::run, shop(), false).await;
    record("component-found", found(), BuildComponent::run, component.clone(), false).await;
    // Its render sends the context, and its await cleans up.
    record("container-tidied", ok(), BuildContainer::run, container(), false).await;
    // Its launch awaits the build, too.
    record("one-step", ok().full(), BuildContainer::run, container(), false).await;
    // Its render launches it, too.
    record("at-once", ok(), BuildContainer::run, container(), false).await;
    record("at-once-cancelled", hangs(), BuildContainer::run, container(), true).await;
    // Its component has told already what it is found by.
    record_below("one-step-below", "server", BuildComponent::run, component).await;
    let again = fails(FailureType::OutOfMemory);
    record("at-once-again", again.clone(), BuildContainer::run, container(), false).await;
    record("one-step-again", again.full(), BuildContainer::run, container(), false).await;
    record("one-step-cancelled", hangs().full(), BuildContainer::run, container(), true).await;
    let lost = ok().heartbeat(1).fate("web/server", Fate::LosesItsWorkerLate);
    let moved = lost.with_moving_bases();
    record("at-once-anew", moved, BuildContainer::run, container(), false).await;
    for (name, fate) in [
        ("at-once-heard-lost", Fate::LosesItsWorkerHeard),
        ("at-once-built-lost", Fate::LosesItsWorkerBuilt),
    ] {
        let lost = ok().heartbeat(1).fate("web/server", fate);
        record(name, lost, BuildContainer::run, container(), false).await;
    }
    for (name, fate) in
        [("one-step-lost", Fate::LosesItsWorker), ("one-step-told-lost", Fate::LosesItsWorkerLate)]
    {
        let lost = ok().heartbeat(1).fate("web/server", fate);
        let at_once = name.replace("one-step", "at-once");
        record(&at_once, lost.clone(), BuildContainer::run, container(), false).await;
        record(name, lost.full(), BuildContainer::run, container(), false).await;
    }
    let exists = || ok().published("1.0.0");
    record("app-version-exists", exists(), BuildApp::run, shop(), false).await;
    let mut auto = shop();
    auto["version"] = json!("auto");
    record("app-auto-version", exists(), BuildApp::run, auto, false).await;

    let mut both = container();
    both["container"]["platforms"] = json!(["linux/amd64", "linux/arm64"]);
    let arm = |fate: Fate| ok().fate("web/server linux/arm64", fate);
    let again = arm(Fate::Fails(vec![failure(FailureType::OutOfMemory)]));
    record("container-platforms", again.clone(), BuildContainer::run, both.clone(), false).await;
    record("one-step-platforms", again, BuildContainer::run, both.clone(), false).await;
    let fails = arm(Fate::Fails(vec![failure(FailureType::BuildFailed)]));
    let fails = fails.fate("web/server linux/amd64", Fate::Hangs);
    record("container-platforms-failed", fails, BuildContainer::run, both, false).await;

    let server = json!({"component": "web", "container": "server"});
    let with = |more: Value| {
        let mut payload = server.clone();
        payload.as_object_mut().expect("names").extend(more.as_object().expect("more").clone());
        payload
    };
    let mut waits = json!({
        "app": "shop", "defaults": shop()["defaults"], "component": shop()["components"][0],
    });
    waits["onFailure"] = json!("wait");
    waits["approval"] = json!("before-deliver");
    let fails = Fate::Fails(vec![failure(FailureType::BuildFailed); 9]);
    let asks = [
        ("retry_container", with(json!({"resources": {"memory": "4Gi"}}))),
        ("cancel_container", server.clone()),
    ];
    let fails = ok().fate("web/server", fails);
    record_asked("component-decided", fails, BuildComponent::run, waits.clone(), &asks).await;
    let asks = [("approve", json!({}))];
    record_asked("component-approved", ok(), BuildComponent::run, waits, &asks).await;
    let asks = [
        ("extend", with(json!({"clock": "building", "by": "1h"}))),
        ("extend", with(json!({"clock": "whole", "by": "1h"}))),
        (CANCEL, Value::Null),
    ];
    record_asked("container-extended", hangs(), BuildContainer::run, container(), &asks).await;
    record_asked("one-step-extended", hangs().full(), BuildContainer::run, container(), &asks)
        .await;
    record_asked("at-once-extended", hangs(), BuildContainer::run, container(), &asks).await;
    let asks = [("pause", json!({})), ("resume", json!({})), (CANCEL, Value::Null)];
    let queues = ok().fate("web/server", Fate::Queues);
    record_asked("container-paused", queues, BuildContainer::run, container(), &asks).await;
    // Of a version that rendered it to the end: this one takes it back.
    let slow = ok().fate("web/server", Fate::RendersSlowly);
    record_asked("render-paused", slow, BuildContainer::run, container(), &asks[..2]).await;
    let silent = ok().fate("web/server", Fate::HangsInSilence);
    record_asked("at-once-paused", silent, BuildContainer::run, container(), &asks).await;
}

fn failure(kind: FailureType) -> Failure {
    Failure::new(kind, format!("{kind:?} happened"))
}

/// Asks for the end of the workflow, once it awaits its build or waits for room.
const CANCEL: &str = "cancel";

async fn record<W>(name: &str, steps: FakeSteps, workflow: W, document: Value, cancel: bool)
where
    W: HasWorkflowDefinition<Input = RawValue>,
{
    let asks: &[_] = if cancel { &[(CANCEL, Value::Null)] } else { &[] };
    record_asked(name, steps, workflow, document, asks).await;
}

/// Records a child.
async fn record_below<W>(name: &str, child: &str, workflow: W, document: Value)
where
    W: HasWorkflowDefinition<Input = RawValue>,
{
    if !is_wanted(name) {
        return;
    }
    let history = with_fakes(FakeSteps::default(), async |client, queue| {
        let handle = start(&client, workflow, &queue, ID, document).await;
        let _ = handle.get_result(WorkflowGetResultOptions::default()).await;
        let child =
            client.get_workflow_handle::<UntypedWorkflow>(names::child_workflow_id(ID, child));
        let history = child.fetch_history(WorkflowFetchHistoryOptions::default());
        history.to_json().await.expect("its history")
    })
    .await;
    write(name, &history);
}

/// Asks for each update as soon as it is not refused, one after the other.
async fn record_asked<W>(
    name: &str,
    steps: FakeSteps,
    workflow: W,
    document: Value,
    asks: &[(&str, Value)],
) where
    W: HasWorkflowDefinition<Input = RawValue>,
{
    if !is_wanted(name) {
        return;
    }
    let events = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, workflow, &queue, ID, document).await;
        let begun = match name {
            "render-paused" => "render web/server",
            "at-once-paused" | "at-once-extended" => "launch web/server",
            _ => "",
        };
        eventually(begun, Duration::from_secs(30), async || {
            (begun.is_empty() || steps.count(begun) > 0).then_some(())
        })
        .await;
        for (ask, payload) in asks {
            eventually(ask, Duration::from_secs(30), async || {
                let begun = ["await web/server", "launch web/server"];
                let is_begun = begun.iter().any(|step| steps.count(step) > 0);
                if *ask == CANCEL {
                    return is_begun.then_some(());
                }
                let build = client.get_workflow_handle::<UntypedWorkflow>(ID);
                let options = WorkflowExecuteUpdateOptions::default();
                let update = UntypedUpdate::new(*ask);
                build.execute_update(update, raw(payload), options).await.ok().map(drop)
            })
            .await;
            if *ask == CANCEL {
                handle.cancel(WorkflowCancelOptions::default()).await.expect("it can be cancelled");
            }
        }
        // However it ends, that it ends is what counts here.
        let _ = handle.get_result(WorkflowGetResultOptions::default()).await;
        let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
        history.to_json().await.expect("its history")
    })
    .await;
    write(name, &events);
}

fn is_wanted(name: &str) -> bool {
    let mut wanted = std::env::args().skip(1).peekable();
    wanted.peek().is_none() || wanted.any(|it| it == name)
}

fn write(name: &str, history: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories");
    std::fs::write(folder.join(format!("{name}.json")), history).expect("the history is written");
    println!("recorded {name}");
}
