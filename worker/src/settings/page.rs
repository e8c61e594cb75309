//! Generates the tables of `docs/settings.md` from the flags, their defaults and their checks. `INSTA_UPDATE=always
//! cargo test --workspace settings::page` writes them.

use std::{fs, path::Path};

use clap::{Arg, Args, Command, CommandFactory};

use super::{Values, common, installation, layers};
use crate::cli::{Cli, CommonFlags, InstallationFlags};

const MARKS: (&str, &str) = ("<!-- settings -->\n", "<!-- end of settings -->");

/// A value that every setting with a check rejects.
const WRONG: &str = "=?=";

fn settings(flags: fn(Command) -> Command) -> Vec<Arg> {
    flags(Command::new("kiln")).get_arguments().cloned().collect()
}

fn all() -> Vec<Arg> {
    let common = settings(CommonFlags::augment_args);
    common.into_iter().chain(settings(InstallationFlags::augment_args)).collect()
}

fn name(arg: &Arg) -> &str {
    arg.get_long().expect("a flag")
}

/// The description of a setting, and its default.
fn description(arg: &Arg) -> (String, String) {
    let help = arg.get_help().expect("help").to_string();
    let (what, default) = help.split_once(" Default: ").unwrap_or((&help, ""));
    let end = |text: &str| text.trim_end_matches('.').to_owned();
    (end(what), end(default))
}

/// Valid settings, one of which has this value.
fn given(name: &str, value: &str) -> Values {
    let mut given = Vec::new();
    if name.starts_with("volume") {
        given.extend([("store", "volume"), ("volume-dir", "/volume")]);
        given.extend((name == "volume-dir").then_some(("volume-claim", "claim")));
    } else {
        given.push(("s3-bucket", "bucket"));
    }
    given.push((name, value));
    Values::given(given)
}

/// The accepted values, from the error message for an invalid value.
fn accepted(name: &str) -> String {
    let error = installation(&given(name, WRONG)).err().map(|error| error.to_string());
    let fault = error.and_then(|error| {
        let start = format!("`{name}`: `{WRONG}` ({}); accepted is ", layers::variable(name));
        let (_, fault) = error.split_once(&start)?;
        Some(fault.lines().next().unwrap_or_default().to_owned())
    });
    fault.unwrap_or_else(|| "any text".to_owned())
}

fn table(args: &[Arg]) -> String {
    let mut table =
        "| flag | variable | default | accepted | |\n|---|---|---|---|---|\n".to_owned();
    for arg in args {
        let (what, default) = description(arg);
        let default = match default.as_str() {
            "" => "none".to_owned(),
            words if words.contains(' ') || words == "none" => words.to_owned(),
            word => format!("`{word}`"),
        };
        let accepted = match name(arg) {
            "config" => "a file".to_owned(),
            name => accepted(name),
        };
        let variable = arg.get_env().expect("a variable").to_string_lossy().into_owned();
        table +=
            &format!("| `--{}` | `{variable}` | {default} | {accepted} | {what} |\n", name(arg));
    }
    table
}

fn tables() -> String {
    let of_all = table(&settings(CommonFlags::augment_args));
    let of_installation = table(&settings(InstallationFlags::augment_args));
    format!(
        "Settings of every command:\n\n{of_all}\nSettings of an installation, for `kiln worker`, `kiln logs` and \
         `kiln plan --show pods`:\n\n{of_installation}"
    )
}

#[test]
fn the_page_has_the_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let page = fs::read_to_string(&path).expect("docs/settings.md");
    let (before, rest) = page.split_once(MARKS.0).expect("the first mark");
    let (_, after) = rest.split_once(MARKS.1).expect("the second mark");
    let right = format!("{before}{}{}{}{after}", MARKS.0, tables(), MARKS.1);
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, &right).expect("the page");
    } else {
        assert!(
            page == right,
            "docs/settings.md is outdated: run this test with INSTA_UPDATE=always"
        );
    }
}

#[test]
fn a_documented_default_is_the_real_default() {
    let mut checked = 0;
    for arg in all() {
        let (name, (_, default)) = (name(&arg).to_owned(), description(&arg));
        if default.is_empty() || default.contains(' ') || default == "none" {
            continue;
        }
        let shown = |values: &Values| {
            let installation = installation(values).unwrap_or_else(|error| panic!("{error}"));
            format!("{:?} {installation:?}", common(values).expect("it is right"))
        };
        assert_eq!(shown(&given(&name, &default)), shown(&given(&name, "")), "{name}");
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} defaults were checked");
}

#[test]
fn no_flag_takes_a_secret() {
    fn look(command: &Command) {
        for arg in command.get_arguments() {
            let env = arg.get_env().map(|env| env.to_string_lossy().to_lowercase());
            let called = format!("{} {}", arg.get_id(), env.unwrap_or_default());
            let secret = ["password", "secret", "token", "credential", "api-key", "api_key"];
            if !secret.iter().any(|word| called.contains(word)) {
                continue;
            }
            let takes = arg.get_value_names().unwrap_or_default();
            let is_pointer = takes.iter().all(|it| ["NAME", "FILE", "DIR"].contains(&it.as_str()));
            assert!(is_pointer && !takes.is_empty(), "`{called}` takes {takes:?}");
        }
        command.get_subcommands().for_each(look);
    }
    look(&Cli::command());
}
