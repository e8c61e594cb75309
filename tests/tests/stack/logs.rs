//! Logs on the real stack: on every path each attempt's log is in the store, each line once.

use std::process::{Child, Command, Stdio};

use kilnworks_tests::{
    engine::{End, eventually, variable},
    stack::{PATIENCE, Worker, cluster, ended, kiln, pods, publish, run, spec, start, unique},
};
use serde_json::{Value, json};

fn logs(arguments: &[&str]) -> Command {
    let mut command = Command::new(kiln());
    command.arg("logs").args(arguments).stdin(Stdio::null());
    command
}

/// What `kiln logs` prints.
fn printed(arguments: &[&str]) -> String {
    run(&mut logs(arguments))
}

/// `kiln logs --follow`, to be waited for when the build has ended.
fn followed(arguments: &[&str]) -> Child {
    let mut command = logs(arguments);
    command.arg("--follow").stdout(Stdio::piped()).spawn().expect("kiln runs")
}

fn dockerfile(instructions: &str) -> String {
    format!("FROM {}\n{instructions}\n", variable("KILN_BASE_IMAGE"))
}

/// Starts an app of one container.
fn begin(worker: &Worker, instructions: &str) -> Value {
    let url = publish(&unique("logs"), &[("Dockerfile", &dockerfile(instructions))]);
    let document = spec(&unique("logs"), &url, json!([{"name": "one"}]));
    start("BuildApp", &worker.queue, &worker.queue, &document);
    document
}

/// Waits until the log has a text.
async fn until_printed(id: &str, text: &str) {
    eventually(&format!("the log to have `{text}`"), PATIENCE, async || {
        let output = logs(&[id, "one"]).output().expect("kiln runs");
        String::from_utf8_lossy(&output.stdout).contains(text).then_some(())
    })
    .await;
}

/// The lines of a log that are numbers, as `RUN` printed them.
fn numbers(log: &str) -> Vec<u32> {
    let words = log.lines().filter_map(|line| line.trim_start().split('\t').next());
    words.filter_map(|word| word.trim().parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn followed_and_read_later_it_is_the_same_log_without_secrets() {
    let worker = Worker::start(&unique("logs"), &[]).await;
    let token = variable("KILN_GIT_PASSWORD");
    let good = dockerfile("RUN for i in 1 2 3 4 5 6 7 8; do echo good $i; sleep 1; done");
    let bad = dockerfile(&format!(
        "RUN echo the token {token}; echo https://me:geheim@example.com/x; exit 7"
    ));
    let files = [("good/Dockerfile", good.as_str()), ("bad/Dockerfile", &bad)];
    let url = publish(&format!("private/{}", unique("logs")), &files);
    let containers = json!([
        {"name": "good", "contextDir": "good"}, {"name": "bad", "contextDir": "bad"},
    ]);
    let mut document = spec(&unique("logs"), &url, containers);
    document["defaults"]["source"]["git"]["secret"] = json!("git-private");
    let id = worker.queue.as_str();
    start("BuildApp", id, id, &document);
    let (good, both) = (followed(&[id, "good"]), followed(&[id]));
    let (kind, details) = ended(id).await.failure();
    let text = |child: Child| {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let (live, both) = (text(good), text(both));
    let after = printed(&[id, "web/good"]);
    assert_eq!(live, after);
    let said: Vec<_> = after.lines().filter(|line| line.starts_with("good ")).collect();
    assert_eq!(said, (1..9).map(|i| format!("good {i}")).collect::<Vec<_>>());
    assert!(both.contains("web/good | good 8\n") && both.contains("web/bad | the token"), "{both}");
    let timed = printed(&[id, "good", "--timestamps"]);
    assert!(timed.lines().all(|line| line.starts_with("20") && line[..30].ends_with('Z')));

    assert_eq!(kind, "BuildFailed");
    let bad = printed(&[id, "bad"]);
    assert!(bad.contains("\nthe token ***\nhttps://***@example.com/x\n"), "{bad}");
    let failure = &details.failures[0];
    let (shown, log) = (format!("{details:?}"), failure.log.as_deref().unwrap_or_default());
    assert!(log.starts_with("s3://") && log.contains("/logs/") && log.ends_with("/1/"), "{log}");
    assert_eq!((failure.exit_code, failure.line), (Some(7), Some(2)));
    assert!(failure.log_tail.contains("the token ***"), "{failure:?}");
    assert!(failure.instruction.as_deref().unwrap_or_default().contains("token ***"), "{shown}");
    for secret in [token.as_str(), "geheim"] {
        assert!(!shown.contains(secret) && !bad.contains(secret), "{shown}");
    }

    let refused = |arguments: &[&str]| {
        let output = logs(arguments).output().expect("kiln runs");
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(refused(&[&unique("nobody")]).contains("there is no build"));
    assert!(refused(&[id, "other"]).contains("containers: `web/good`, `web/bad`"));
    assert!(refused(&[id, "good", "--attempt", "9"]).contains("these attempts have a log: 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_s_log_is_kept_up_to_the_cut() {
    let worker = Worker::start(&unique("logs-cancel"), &[]).await;
    let document = begin(&worker, "RUN for i in $(seq 600); do echo $i; sleep 1; done");
    let id = worker.queue.as_str();
    until_printed(id, "\n5\n").await;
    let seen = *numbers(&printed(&[id, "one"])).last().expect("a number");
    run(Command::new("temporal").args(["workflow", "cancel", "-w", id]));
    assert!(matches!(ended(id).await, End::Cancelled));
    let log = printed(&[id, "one"]);
    let kept = numbers(&log);
    assert!(kept.iter().copied().eq(1..=kept.len() as u32), "{log}");
    assert!(*kept.last().expect("a number") >= seen, "{log}");
    assert!(log.trim_end().ends_with("cut here: the build was ended while it ran …"), "{log}");
    let (app, cluster) = (document["app"].as_str().expect("a name"), cluster().await);
    eventually("the Pod to be gone", PATIENCE, async || {
        pods(&cluster, app).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(printed(&[id, "one"]), log, "nothing came after the cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_s_log_goes_on_with_the_next_line() {
    let mut worker = Worker::start(&unique("logs-kill"), &[]).await;
    begin(&worker, "RUN for i in $(seq 120); do echo $i; sleep 0.2; done");
    let id = worker.queue.clone();
    until_printed(&id, "\n40\n").await;
    worker.kill();
    let _next = worker.another().await;
    ended(&id).await.output();
    let log = printed(&[&id, "one"]);
    assert!(numbers(&log).into_iter().eq(1..=120), "{log}");
}

/// A build that prints 25 MiB, so that the node begins a new file twice, and its log.
async fn long(max: &str) -> String {
    let settings = [("KILN_LOGS_MAX_BYTES", max)];
    let worker = Worker::start(&unique("logs-long"), &settings).await;
    begin(
        &worker,
        "RUN (for i in 1 2 3 4; do head -c 4900000 /dev/urandom | base64 -w 1000; sleep 5; done) | cat -n",
    );
    ended(&worker.queue).await.output();
    printed(&[&worker.queue, "one"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_kept_whole_or_by_its_head_and_tail() {
    let (whole, part) = tokio::join!(long("64MiB"), long("4MiB"));
    let all = numbers(&whole);
    let broken: Vec<_> = all.windows(2).filter(|pair| pair[0] + 1 != pair[1]).collect();
    assert!(broken.is_empty() && all[0] == 1, "each line once, in order: {broken:?}");
    assert!(whole.len() > 25 << 20, "{} bytes, up to line {:?}", whole.len(), all.last());
    assert!(part.len() <= 4 << 20 && part.len() > 3 << 20, "{} bytes", part.len());
    let lines: Vec<_> = part.lines().collect();
    let gap = lines.iter().position(|line| line.ends_with("MiB of the log are not kept …"));
    let gap = gap.expect("a gap that is told");
    let (head, tail) = (numbers(&lines[..gap].join("\n")), numbers(&lines[gap..].join("\n")));
    assert!(head.iter().copied().eq(1..=head.len() as u32), "the head is whole");
    let last = all.len() as u32;
    assert!(tail.iter().copied().eq(last + 1 - tail.len() as u32..=last), "the tail is whole");
    assert!(head.len() > 1000 && tail.len() > 1000, "{} and {}", head.len(), tail.len());
}
