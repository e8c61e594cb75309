//! The connections that all cases share, and the running of the cases.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use temporalio_client::Client;

use super::{
    Case, Recipe, Scene, Verdict,
    judge::{Registry, Uploads, judge},
    recipe::push_small,
    sightings::Sightings,
};
use crate::{engine, stack};

/// The connections that all cases share.
pub struct Stage {
    pub seed: u64,
    pub engine: Client,
    pub cluster: kube::Client,
    pub registry: Registry,
    pub uploads: Uploads,
    pub(super) sightings: Sightings,
    /// How long a build takes without a fault, without its instructions.
    plain: OnceLock<Duration>,
}

impl Stage {
    /// Opens everything. The seed chooses the moments at which faults strike.
    pub async fn open(seed: u64) -> Arc<Self> {
        let cluster = stack::cluster().await;
        tokio::task::spawn_blocking(push_small).await.expect("the base image is pushed");
        Arc::new(Self {
            seed,
            engine: engine::client().await,
            registry: Registry::new(),
            uploads: Uploads::new().await,
            sightings: Sightings::of(&cluster),
            cluster,
            plain: OnceLock::new(),
        })
    }

    /// Runs `beside` cases at a time, then one by one those that run alone. Calls `tell` with each
    /// verdict.
    pub async fn run(
        self: &Arc<Self>,
        cases: Vec<Case>,
        beside: usize,
        tell: impl Fn(&Verdict),
    ) -> Vec<Verdict> {
        let (alone, together): (Vec<_>, Vec<_>) = cases.into_iter().partition(|one| one.is_alone);
        let plain = Case::new("no-fault", no_fault);
        let mut verdicts = vec![self.one(plain).await];
        tell(&verdicts[0]);
        let together = together.into_iter().map(|case| self.one(case));
        let mut running = stream::iter(together).buffer_unordered(beside);
        while let Some(verdict) = running.next().await {
            tell(&verdict);
            verdicts.push(verdict);
        }
        for case in alone {
            let verdict = self.one(case).await;
            tell(&verdict);
            verdicts.push(verdict);
        }
        verdicts
    }

    async fn one(self: &Arc<Self>, case: Case) -> Verdict {
        let scene = Scene::of(self.clone(), &case.name);
        let begun = Instant::now();
        let mut task = tokio::spawn((case.strike)(scene.clone()));
        match tokio::time::timeout(case.limit, &mut task).await {
            Ok(Ok(())) => judge(&scene, case.tidy).await,
            Ok(Err(error)) => {
                scene.lost(format!("the case broke: {}", words(error.into_panic())));
            }
            Err(_) => {
                task.abort();
                let what = format!("not over after {:?}", case.limit);
                scene.found.lock().expect("no panic").hung.push(what);
            }
        }
        let mut verdict = scene.found.lock().expect("no panic").clone();
        verdict.took = begun.elapsed();
        if !verdict.is_good() {
            show(&scene);
            give_up(&scene).await;
        }
        verdict
    }

    /// How many Pods an app has had.
    pub(super) fn pods_of(&self, app: &str) -> usize {
        self.sightings.of_apps(app).len()
    }

    /// How long a build of these recipes takes without a fault.
    pub(super) fn plain(&self, recipes: &[Recipe]) -> Duration {
        let instructions = recipes.iter().map(Recipe::seconds).max().unwrap_or_default();
        self.plain.get().copied().unwrap_or_default() + instructions
    }
}

/// Measures a build without a fault, for comparison with the other cases.
async fn no_fault(scene: Scene) {
    scene.worker(&[]).await;
    let build = scene.build(&[Recipe::Sleep(0)]).await;
    scene.succeeds(&build).await;
    let _ = scene.stage.plain.set(build.begun.elapsed());
    scene.found.lock().expect("no panic").extra = None;
}

/// Ends everything that a failed case has left running, so that it does not disturb the next cases.
async fn give_up(scene: &Scene) {
    let builds = scene.builds.lock().expect("no panic").clone();
    for build in &builds {
        let end = tokio::time::timeout(Duration::from_secs(1), build.end()).await;
        match end {
            Ok(end) => eprintln!("--- {} had ended: {end:?}", build.id),
            Err(_) => eprintln!("--- {} runs: {}", build.id, build.progress().await),
        }
        build.terminate().await;
        let selector = format!("kiln.io/app={}", build.app);
        let delete = ["delete", "pods,jobs", "--all-namespaces", "--selector", &selector];
        let mut kubectl = std::process::Command::new("kubectl");
        let _ = kubectl.args(delete).args(["--wait=false"]).output();
    }
}

/// The ends of the logs of a case's workers.
fn show(scene: &Scene) {
    let case = scene.found.lock().expect("no panic").case.clone();
    for (number, hand) in scene.hands.lock().expect("no panic").iter().enumerate() {
        let log = hand.log();
        let lines: Vec<_> = log.lines().collect();
        eprintln!("--- {case}: worker {number}, {} lines of log, the last:", lines.len());
        for line in &lines[lines.len().saturating_sub(40)..] {
            eprintln!("    {line}");
        }
    }
}

fn words(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}
