//! The commands that look at builds.

use std::{sync::LazyLock, time::SystemTime};

use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use clap_complete::Shell;
use kilnworks_workflows::failure::FailureType;
use strum::VariantArray;

use super::Output;

/// `kiln ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
Builds that run come first, then the last that ended. The engine's list is a second or so behind \
its builds; `kiln status ID` is not.")]
pub(crate) struct LsArgs {
    /// Only builds of this app.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,
    /// Only this component. Lists components, also those of apps, unless `--type` says otherwise.
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// Only this container. Lists containers, also those of apps, unless `--type` says otherwise.
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// Only builds of this version.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Only builds that ended so: succeeded, failed, cancelled, or with one type of failure, such
    /// as BuildFailed.
    #[arg(long, ignore_case = true, hide_possible_values = true, value_parser = outcomes())]
    pub(crate) outcome: Option<String>,
    /// Only builds that run.
    #[arg(long, conflicts_with = "outcome")]
    pub(crate) running: bool,
    /// Only builds that began within this time (`2h`), or since this one (`2026-11-22T20:00:00Z`).
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<SystemTime>,
    /// What kind of builds. Default: apps, without the builds of their parts.
    #[arg(long = "type", value_name = "KIND", value_enum, value_delimiter = ',')]
    pub(crate) kinds: Vec<Kind>,
    /// How many builds, at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Form of the list.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// What is built by a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Apps.
    App,
    /// Components, on their own or of an app.
    Component,
    /// Containers, on their own or of a component.
    Container,
}

/// Every word that a build can have ended with.
fn outcomes() -> PossibleValuesParser {
    static FAILURES: LazyLock<Vec<String>> =
        LazyLock::new(|| FailureType::VARIANTS.iter().map(|kind| kind.name()).collect());
    let failures = FAILURES.iter().map(String::as_str);
    ["succeeded", "failed", "cancelled"].into_iter().chain(failures).into()
}

/// A time: so long ago, or a point in time, UTC where it says nothing else.
fn since(text: &str) -> Result<SystemTime, String> {
    let ago = |time| SystemTime::now().checked_sub(time);
    let time = match humantime::parse_duration(text) {
        Ok(time) => ago(time),
        Err(_) => humantime::parse_rfc3339_weak(text)
            .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00")))
            .ok(),
    };
    time.filter(|time| *time >= SystemTime::UNIX_EPOCH)
        .ok_or_else(|| "accepted are `2h`, `7days`, `2026-11-22T20:00:00Z`".to_owned())
}

/// `kiln status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Show it until it ends. Ctrl-C leaves it running.
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `kiln open`.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Open the page in a browser, too.
    #[arg(long)]
    pub(crate) browser: bool,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// `kiln completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
bash:  kiln completions bash > ~/.local/share/bash-completion/completions/kiln
zsh:   kiln completions zsh > ~/.zfunc/_kiln    (a directory of your $fpath)
fish:  kiln completions fish > ~/.config/fish/completions/kiln.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use clap::Parser;

    use super::since;
    use crate::cli::Cli;

    #[test]
    fn since_is_a_time_ago_or_a_point_in_time() {
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * 24 * 3600);
        for text in ["2024-10-04", "2024-10-04T00:00:00", "2024-10-04T00:00:00Z"] {
            assert_eq!(since(text), Ok(day), "{text}");
        }
        let hour = since("1h").unwrap().elapsed().unwrap();
        assert!(hour >= Duration::from_secs(3600) && hour < Duration::from_secs(3700));
        assert!(since("yesterday").unwrap_err().contains("`2h`"));
        assert!(since("99999years").is_err());
    }

    #[test]
    fn a_typo_is_told_the_right_word() {
        for (typed, right) in [
            (&["kiln", "ls", "--outcome", "BuildFaild"][..], "BuildFailed"),
            (&["kiln", "ls", "--outcme", "failed"], "--outcome"),
            (&["kiln", "biuld", "app.yaml"], "build"),
            (&["kiln", "status", "x", "-o", "jsn"], "json"),
        ] {
            let error = Cli::try_parse_from(typed).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(&format!("'{right}'")), "{error}");
        }
    }
}
