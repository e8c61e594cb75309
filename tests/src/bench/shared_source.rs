//! An app of 42 containers from one repository: what is fetched and sent for it, and what is done
//! where nothing has changed. Its Pods take no time, so that what is left is Kilnworks' own.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use kilnworks_workflows::names;
use serde_json::{Value, json};

use super::{
    Aim, Figure, Scene, floor, images, pods,
    repository::{Repository, write},
    scene::events,
    statistics::median,
    tidy::contexts,
    tree::Tree,
};
use crate::{
    engine::variable,
    stack::{run, spec},
    wire::Wire,
};

const COMPONENTS: usize = 6;
const CONTAINERS: usize = 7;
const ALL: usize = COMPONENTS * CONTAINERS;

/// Directories that containers are built from. Twelve of them are the context of two containers.
const DIRECTORIES: usize = 30;

/// Of each directory, beside its Dockerfiles.
const TREE: Tree = Tree { directories: DIRECTORIES, files: 10, bytes: 20_000 };

/// How often nothing is built.
const RUNS: usize = 3;

/// Bytes fetched and sent, against what one fetch and each directory once would be.
pub(super) async fn one_repository(scene: &Scene) -> Result<Vec<Figure>> {
    let repository = publish();
    let (wire, url) = wired(&repository.url).await?;
    let document = document(scene, &url);
    scene.fake_worker(Some(&push(&document).await), 2 * ALL as u32).await?;
    let (_, output, _) = scene.build_app(&document).await;
    ensure!(output.images.len() == ALL, "{} images", output.images.len());
    let (fetched, sent) = (wire.received(), contexts(&scene.log()));
    let bytes: u64 = sent.iter().map(|(_, size)| size).sum();
    let clone = scene.directory.path().join("clone");
    run(Command::new("git").args(["clone", "--quiet", "--bare", "--depth", "1", &url]).arg(clone));
    let once = wire.received() - fetched;
    let packed = (0..DIRECTORIES).map(|number| repository.packed(&format!("d{number:03}")));
    let packed: u64 = packed.sum();
    let (kb, aim) = (|bytes: u64| bytes as f64 / 1000.0, Aim::RatioAtMost(1.05));
    let count = |of, ours: usize| Figure::new(of, "", ours as f64, DIRECTORIES as f64, aim);
    Ok(vec![
        Figure::new("fetched and sent", "KB", kb(fetched + bytes), kb(once + packed), aim),
        Figure::new("fetched", "KB", kb(fetched), kb(once), Aim::None),
        Figure::new("contexts sent", "KB", kb(bytes), kb(packed), Aim::None),
        count("number of contexts", sent.len()),
    ])
}

/// The same app twice, the second time without a change.
pub(super) async fn unchanged(scene: &Scene) -> Result<Vec<Figure>> {
    let repository = publish();
    let document = document(scene, &repository.url);
    scene.fake_worker(Some(&push(&document).await), 2 * ALL as u32).await?;
    scene.build_app(&document).await;
    let app = document["app"].as_str().expect("a name");
    let since = pods::now(&scene.pods()).await?;
    let (mut times, mut all) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (took, _, ids) = scene.build_app(&document).await;
        times.push(took);
        all = ids;
    }
    let events = events(&scene.engine, &all).await?;
    // Workflows of two activities have nearly as many events each.
    let floor = floor::run(&scene.engine, ALL, 2).await?;
    let floor = floor.time.as_secs_f64() * events as f64 / floor.events as f64;
    let pods = pods::created(&scene.pods(), app, &since).await?;
    Ok(vec![
        Figure::new("wall time", "s", median(&times), floor, Aim::AtMost(3.0)),
        Figure::alone("Pods", "", pods as f64, Aim::AtMost(0.0)),
        Figure::alone("events", "", events as f64, Aim::None),
    ])
}

/// The repository of all of them.
fn publish() -> Repository {
    let salt = fastrand::u64(..);
    Repository::of(|root| {
        TREE.write(root, salt);
        for number in 0..ALL {
            let dockerfile = format!("FROM scratch\nLABEL number={number}\nCOPY . /\n");
            write(
                root,
                &[(&format!("d{:03}/Dockerfile.{number}", number % DIRECTORIES), &dockerfile)],
            );
        }
    })
}

/// A wire to the repository's server, and the URL that goes by it.
async fn wired(url: &str) -> Result<(Wire, String)> {
    let (server, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .context("the stack's git server speaks http")?;
    let wire = Wire::to(server).await;
    let url = format!("http://{}/{path}", wire.address());
    Ok((wire, url))
}

fn document(scene: &Scene, url: &str) -> Value {
    let container = |number: usize| {
        let directory = format!("d{:03}", number % DIRECTORIES);
        let dockerfile = format!("Dockerfile.{number}");
        json!({"name": format!("c{number}"), "contextDir": directory, "dockerfile": dockerfile})
    };
    let components: Vec<_> = (0..COMPONENTS)
        .map(|component| {
            let numbers = component * CONTAINERS..(component + 1) * CONTAINERS;
            let containers: Vec<_> = numbers.map(container).collect();
            json!({"name": format!("p{component}"), "containers": containers})
        })
        .collect();
    let mut document = spec(&scene.app(), url, json!([]));
    document["maxParallel"] = json!(ALL);
    document["components"] = json!(components);
    document
}

/// Puts the image of every container where its executor would put it.
async fn push(document: &Value) -> String {
    let app = document["app"].as_str().expect("a name");
    let prefix = format!("{}/{app}", variable("KILN_REGISTRY"));
    let repositories = (0..ALL).map(|number| {
        let component = format!("p{}", number / CONTAINERS);
        names::repository(&prefix, app, &component, &format!("c{number}"))
    });
    images::push(repositories.collect()).await
}
