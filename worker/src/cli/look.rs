//! The commands that show builds, and `kiln completions`.

use std::{sync::LazyLock, time::SystemTime};

use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use clap_complete::Shell;
use kilnworks_workflows::failure::FailureType;
use strum::VariantArray;

use crate::output::OutputFormat;

/// `kiln ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
Running builds come first, then the most recent finished builds. Temporal's list is about a second \
behind; `kiln status ID` is not.")]
pub(crate) struct LsArgs {
    /// Only builds of this app.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,
    /// Only this component. Lists components, including those of apps, unless `--type` is given.
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// Only this container. Lists containers, including those of apps, unless `--type` is given.
    #[arg(long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// Only builds of this version.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Only builds with this outcome: succeeded, failed, cancelled, or a failure type such as
    /// BuildFailed.
    #[arg(long, ignore_case = true, hide_possible_values = true, value_parser = outcomes())]
    pub(crate) outcome: Option<String>,
    /// Only running builds.
    #[arg(long, conflicts_with = "outcome")]
    pub(crate) running: bool,
    /// Only builds that started within this time (`2h`) or since this time
    /// (`2026-11-22T20:00:00Z`).
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<SystemTime>,
    /// Kinds of builds to list. Default: apps only.
    #[arg(long = "type", value_name = "KIND", value_enum, value_delimiter = ',')]
    pub(crate) kinds: Vec<Kind>,
    /// Maximum number of builds.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
}

/// What one workflow builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Apps.
    App,
    /// Components, alone or of an app.
    Component,
    /// Containers, alone or of a component.
    Container,
}

/// Every outcome that a build can have.
fn outcomes() -> PossibleValuesParser {
    static FAILURES: LazyLock<Vec<String>> =
        LazyLock::new(|| FailureType::VARIANTS.iter().map(|kind| kind.name()).collect());
    let failures = FAILURES.iter().map(String::as_str);
    ["succeeded", "failed", "cancelled"].into_iter().chain(failures).into()
}

/// A time: a duration before now, or a point in time, in UTC unless it has an offset.
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
    /// Show the build until it ends. Ctrl-C detaches and the build continues.
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
}

/// `kiln open`.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Id of the build.
    pub(crate) id: String,
    /// Also open the page in a browser.
    #[arg(long)]
    pub(crate) browser: bool,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
}

/// `kiln completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
bash:  kiln completions bash > ~/.local/share/bash-completion/completions/kiln
zsh:   kiln completions zsh > ~/.zfunc/_kiln    (a directory of your $fpath)
fish:  kiln completions fish > ~/.config/fish/completions/kiln.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
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
    fn a_typo_gets_a_suggestion() {
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
