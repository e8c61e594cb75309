//! `kiln` as process 1, as it is in a container. The kernel gives that process no default action: a
//! signal that it does not listen to is lost, and its end waits for SIGKILL.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use kilnworks_tests::{
    engine::{eventually, variable},
    stack::{PATIENCE, kiln, run, unique},
    wire::{Mode, Wire},
};
use tokio::process::Child;

/// How long it may take to end: less than a try to connect.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Starts a command as process 1.
fn first(arguments: &[&str], settings: &[(&str, &str)]) -> Child {
    let name = unique("signals");
    let own = [
        ("KILN_TASK_QUEUE", name.as_str()),
        ("KILN_INSTALL", &name),
        ("KILN_SWEEP_EVERY", "never"),
    ];
    let mut command = tokio::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(kiln()).args(arguments);
    command.envs(own).envs(settings.iter().copied()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("unshare runs")
}

/// Sends a signal once the command waits at a wire, and gives how it ends.
async fn told(child: Child, wire: &Wire, signal: &str) -> Output {
    let at_the_wire = async || (wire.taken() > 0).then_some(());
    eventually("the command to reach the wire", PATIENCE, at_the_wire).await;
    let own = child.id().expect("it runs").to_string();
    let process = run(Command::new("pgrep").args(["--parent", &own]));
    run(Command::new("kill").args([signal, process.trim()]));
    let ended = tokio::time::timeout(AT_ONCE, child.wait_with_output());
    ended.await.expect("it ends at once").expect("its output")
}

/// A wire to a server that does such a thing.
async fn wire(address: &str, mode: Mode) -> Wire {
    let wire = Wire::to(address).await;
    wire.set(mode);
    wire
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_still_waits_ends_at_once() {
    for (setting, scheme, mode, signal) in [
        ("TEMPORAL_ADDRESS", "", Mode::Stall, "-TERM"),
        ("TEMPORAL_ADDRESS", "", Mode::Refuse, "-INT"),
        ("KILN_S3_ENDPOINT", "http://", Mode::Stall, "-TERM"),
    ] {
        let wire = wire(variable(setting).trim_start_matches(scheme), mode).await;
        let at = format!("{scheme}{}", wire.address());
        let worker = first(&["worker"], &[(setting, &at)]);
        let Output { status, stdout, stderr } = told(worker, &wire, signal).await;
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert!(status.success(), "{setting} {mode:?} {signal}: {said}");
        assert!(said.contains("stopped before the worker started to poll"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_ends_at_once() {
    for signal in ["-TERM", "-INT"] {
        let wire = wire(&variable("TEMPORAL_ADDRESS"), Mode::Stall).await;
        let setup = first(&["setup"], &[("TEMPORAL_ADDRESS", &wire.address())]);
        let Output { status, stderr, .. } = told(setup, &wire, signal).await;
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("a signal ended this") && said.contains("run it again"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_a_context_ends_at_once() {
    let store = variable("KILN_S3_ENDPOINT");
    let wire = wire(store.trim_start_matches("http://"), Mode::Stall).await;
    let directory = tempfile::tempdir().expect("a directory");
    let url = directory.path().join("url");
    std::fs::write(&url, format!("http://{}/kiln/context.tar.gz", wire.address())).expect("a file");
    let into = directory.path().join("shared/files");
    let place = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    let (url, into) = (place(&url), place(&into));
    let sha256 = "0".repeat(64);
    let arguments = ["fetch-context", "--url-file", &url, "--sha256", &sha256, "--into", &into];
    let Output { status, stderr, .. } = told(first(&arguments, &[]), &wire, "-TERM").await;
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("a signal ended this"), "{said}");
    assert!(!std::path::Path::new(&into).exists(), "nothing is half done");
}
