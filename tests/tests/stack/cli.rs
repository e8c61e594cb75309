//! What a person at a terminal sees of builds, on the real stack.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use kilnworks_tests::{
    engine::{eventually, variable},
    stack::{PATIENCE, Worker, publish, run, spec, start, unique},
};
use rexpect::session::{PtySession, spawn_command};
use serde_json::{Value, json};

/// A spec, in a file, of one app with one container.
fn written(directory: &Path, instructions: &str) -> (Value, String) {
    let dockerfile = format!("FROM {}\n{instructions}\n", variable("KILN_BASE_IMAGE"));
    let url = publish(&unique("cli"), &[("Dockerfile", &dockerfile)]);
    let mut document = spec(&unique("cli"), &url, json!([{"name": "one"}]));
    document["version"] = json!("1.2.0");
    let file = directory.join("app.json");
    std::fs::write(&file, document.to_string()).expect("the spec");
    (document, file.to_str().expect("a path").to_owned())
}

/// `kiln` without what this test's own environment says of the terminal.
fn kiln(worker: &Worker, arguments: &[&str]) -> Command {
    let mut command = worker.kiln(arguments);
    command.env_remove("CI").env_remove("NO_COLOR").env("TERM", "xterm").stdin(Stdio::null());
    command
}

fn output(worker: &Worker, arguments: &[&str]) -> Output {
    kiln(worker, arguments).output().expect("kiln runs")
}

fn listed(worker: &Worker, arguments: &[&str]) -> Vec<Value> {
    let all = [&["ls", "-o", "json"], arguments].concat();
    serde_json::from_str(&run(&mut kiln(worker, &all))).expect("a list")
}

/// Waits until the engine's list has such a build, and gives it.
async fn once_listed(worker: &Worker, arguments: &[&str]) -> Value {
    eventually(&format!("{arguments:?} to be listed"), PATIENCE, async || {
        listed(worker, arguments).pop()
    })
    .await
}

/// A spinner's first two bytes: a terminal is read byte by byte.
const SPINNER: &str = "\u{e2}\u{a0}";

fn terminal(mut command: Command) -> PtySession {
    command.stdin(Stdio::inherit());
    spawn_command(command, Some(90_000)).expect("a terminal")
}

/// Waits until a terminal shows a text, and gives what came before it.
fn shows(session: &mut PtySession, text: &str) -> String {
    session.exp_string(text).unwrap_or_else(|error| {
        let error = error.to_string();
        let end = error.char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
        panic!("waited for `{text}` in vain: {}", &error[end..]);
    })
}

/// Whether it ends with this exit code. The crate does not name the type that it tells it with.
fn ends_with(session: &PtySession, code: i32) {
    let ended = format!("{:?}", session.process().wait());
    assert!(ended.starts_with("Ok(Exited(") && ended.ends_with(&format!(", {code}))")), "{ended}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_is_listed_watched_and_opened() {
    let worker = Worker::start(&unique("cli"), &[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let (document, _) = written(directory.path(), "RUN sleep 8");
    let (id, app) = (worker.queue.as_str(), document["app"].as_str().expect("a name"));
    start("BuildApp", id, id, &document);

    let running = once_listed(&worker, &["--app", app, "--running"]).await;
    assert_eq!((&running["id"], &running["status"]), (&json!(id), &json!("running")));
    assert_eq!((&running["outcome"], &running["ended"]), (&Value::Null, &Value::Null));

    let watched = output(&worker, &["status", id, "--watch", "-o", "json"]);
    let said = text(&watched.stderr);
    assert_eq!(watched.status.code(), Some(0), "{said}");
    assert!(said.contains("web/one: building") && said.contains("web/one: done"), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours on a pipe: {said:?}");
    let status: Value = serde_json::from_slice(&watched.stdout).expect("one document");
    assert_eq!(status["result"]["outcome"], "succeeded");

    let ended = once_listed(&worker, &["--app", app, "--outcome", "succeeded"]).await;
    assert_eq!((&ended["version"], &ended["outcome"]), (&json!("1.2.0"), &json!("succeeded")));
    assert!(ended["ended"].is_string(), "{ended}");
    let part = once_listed(&worker, &["--app", app, "--container", "one", "--since", "1h"]).await;
    assert_eq!(part["id"], format!("{id}/web/one"));
    assert_eq!(part["commit"].as_str().expect("a commit").len(), 40);
    let kinds = ["--app", app, "--type", "app,component"];
    eventually("two kinds to be listed", PATIENCE, async || {
        (listed(&worker, &kinds).len() == 2).then_some(())
    })
    .await;
    for none in [
        ["--version", "9"],
        ["--outcome", "failed"],
        ["--since", "2999-01-01"],
        ["--component", "other"],
    ] {
        assert!(listed(&worker, &[&["--app", app], &none[..]].concat()).is_empty(), "{none:?}");
    }
    assert!(listed(&worker, &["--app", app, "--running"]).is_empty());
    let table = run(&mut kiln(&worker, &["ls", "--app", app]));
    let words: Vec<_> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(words[..4], [id, app, "1.2.0", "succeeded"]);

    let typo = output(&worker, &["status", &format!("{}x", &id[..id.len() - 1])]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(text(&typo.stderr).contains(&format!("did you mean `{id}`")), "{typo:?}");
    opened(&worker, id, directory.path()).await;
}

/// `kiln open` prints the page, and hands it to the platform's opener, which is ours here.
async fn opened(worker: &Worker, id: &str, directory: &Path) {
    let page = format!("{}/namespaces/default/workflows/{id}", variable("KILN_TEMPORAL_UI"));
    assert_eq!(run(&mut kiln(worker, &["open", id])).trim(), page);
    let (opener, shown) = (directory.join("xdg-open"), directory.join("shown"));
    let script =
        format!("#!/bin/sh\nprintf %s \"$1\" > {0}.part && mv {0}.part {0}\n", shown.display());
    std::fs::write(&opener, script).expect("the opener");
    std::fs::set_permissions(&opener, PermissionsExt::from_mode(0o755)).expect("executable");
    let path = format!("{}:{}", directory.display(), variable("PATH"));
    assert_eq!(run(kiln(worker, &["open", id, "--browser"]).env("PATH", path)).trim(), page);
    let given = eventually("the page to be opened", Duration::from_secs(20), async || {
        std::fs::read_to_string(&shown).ok()
    })
    .await;
    assert_eq!(given, page);
    let nowhere = kiln(worker, &["open", id]).env_remove("KILN_TEMPORAL_UI").output();
    let nowhere = nowhere.expect("kiln runs");
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("hint: set KILN_TEMPORAL_UI"), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_asks_once_whether_to_leave_or_to_cancel() {
    let worker = Worker::start(&unique("cli-ask"), &[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let (_, file) = written(directory.path(), "RUN sleep 300");
    let id = worker.queue.as_str();

    let mut session = terminal(kiln(&worker, &["build", &file, "--id", id]));
    shows(&mut session, SPINNER);
    shows(&mut session, "[6/6]");
    shows(&mut session, "0 of 1 done, 1 in progress");
    session.send_control('c').expect("Ctrl-C");
    shows(&mut session, "[c]ancel it? (detach)");
    session.send_line("").expect("the default");
    shows(&mut session, "detached; the build continues");
    ends_with(&session, 130);
    assert_eq!(
        once_listed(&worker, &["--running", "--limit", "1000", "--app", &app(&file)]).await["id"],
        id
    );

    let again = unique("cli-ask");
    let mut session = terminal(kiln(&worker, &["build", &file, "--id", &again, "--follow"]));
    shows(&mut session, "web/one");
    session.send_control('c').expect("Ctrl-C");
    shows(&mut session, "[c]ancel it?");
    session.send_line("c").expect("an answer");
    shows(&mut session, "it is cleaning up");
    shows(&mut session, "cancelled: ");
    ends_with(&session, 3);

    let mut session = terminal(kiln(&worker, &["status", id, "--watch"]));
    shows(&mut session, "web/one");
    session.send_control('c').expect("Ctrl-C");
    shows(&mut session, "detached; the build continues");
    ends_with(&session, 130);
    run(&mut kiln(&worker, &["cancel", id, "--wait"]));
}

/// The app that a spec's file names.
fn app(file: &str) -> String {
    let document: Value =
        serde_json::from_slice(&std::fs::read(file).expect("the spec")).expect("JSON");
    document["app"].as_str().expect("a name").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_or_in_ci_lines_are_plain_and_ctrl_c_leaves() {
    let worker = Worker::start(&unique("cli-ci"), &[]).await;
    let directory = tempfile::tempdir().expect("a directory");
    let (_, file) = written(directory.path(), "RUN sleep 300");
    let id = worker.queue.as_str();
    let mut command = kiln(&worker, &["build", &file, "--id", id]);
    command.env("CI", "true");
    let mut session = terminal(command);
    let before = shows(&mut session, "web/one: building");
    assert!(!before.contains('\u{1b}') && !before.contains(SPINNER), "{before:?}");
    session.send_control('c').expect("Ctrl-C");
    shows(&mut session, "detached; the build continues");
    ends_with(&session, 130);
    let gone = output(&worker, &["cancel", id, "--wait"]);
    assert!(text(&gone.stderr).contains("cancelled: "), "{gone:?}");
    assert_eq!(output(&worker, &["status", id]).status.code(), Some(3));
}
