//! Records the histories that `replay.rs` replays: one for each ending, with fake steps on the
//! stack's Temporal server. `make record` runs it, and its files are committed. With names
//! (`make record ARGS='app sweep'`) it records only these.

use std::{path::Path, time::Duration};

use kilnworks_tests::{
    engine::{eventually, start, with_fakes},
    fakes::{Another, FakeSteps, Fate},
    specs::{component, container, shop},
};
use kilnworks_workflows::{
    BuildApp, BuildComponent, BuildContainer, Sweep,
    build::raw,
    failure::{Failure, FailureType},
    names::child_workflow_id,
};
use serde_json::{Value, json};
use temporalio_client::{
    UntypedUpdate, UntypedWorkflow, WorkflowExecuteUpdateOptions, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions,
};
use temporalio_common::{HasWorkflowDefinition, data_converters::RawValue};

/// The workflow id that the replayer gives every workflow. Ids of children are derived from it.
const ID: &str = "replay-workflow";

#[tokio::main]
async fn main() {
    apps().await;
    components().await;
    containers().await;
    record("sweep", &ok(), Sweep::run, json!({"dryRun": true}), &[]).await;
}

fn ok() -> FakeSteps {
    FakeSteps::default()
}

fn server(fate: Fate) -> FakeSteps {
    ok().fate("web/server", fate)
}

fn fails(kind: FailureType) -> Fate {
    Fate::Fails(vec![Failure::new(kind, format!("{kind:?} happened"))])
}

async fn apps() {
    let app = || BuildApp::run;
    let mut fail_fast = shop();
    fail_fast["failFast"] = json!(true);
    let mut auto = shop();
    auto["version"] = json!("auto");
    let mut changed = shop();
    changed["onlyIf"] = json!("changed");
    let failing = server(fails(FailureType::BuildFailed)).fate("data/loader", Fate::Hangs);
    let found = ok().found("web/server").found("data/loader");
    record("app", &ok(), app(), shop(), &[]).await;
    record("app-found", &found, app(), shop(), &[]).await;
    record("app-failed", &failing, app(), fail_fast, &[]).await;
    record("app-cancelled", &server(Fate::Hangs), app(), shop(), &[CANCEL]).await;
    record("app-unchanged", &ok().unchanged("1.0.0"), app(), changed, &[]).await;
    record("app-version-exists", &ok().published("1.0.0"), app(), shop(), &[]).await;
    record("app-version-auto", &ok().published("1.0.0"), app(), auto, &[]).await;
}

async fn components() {
    let mut waiting = component();
    waiting["onFailure"] = json!("wait");
    waiting["approval"] = json!("before-deliver");
    let Fate::Fails(failures) = fails(FailureType::BuildFailed) else { unreachable!() };
    let failing = server(Fate::FailsUntil("4Gi".to_owned(), failures));
    let retry = json!({"component": "web", "container": "server", "resources": {"memory": "4Gi"}});
    let asks = [("retry_container", retry), ("approve", json!({}))];
    let asks = asks.map(|(update, payload)| Ask::Update("launch", update, payload));
    record("component", &ok(), BuildComponent::run, component(), &[]).await;
    record("component-decided", &failing, BuildComponent::run, waiting, &asks).await;
}

async fn containers() {
    let build = || BuildContainer::run;
    let image = json!({
        "app": "shop", "component": "data",
        "container": {"name": "proxy", "image": "registry.example.com/proxy:1"},
    });
    let mut platforms = container();
    platforms["container"]["platforms"] = json!(["linux/amd64", "linux/arm64"]);
    let mut short = container();
    short["container"]["timeouts"] = json!({"whole": "1s"});
    let again = server(fails(FailureType::OutOfMemory));
    let another = server(Fate::IsAnothers(Another::WithoutAnImage));
    let failing = server(fails(FailureType::BuildFailed));
    let hangs = || server(Fate::Hangs);
    record("container", &ok(), build(), container(), &[]).await;
    record_child("container-of-a-component", "server").await;
    record("container-image", &ok(), build(), image, &[]).await;
    record("container-reused", &ok().built("web/server"), build(), container(), &[]).await;
    record("container-another", &another, build(), container(), &[]).await;
    record("container-platforms", &ok(), build(), platforms, &[]).await;
    record("container-again-outofmemory", &again, build(), container(), &[]).await;
    record("container-ends-buildfailed", &failing, build(), container(), &[]).await;
    record("container-deadline", &hangs(), build(), short, &[]).await;
    record("container-cancelled", &hangs(), build(), container(), &[CANCEL]).await;
    let pause = ["pause", "resume"].map(|update| Ask::Update("launch", update, json!({})));
    let pause = [&pause[..], &[Ask::Room]].concat();
    record("container-paused", &server(Fate::Queues), build(), container(), &pause).await;
    let extend = |timeout| {
        let payload =
            json!({"component": "web", "container": "server", "timeout": timeout, "by": "1h"});
        Ask::Update("await_build", "extend", payload)
    };
    let extend = [extend("building"), extend("whole"), CANCEL];
    record("container-extended", &hangs(), build(), container(), &extend).await;
}

/// What happens while a workflow runs.
#[derive(Clone)]
enum Ask {
    /// An update, with its payload, once this step of `web/server` runs and nothing refuses it.
    Update(&'static str, &'static str, Value),
    /// Room for every launch.
    Room,
    /// The end of the workflow, once it awaits its build.
    Cancel,
}

const CANCEL: Ask = Ask::Cancel;

/// Records a workflow, and asks for one thing after the other.
async fn record<W>(name: &str, steps: &FakeSteps, workflow: W, document: Value, asks: &[Ask])
where
    W: HasWorkflowDefinition<Input = RawValue>,
{
    record_of(name, ID, steps, workflow, document, asks).await;
}

/// Records a child of a component.
async fn record_child(name: &str, child: &str) {
    let id = child_workflow_id(ID, child);
    record_of(name, &id, &ok(), BuildComponent::run, component(), &[]).await;
}

/// Runs a workflow, and records the history of the workflow `id`.
async fn record_of<W>(
    name: &str,
    id: &str,
    steps: &FakeSteps,
    workflow: W,
    document: Value,
    asks: &[Ask],
) where
    W: HasWorkflowDefinition<Input = RawValue>,
{
    if !is_wanted(name) {
        return;
    }
    let history = with_fakes(steps.clone(), async |client, queue| {
        let handle = start(&client, workflow, &queue, ID, document).await;
        let started = client.get_workflow_handle::<UntypedWorkflow>(ID);
        for ask in asks {
            match ask {
                Ask::Room => steps.make_room(),
                Ask::Cancel => {
                    wait_for(steps, "await_build").await;
                    started.cancel(Default::default()).await.expect("the workflow runs");
                }
                Ask::Update(step, update, payload) => {
                    wait_for(steps, step).await;
                    eventually(update, PATIENCE, async || {
                        let options = WorkflowExecuteUpdateOptions::default();
                        let update = UntypedUpdate::new(*update);
                        started.execute_update(update, raw(payload), options).await.ok().map(drop)
                    })
                    .await;
                }
            }
        }
        // It may end with a failure.
        let _ = handle.get_result(WorkflowGetResultOptions::default()).await;
        let recorded = client.get_workflow_handle::<UntypedWorkflow>(id);
        let history = recorded.fetch_history(WorkflowFetchHistoryOptions::default());
        history.to_json().await.expect("its history")
    })
    .await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories");
    std::fs::write(folder.join(format!("{name}.json")), history).expect("the history is written");
    println!("recorded {name}");
}

const PATIENCE: Duration = Duration::from_secs(30);

async fn wait_for(steps: &FakeSteps, step: &str) {
    let step = format!("{step} web/server");
    eventually(&step, PATIENCE, async || (steps.count(&step) > 0).then_some(())).await;
}

fn is_wanted(name: &str) -> bool {
    let mut wanted = std::env::args().skip(1).peekable();
    wanted.peek().is_none() || wanted.any(|it| it == name)
}
