//! The judgement of every case.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_s3::Client as S3;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kilnworks_workflows::{names, output::BuildOutput};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Scene, sightings::Sighting};
use crate::engine::variable;

/// The stack's registry, asked without any wire between.
pub struct Registry(reqwest::Client);

impl Registry {
    pub(super) fn new() -> Self {
        Self(reqwest::Client::new())
    }

    /// The images and packages of a result that the registry lacks, or that differ.
    pub(super) async fn missing(&self, output: &BuildOutput) -> Vec<String> {
        let mut missing = Vec::new();
        for image in &output.images {
            if let Err(error) = self.check(&image.reference, &image.digest).await {
                missing.push(format!("{}: {error}", image.reference));
            }
        }
        match &output.package {
            None => missing.push(format!("{}: it has no package", output.app)),
            Some(package) => {
                if let Err(error) = self.check_package(&package.reference, &package.digest).await {
                    missing.push(format!("{}: {error}", package.reference));
                }
            }
        }
        missing
    }

    async fn check_package(&self, reference: &str, digest: &str) -> Result<(), String> {
        let index = self.manifest(&at(reference)?, digest).await?;
        match index["manifests"].is_array() {
            true => self.check(reference, digest).await,
            false => Err("no manifests".to_owned()),
        }
    }

    async fn manifest(&self, base: &str, digest: &str) -> Result<Value, String> {
        let manifest = self.read(&format!("{base}/manifests/{digest}")).await?;
        if format!("sha256:{}", names::hex(&manifest)) != digest {
            return Err("the manifest is another".to_owned());
        }
        serde_json::from_slice(&manifest).map_err(|it| it.to_string())
    }

    async fn check(&self, reference: &str, digest: &str) -> Result<(), String> {
        let base = at(reference)?;
        let manifest = self.manifest(&base, digest).await?;
        for child in manifest["manifests"].as_array().into_iter().flatten() {
            let child = child["digest"].as_str().ok_or("no digest")?;
            Box::pin(self.check(reference, child)).await?;
        }
        if manifest["manifests"].is_array() {
            return Ok(());
        }
        let layers = manifest["layers"].as_array().ok_or("no layers")?;
        for blob in layers.iter().chain([&manifest["config"]]) {
            let digest = blob["digest"].as_str().ok_or("a blob without a digest")?;
            let bytes = self.read(&format!("{base}/blobs/{digest}")).await?;
            if format!("sha256:{}", names::hex(&bytes)) != digest {
                return Err(format!("the blob {digest} is another"));
            }
        }
        Ok(())
    }

    async fn read(&self, url: &str) -> Result<Vec<u8>, String> {
        let types = "application/vnd.docker.distribution.manifest.v2+json, \
                     application/vnd.oci.image.manifest.v1+json, \
                     application/vnd.oci.image.index.v1+json";
        let asked = self.0.get(url).header("Accept", types).send().await;
        let answer = asked.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(|error| error.to_string())?;
        Ok(answer.bytes().await.map_err(|error| error.to_string())?.to_vec())
    }
}

/// The URL of a repository in the stack's registry, whichever wire the build used.
fn at(reference: &str) -> Result<String, String> {
    let repository = names::repository_of(reference);
    let (_, repository) = repository.split_once('/').ok_or("no registry")?;
    Ok(format!("http://{}/v2/{repository}", variable("KILN_REGISTRY")))
}

/// Unfinished uploads to the stack's bucket.
pub struct Uploads(S3);

impl Uploads {
    pub(super) async fn new() -> Self {
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).load().await;
        let config = aws_sdk_s3::config::Builder::from(&config)
            .endpoint_url(variable("KILN_S3_ENDPOINT"))
            .force_path_style(true)
            .build();
        Self(S3::from_conf(config))
    }

    async fn since(&self, begun: SystemTime) -> Vec<String> {
        let asked = self.0.list_multipart_uploads().bucket(variable("KILN_S3_BUCKET"));
        let Ok(found) = asked.send().await else {
            return vec!["the uploads cannot be listed".to_owned()];
        };
        let begun = begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let uploads = found.uploads().iter();
        let own = uploads.filter(|one| {
            one.initiated().is_none_or(|at| u64::try_from(at.secs()).unwrap_or(0) >= begun)
        });
        own.map(|one| format!("upload of {}", one.key().unwrap_or_default())).collect()
    }
}

/// Looks for second Pods and for orphans.
pub(super) async fn judge(scene: &Scene, tidy: Duration) {
    let seen = scene.stage.sightings.of_apps(&scene.name);
    let twice = duplicated(&seen, &scene.ended.lock().expect("no panic"));
    let orphans = orphans(scene, tidy).await;
    let mut found = scene.found.lock().expect("no panic");
    found.duplicated.extend(twice);
    found.orphans.extend(orphans);
}

/// Attempts that had two Pods, and containers that had more Pods than their result counts.
fn duplicated(seen: &[Sighting], ended: &[BuildOutput]) -> Vec<String> {
    let mut found = Vec::new();
    let mut attempts = BTreeMap::<_, u32>::new();
    for pod in seen {
        *attempts.entry((&pod.run, &pod.platform, &pod.attempt)).or_default() += 1;
    }
    for ((run, _, attempt), count) in attempts.into_iter().filter(|(_, count)| *count > 1) {
        found.push(format!("attempt {attempt} of run {run} had {count} Pods"));
    }
    for output in ended {
        for image in &output.images {
            let own = |pod: &&Sighting| pod.app == output.app && pod.container == image.container;
            let pods = seen.iter().filter(own).count();
            if pods > image.attempts as usize {
                let counted = image.attempts;
                found.push(format!("{} had {pods} Pods, and counts {counted}", image.reference));
            }
        }
    }
    found
}

/// Objects that are still there after the time to delete them.
async fn orphans(scene: &Scene, tidy: Duration) -> Vec<String> {
    let until = Instant::now() + tidy;
    loop {
        let left = left(scene).await;
        if left.is_empty() || Instant::now() > until {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn left(scene: &Scene) -> Vec<String> {
    let cluster = &scene.stage.cluster;
    let mut left = objects(&Api::<Pod>::all(cluster.clone()), "Pod", &scene.name).await;
    left.extend(objects(&Api::<Job>::all(cluster.clone()), "Job", &scene.name).await);
    left.extend(scene.stage.uploads.since(SystemTime::now() - scene.begun.elapsed()).await);
    for hand in scene.hands.lock().expect("no panic").iter() {
        // A killed worker's scratch files are swept by the next one on that disk, a day later.
        if !hand.has_ended() {
            left.extend(scratch(&hand.1.join("scratch")));
        }
    }
    left
}

async fn objects<K>(api: &Api<K>, kind: &str, prefix: &str) -> Vec<String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let Ok(listed) = api.list(&ListParams::default().labels("kiln.io/app")).await else {
        return vec![format!("the {kind}s cannot be listed")];
    };
    let own = listed.items.into_iter().filter(|object| {
        object.labels().get("kiln.io/app").is_some_and(|app| app.starts_with(prefix))
    });
    own.map(|object| format!("{kind} {}", object.name_any())).collect()
}

fn scratch(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| format!("scratch {}", entry.path().display())).collect()
}
