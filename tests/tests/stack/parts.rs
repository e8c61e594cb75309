//! Images of contexts of which the store had a part already.

use std::iter;

use kilnworks_tests::{
    engine::{client, end, variable},
    stack::{PATIENCE, Worker, change, cluster, print, publish, spec, start, unique},
};
use kilnworks_workflows::BuildApp;
use serde_json::json;

/// A text that compresses little.
fn text(seed: u64, bytes: usize) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    iter::repeat_with(|| random.alphanumeric()).take(bytes).collect()
}

/// The image of a context that was put together has the files of its commit, and nothing else.
async fn the_image_is_of_its_commit(store: &str) {
    let worker = Worker::start(&unique("parts"), &[("KILN_STORE", store)]).await;
    let (client, cluster) = (client().await, cluster().await);
    let base = variable("KILN_BASE_IMAGE");
    let dockerfile = format!(
        "FROM {base}\nCOPY . /app\n\
         CMD [\"sh\", \"-c\", \"cd /app && find . -type f | sort | xargs sha256sum\"]\n"
    );
    let salt = u64::from(fastrand::u32(..));
    let files = (0..20).map(|at| (format!("d{}/f{at:02}", at % 4), text(salt + at, 1024 * 1024)));
    let mut files: Vec<_> = files.chain([("Dockerfile".to_owned(), dockerfile)]).collect();
    files.sort();
    let name = unique("parts");
    let published: Vec<_> = files.iter().map(|(path, text)| (&path[..], &text[..])).collect();
    let url = publish(&name, &published);
    let app = unique("parts");
    for round in 0..2 {
        if round == 1 {
            let changed = files.iter_mut().find(|(path, _)| path == "d1/f09").expect("it is there");
            changed.1 = "another\n".to_owned();
            change(&name, &[("d1/f09", &changed.1)]);
        }
        let id = unique("parts");
        let document = spec(&app, &url, json!([{"name": "one"}]));
        start("BuildApp", &worker.queue, &id, &document);
        let handle = client.get_workflow_handle::<BuildApp>(&id);
        let ended = tokio::time::timeout(PATIENCE, end(&handle)).await.expect("it ends in time");
        let printed = print(&cluster, &ended.output().images[0].reference).await;
        let expected: String = files
            .iter()
            .map(|(path, text)| {
                format!("{}  ./{path}\n", kilnworks_workflows::names::hex(text.as_bytes()))
            })
            .collect();
        assert_eq!(printed, expected);
    }
    let log = worker.log();
    let mut sent = log.lines().filter(|line| line.contains("uploaded a context"));
    let copied = |line: &str| {
        let (_, rest) = line.split_once("copied=")?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    assert_eq!(sent.next().and_then(copied), Some(0), "{log}");
    assert!(sent.next().and_then(copied).is_some_and(|bytes| bytes > 5 << 20), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_is_put_together_in_a_bucket() {
    the_image_is_of_its_commit("s3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_is_put_together_in_a_volume() {
    the_image_is_of_its_commit("volume").await;
}
