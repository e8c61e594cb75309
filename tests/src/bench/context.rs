//! A large context from its source into the store, and the same by the usual commands.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;
use aws_sdk_s3::{Client as S3, primitives::ByteStream};
use kilnworks_activities::{
    secrets::Secrets,
    source::Sources,
    steps::upload::{sections_key, upload},
    store::{ContextStore, s3::S3Store},
};
use kilnworks_workflows::{build_id::BuildId, plan::GitSource, steps::UploadInput};

use super::{Aim, Figure, Scene, repository::Repository, tidy::store, tree::Tree};
use crate::{engine::variable, stack::run};

/// 160 MB in 10,000 files; a fifth of that where nothing is optimized, as packing takes minutes then.
const TREE: Tree = Tree { directories: if cfg!(debug_assertions) { 20 } else { 100 }, ..LARGE };
const LARGE: Tree = Tree { directories: 100, files: 100, bytes: 16_000 };

pub(super) async fn measure(scene: &Scene) -> Result<Vec<Figure>> {
    let salt = fastrand::u64(..);
    let repository = Repository::of(|root| TREE.write(root, salt));
    let sources = scene.directory.path().join("cache");
    let sources = Sources::open(&sources, u64::MAX, Secrets::Given(Vec::new()))?;
    let ours = Ours { scene, sources, store: store().await, url: repository.url.clone() };
    let cold = ours.measure().await?;
    repository.change(&[("d012/f042", "one file is another\n")]);
    let changed = ours.measure().await?;
    let alone = alone(scene, &repository.url).await?.as_secs_f64();
    let megabytes = TREE.directories * TREE.files * TREE.bytes / 1_000_000;
    let figure = |what: &str, ours: Duration, most| {
        let of = format!("{what}, {megabytes} MB");
        Figure::new(&of, "s", ours.as_secs_f64(), alone, Aim::RatioAtMost(most))
    };
    Ok(vec![figure("cold", cold, 0.7), figure("one file changed", changed, 0.1)])
}

/// What the steps of a worker use.
struct Ours<'a> {
    scene: &'a Scene,
    sources: Sources,
    store: S3Store,
    url: String,
}

impl Ours<'_> {
    async fn measure(&self) -> Result<Duration> {
        let revision = Some("main".to_owned());
        let source = GitSource { url: self.url.clone(), revision, secret: None, submodules: false };
        let begun = Instant::now();
        let commit = self.sources.fetch(&source).await?;
        let input = UploadInput {
            id: BuildId::default(),
            source,
            commit,
            context_dir: String::new(),
            lfs: false,
        };
        let told = sections_key(&input);
        let context = upload(&self.sources, &self.store as &dyn ContextStore, input).await?;
        let took = begun.elapsed();
        anyhow::ensure!(context.sent, "the context was there already");
        self.scene.keys.lock().expect("no panic holds it").extend([context.key, told]);
        Ok(took)
    }
}

/// Clone, archive, upload.
async fn alone(scene: &Scene, url: &str) -> Result<Duration> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).load().await;
    let config = aws_sdk_s3::config::Builder::from(&config)
        .endpoint_url(variable("KILN_S3_ENDPOINT"))
        .force_path_style(true)
        .build();
    let (client, key) = (S3::from_conf(config), format!("contexts/{}.tar.gz", scene.name));
    scene.keys.lock().expect("no panic holds it").push(key.clone());
    let clone = scene.directory.path().join("clone");
    let archive = scene.directory.path().join("context.tar.gz");
    let begun = Instant::now();
    let (from, to, file) = (url.to_owned(), clone, archive.clone());
    tokio::task::spawn_blocking(move || pack(&from, &to, &file)).await?;
    let body = ByteStream::from_path(&archive).await?;
    let put = client.put_object().bucket(variable("KILN_S3_BUCKET")).key(key).body(body);
    put.send().await?;
    Ok(begun.elapsed())
}

fn pack(url: &str, clone: &Path, archive: &Path) {
    run(Command::new("git").args(["clone", "--quiet", "--depth", "1", url]).arg(clone));
    let mut tar = Command::new("tar");
    run(tar.arg("czf").arg(archive).arg("--exclude=.git").arg("-C").arg(clone).arg("."));
}
