//! Fake steps: each does only what a test says, and notes that it ran.

mod results;
mod steps;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use kilnworks_workflows::{
    build_id::BuildId,
    failure::Failure,
    names,
    steps::{Built, EngineSettings, ImageTags, LaunchInput},
};

/// What happens to a container.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Its first attempts fail, each with one of these failures. The attempt after them succeeds.
    Fails(Vec<Failure>),
    /// The same, until the attempt has this much memory.
    FailsUntil(String, Vec<Failure>),
    /// Its launch waits for room until [`FakeSteps::make_room`], or until the queued timeout.
    Queues,
    /// Its Pod never ends.
    Hangs,
    /// The first workers that run this step for it send no heartbeat and never answer.
    LosesWorkers(&'static str, usize),
    /// Another build's Pod makes the same image already.
    IsAnothers(Another),
}

/// How another build's Pod ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Another {
    WithAnImage,
    WithoutAnImage,
    /// Its owner was cancelled, once.
    Deleted,
}

/// The repository that another build's Pod pushes to.
pub const ANOTHERS: &str = "registry.example.com/another/shop-web-server";

/// The commit of every source.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Fake steps. A clone shares what they note.
#[derive(Clone, Default)]
pub struct FakeSteps {
    script: Arc<Mutex<Script>>,
    /// How many launches run at once, where a test limits them.
    pub(crate) launch_slots: Option<usize>,
    settings: EngineSettings,
}

/// What a test says, and what the steps did. Containers are named `component/container`.
#[derive(Default)]
struct Script {
    fates: BTreeMap<String, Fate>,
    missing_sources: Vec<String>,
    unavailable_sources: Vec<String>,
    published: Vec<String>,
    built: Vec<String>,
    found: Vec<String>,
    unchanged: Option<String>,
    comparison_fails: bool,
    is_full: bool,
    has_room: bool,
    ran: Vec<String>,
    wanted: Vec<String>,
    tagged: Vec<ImageTags>,
    pushed: Vec<String>,
    /// Memory of each container's last launch.
    memory: BTreeMap<String, String>,
}

impl FakeSteps {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no step panics while it holds the lock")
    }

    fn with(self, change: impl FnOnce(&mut Script)) -> Self {
        change(&mut self.script());
        self
    }

    /// What happens to a container; to one of several platforms, as `web/server linux/arm64`.
    pub fn fate(self, container: &str, fate: Fate) -> Self {
        self.with(|script| drop(script.fates.insert(container.to_owned(), fate)))
    }

    /// A version that is published. Published versions may differ in a patch below ten.
    pub fn published(self, version: &str) -> Self {
        self.with(|script| script.published.push(version.to_owned()))
    }

    /// A container whose image `find_image` finds.
    pub fn built(self, container: &str) -> Self {
        self.with(|script| script.built.push(container.to_owned()))
    }

    /// A container whose image `find_images` finds.
    pub fn found(self, container: &str) -> Self {
        self.with(|script| script.found.push(container.to_owned()))
    }

    /// A repository that does not exist.
    pub fn missing_source(self, url: &str) -> Self {
        self.with(|script| script.missing_sources.push(url.to_owned()))
    }

    /// A repository whose server is unavailable until [`FakeSteps::restore_sources`].
    pub fn unavailable_source(self, url: &str) -> Self {
        self.with(|script| script.unavailable_sources.push(url.to_owned()))
    }

    /// Nothing changed since this version.
    pub fn unchanged(self, version: &str) -> Self {
        self.with(|script| script.unchanged = Some(version.to_owned()))
    }

    /// The step `compare` fails.
    pub fn comparison_fails(self) -> Self {
        self.with(|script| script.comparison_fails = true)
    }

    /// Only so many launches run at once, and none ends before [`FakeSteps::make_room`].
    pub fn full(mut self, slots: usize) -> Self {
        self.launch_slots = Some(slots);
        self.with(|script| script.is_full = true)
    }

    /// Seconds without a heartbeat after which a worker counts as dead.
    pub fn heartbeat(mut self, seconds: u64) -> Self {
        self.settings.heartbeat = seconds;
        self
    }

    /// Makes every source available.
    pub fn restore_sources(&self) {
        self.script().unavailable_sources.clear();
    }

    /// Lets every launch end.
    pub fn make_room(&self) {
        self.script().has_room = true;
    }

    /// The steps that ran, in their order, as `await_build web/server`.
    pub fn ran(&self) -> Vec<String> {
        self.script().ran.clone()
    }

    /// The steps that ran whose note begins with these words, in their order.
    pub fn notes(&self, beginning: &str) -> Vec<String> {
        let mut notes = self.ran();
        notes.retain(|note| note.starts_with(beginning));
        notes
    }

    /// How many steps ran whose note begins with these words.
    pub fn count(&self, beginning: &str) -> usize {
        self.notes(beginning).len()
    }

    /// The containers whose images a parent looked for, sorted.
    pub fn wanted(&self) -> Vec<String> {
        let mut wanted = self.script().wanted.clone();
        wanted.sort();
        wanted
    }

    /// The images that `tag` tagged, in their order.
    pub fn tagged(&self) -> Vec<ImageTags> {
        self.script().tagged.clone()
    }

    /// The images that the executors pushed, as `repository:tag`, in the order of the launches.
    pub fn pushed(&self) -> Vec<String> {
        self.script().pushed.clone()
    }

    fn note(&self, text: String) {
        self.script().ran.push(text);
    }

    fn note_launch(&self, name: &str, input: &LaunchInput) {
        let memory = &input.build.resources.memory;
        let spare = if input.spare_memory { " spare" } else { "" };
        let alone = if input.alone { " alone" } else { "" };
        self.note(format!("launch {name} {memory}{spare}{alone}"));
        self.script().memory.insert(name.to_owned(), memory.clone());
    }

    fn fate_of(&self, name: &str) -> Option<Fate> {
        self.script().fates.get(name).cloned()
    }

    /// Whether the worker dies that runs a step. The step has noted itself already.
    fn loses_worker(&self, step: &str, name: &str) -> bool {
        match self.fate_of(name) {
            Some(Fate::LosesWorkers(of, deaths)) => {
                of == step && self.count(&format!("{step} {name}")) <= deaths
            }
            _ => false,
        }
    }

    fn waits_for_room(&self, name: &str) -> bool {
        let script = self.script();
        let queues = matches!(script.fates.get(name), Some(Fate::Queues));
        (queues || script.is_full) && !script.has_room
    }
}

/// The digest of a container's image.
pub fn digest(container: &str) -> String {
    format!("sha256:{}", names::hex(container.as_bytes()))
}

/// The content key of a container's image.
pub fn key(container: &str) -> String {
    names::hex(format!("key of {container}").as_bytes())
}

fn built(name: &str) -> Built {
    Built {
        digest: digest(name),
        size: 1000,
        platform: "linux/amd64".to_owned(),
        pod_seconds: 1.0,
        platforms: Vec::new(),
    }
}

/// `component/container`, and which one of several platforms. The app's name where the step is for
/// several containers.
fn name_of(id: &BuildId) -> String {
    match id.component.as_str() {
        "" => id.app.clone(),
        component => {
            let name = names::container(component, &id.container);
            format!("{name} {}", id.platform).trim_end().to_owned()
        }
    }
}
