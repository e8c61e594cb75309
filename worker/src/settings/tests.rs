use clap::{CommandFactory, Parser};
use kilnworks_activities::settings::{Bucket, Delivery, LauncherKind, StoreSettings, VolumeMount};

use super::{Values, installation, layers};
use crate::cli::Cli;

fn faults<const N: usize>(given: [(&str, &str); N]) -> String {
    match installation(&Values::from(given)) {
        Ok(settings) => format!("accepted as {settings:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn defaults_need_only_a_bucket() {
    let settings = installation(&Values::from([("s3-bucket", "contexts")])).unwrap();
    let steps = settings.steps;
    assert_eq!(settings.grace.as_secs(), 20);
    assert_eq!((steps.heartbeat, steps.max_attempts), (60, 3));
    assert_eq!(steps.cache_bytes, 10 * 1024 * 1024 * 1024);
    assert_eq!(steps.cluster.namespace, "kiln-builds");
    assert_eq!(steps.cluster.launcher, LauncherKind::Pod);
    assert_eq!(steps.cluster.max_builds, 10);
    assert!(matches!(steps.store, StoreSettings::S3(Bucket { endpoint: None, .. })));
}

#[test]
fn a_sweep_has_its_times() {
    let bucket = ("s3-bucket", "b");
    let defaults = installation(&Values::from([bucket])).unwrap();
    let sweep = defaults.steps.sweep;
    let days = |days: u64| days * 24 * 3600;
    assert_eq!(defaults.sweeping.every.map(|time| time.as_secs()), Some(3600));
    assert_eq!(sweep.after.as_secs(), 600);
    assert_eq!((sweep.keep_contexts.as_secs(), sweep.keep_logs.as_secs()), (days(60), days(60)));
    for never in ["never", "0s", "0 h"] {
        let settings = installation(&Values::from([bucket, ("sweep-every", never)])).unwrap();
        assert_eq!(settings.sweeping.every, None, "{never}");
    }
    let logs = installation(&Values::from([bucket, ("keep-logs", "31days")])).unwrap();
    assert_eq!(logs.steps.sweep.keep_logs.as_secs(), days(31));
}

#[test]
fn a_version_is_optional() {
    let bucket = ("s3-bucket", "b");
    assert_eq!(installation(&Values::from([bucket])).unwrap().version, None);
    let named = [bucket, ("versioning", "pinned"), ("build-id", "1.2.0"), ("install", "shop")];
    let version = installation(&Values::from(named)).unwrap().version.unwrap();
    assert_eq!((version.deployment.as_str(), version.build_id.as_str()), ("shop", "1.2.0"));
    let own = installation(&Values::from([bucket, ("versioning", "auto-upgrade")])).unwrap();
    assert_eq!(own.version.unwrap().build_id, env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_volume_is_a_claim_or_a_host_path() {
    let volume = [("store", "volume"), ("volume-dir", "/v")];
    let claim = installation(&Values::from([volume[0], volume[1], ("volume-claim", "c")]));
    let StoreSettings::Volume { mount, .. } = claim.unwrap().steps.store else {
        panic!("a volume was asked for");
    };
    assert!(matches!(mount, VolumeMount::Claim(name) if name == "c"));
}

#[test]
fn presigned_delivery_needs_an_image() {
    let bucket = ("s3-bucket", "b");
    let presigned = ("context-delivery", "presigned");
    let image = ("fetch-image", "registry.example/kiln:1");
    let given = [
        (installation(&Values::from([bucket, image])), Delivery::Direct),
        (
            installation(&Values::from([bucket, presigned, image])),
            Delivery::Presigned("registry.example/kiln:1".to_owned()),
        ),
    ];
    for (settings, expected) in given {
        let StoreSettings::S3(Bucket { delivery, .. }) = settings.unwrap().steps.store else {
            panic!("the store is a bucket");
        };
        assert_eq!(delivery, expected);
    }
    let message = faults([bucket, presigned]);
    assert!(message.contains("`fetch-image`: missing; set KILN_FETCH_IMAGE"), "{message}");
    let message = faults([bucket, presigned, ("fetch-image", "kiln")]);
    assert!(message.contains("an image with its registry"), "{message}");
    let volume = [("store", "volume"), ("volume-dir", "/v"), ("volume-claim", "c"), presigned];
    assert!(faults(volume).contains("accepted is `direct`"), "{}", faults(volume));
}

#[test]
fn each_invalid_setting_has_its_message() {
    let bucket = ("s3-bucket", "b");
    for (name, given, accepted) in [
        ("install", "My Kiln", "lower-case"),
        ("task-queue", "a/b", "lower-case"),
        ("namespace", "-x", "lower-case"),
        ("store", "nfs", "`s3` or `volume`"),
        ("s3-endpoint", "minio:9000", "an address such as"),
        ("executor-image", "kaniko", "an image with its registry"),
        ("launcher", "Pod", "`pod` or `job`"),
        ("context-delivery", "url", "`direct` or `presigned`"),
        ("max-builds", "0", "a number from 1 to 10000"),
        ("max-attempts", "many", "a number from 1 to 20"),
        ("cache-size", "10 apples", "a size such as"),
        ("heartbeat", "0s", "a time from 1s to 1h"),
        ("grace", "soon", "a time from 0s to 1h"),
        ("listen", "9464", "an IP address with a port"),
        ("listen", "localhost:9464", "an IP address with a port"),
        ("keep-contexts", "59days", "a time from 60days to 3650days"),
        ("keep-logs", "30days", "a time from 31days to 3650days"),
        ("sweep-after", "0s", "a time from 1s to 1day"),
        ("sweep-every", "5s", "a time from 1m to 30days"),
        ("versioning", "on", "`off` or `pinned` or `auto-upgrade`"),
        ("build-id", "a build", "1 to 63 letters"),
        ("log", "kiln==x", "a filter such as"),
        ("log-format", "xml", "`text` or `json`"),
        ("temporal-ui", "localhost:8233", "an address such as"),
    ] {
        let message = faults([bucket, (name, given)]);
        let variable = layers::variable(name);
        let start = format!("  `{name}`: `{given}` ({variable}); accepted is ");
        assert!(message.contains(&start), "{message}");
        assert!(message.contains(accepted), "{message}");
    }
}

#[test]
fn all_faults_come_in_one_message() {
    insta::assert_snapshot!(faults([
        ("store", "volume"),
        ("volume-claim", "a"),
        ("volume-host-path", "/a"),
        ("max-builds", "-1"),
        ("log-format", "xml"),
    ]));
}

#[test]
fn a_missing_bucket_is_named() {
    insta::assert_snapshot!(faults([]));
}

#[test]
fn a_flag_overrides_the_settings_file() {
    // Tests share one environment, so this test uses a file and flags only. clap itself gives a flag
    // precedence over its variable.
    let file = tempfile("install: from-file\nmax-builds: 7\ns3-bucket: b\n");
    let config = file.path().to_str().unwrap();
    let cli = ["kiln", "worker", "--config", config, "--install", "typed"];
    let cli = Cli::try_parse_from(cli).unwrap();
    let settings = installation(&Values::of(&cli).unwrap()).unwrap();
    assert_eq!(settings.steps.install, "typed");
    assert_eq!(settings.steps.cluster.max_builds, 7);
}

#[test]
fn an_unknown_key_of_the_file_is_named_with_the_known_ones() {
    let file = tempfile("max-bulids: 7\nstore: s3\n");
    let cli = ["kiln", "worker", "--config", file.path().to_str().unwrap()];
    let error = Values::of(&Cli::try_parse_from(cli).unwrap()).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("error: unknown setting: `max-bulids`\n  at: "));
    assert!(message.contains("hint: known settings are task-queue, "));
    assert!(message.contains(", max-builds, "));
}

#[test]
fn every_variable_has_the_name_that_messages_give() {
    let cli = Cli::command();
    let worker = cli.find_subcommand("worker").unwrap();
    for name in layers::known() {
        let mut args = cli.get_arguments().chain(worker.get_arguments());
        let arg = args.find(|arg| arg.get_long() == Some(&name));
        let env = arg.and_then(|arg| arg.get_env()).unwrap();
        assert_eq!(env.to_str().unwrap(), layers::variable(&name));
    }
}

fn tempfile(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}
