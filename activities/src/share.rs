//! Builds of the same thing at the same time share one Pod or Job.
//!
//! Two containers whose images have the same content key would have the same Pod: the same attempt
//! of both has the same name for it, so that the API server lets one of them create it, and the
//! other finds it there. Nobody else is asked. Who uses it is a *member*: an execution with a label
//! (to be found by) and an annotation (which says who it is) of its own on the object, on the Job
//! where there is one.
//!
//! - One joins, and one leaves, by a change of exactly the version of the object that was looked
//!   at: what another did meanwhile makes it a conflict, and it is looked at again.
//! - The last one to leave deletes it, by that rule too. So an object is never without a member, and
//!   none is deleted under one who joins.
//! - What is being deleted is not joined: the name is waited for. Where the time for that is over,
//!   as on a lost node, the build goes on alone.
//! - A Pod that failed is never joined. A failed build's members keep it while they try again, and a
//!   build that begins now must not end by what was before it: it goes on alone, with a Pod of its
//!   own name. A Pod that pushed its image and is still there is joined like one that runs.
//! - Clocks are each member's own. Where one runs out, that member fails, leaves, and ends nobody
//!   else's build.
//!
//! The image is pushed to the repository of the build that made the Pod, under that build's tags,
//! even if it has left; the others copy it to theirs.

mod api;
pub mod join;
pub mod leave;
pub mod members;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kilnworks_workflows::{
    names,
    plan::Resources,
    steps::{LaunchInput, Launched, LaunchedKind},
};

use self::members::Member;

/// What an attempt shares with those of equal builds.
#[derive(Clone, Debug)]
pub struct Share {
    /// Name of the Pod or Job.
    pub name: String,
    /// Tells it from all others: the value of its label.
    pub hash: String,
    /// Who may join.
    pub member: Member,
    instance: String,
    /// What it pushes last, where this build makes it.
    image: String,
}

impl Share {
    /// What an attempt may share; none where the build's image is never used again.
    pub fn of(instance: &str, input: &LaunchInput) -> Option<Self> {
        let (images, key) = input.build.reuse.as_deref().zip(input.rendered.key.as_deref())?;
        let id = &input.id;
        let secret = input.registry.secret.as_deref().unwrap_or_default();
        // A build that asks for more would fail in the Pod of one that asks for less.
        let Resources { cpu, memory, ephemeral_storage } = &input.build.resources;
        let storage = ephemeral_storage.as_deref().unwrap_or_default();
        // Layers are what someone pushed to where a spec said. Nobody joins others than his
        // own. Written like no platform.
        let layers = input.build.cache.as_ref();
        let layers = layers.map(|cache| format!("{} {}", cache.repo, cache.ttl));
        let mut scope = vec![instance, images, secret, cpu, memory, storage];
        scope.extend(layers.as_deref());
        // Where no platform is named any node may have the Pod. A log lies where its platform's do.
        let (platform, of) = (input.build.platform(), Some(id.platform.as_str()));
        scope.extend(platform.into_iter().chain(of.filter(|it| !it.is_empty())));
        let hash = names::share(&scope, key, id.attempt);
        let tag = input.attempt_tag();
        Some(Self {
            name: names::shared_pod(&hash),
            hash,
            member: Member { workflow_id: id.workflow_id.clone(), run_id: id.run_id.clone() },
            instance: instance.to_owned(),
            image: format!("{}:{tag}", input.build.repository),
        })
    }

    /// Labels of what is made to be shared, beside those of every object.
    pub fn labels(&self) -> [(String, String); 2] {
        [(names::label("shared"), self.hash.clone()), (self.member.label(), String::new())]
    }

    /// Annotations of what is made to be shared, beside those of every object.
    pub fn annotations(&self) -> [(String, String); 2] {
        [(names::label("image"), self.image.clone()), (self.member.label(), self.member.text())]
    }

    /// Whether an object is the one that is shared, and not another one of its name.
    fn is(&self, meta: &ObjectMeta) -> bool {
        let has = |name, value: &str| label(meta, name).is_some_and(|it| it == value);
        has("shared", &self.hash) && has("instance", &self.instance) && image(meta).is_some()
    }

    /// What a launch answers with for a member.
    fn launched(&self, kind: LaunchedKind, meta: &ObjectMeta) -> Launched {
        let made = label(meta, "run").is_some_and(|run| run == &self.member.run_id);
        Launched {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: self.name.clone(),
            uid: meta.uid.clone().unwrap_or_default(),
            joined: image(meta).filter(|_| !made).cloned(),
            key: None,
            built: None,
        }
    }
}

fn label<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a String> {
    meta.labels.as_ref()?.get(&names::label(name))
}

fn image(meta: &ObjectMeta) -> Option<&String> {
    meta.annotations.as_ref()?.get(&names::label("image"))
}

/// Whether an object is made to be shared.
pub fn is_shared(meta: &ObjectMeta) -> bool {
    label(meta, "shared").is_some()
}

/// Takes the members off an object.
pub fn without_members(meta: &mut ObjectMeta) {
    for pairs in [&mut meta.labels, &mut meta.annotations].into_iter().flatten() {
        pairs.retain(|name, _| !name.starts_with(names::MEMBER_PREFIX));
    }
}

#[cfg(test)]
mod tests;
