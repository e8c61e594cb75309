//! The list filter of the engine for the given arguments.

use kilnworks_workflows::build::{APP, COMPONENT, CONTAINER, OUTCOME, VERSION};

use crate::{
    cli::{Kind, LsArgs},
    engine::list::quoted,
};

/// The filter of a list.
pub(super) fn of(args: &LsArgs) -> String {
    let kinds: Vec<_> = kinds(args).into_iter().map(workflow_type).map(quoted).collect();
    let mut all = vec![format!("WorkflowType IN ({})", kinds.join(", "))];
    for (attribute, wanted) in [
        (&APP, &args.app),
        (&COMPONENT, &args.component),
        (&CONTAINER, &args.container),
        (&VERSION, &args.version),
    ] {
        all.extend(wanted.iter().map(|wanted| is(attribute.name(), wanted)));
    }
    if args.running {
        all.push(is("ExecutionStatus", "Running"));
    }
    all.extend(args.outcome.as_deref().map(outcome));
    all.extend(args.since.map(|since| {
        let since = humantime::format_rfc3339_millis(since).to_string();
        format!("StartTime >= {}", quoted(&since))
    }));
    all.join(" AND ")
}

fn is(name: &str, wanted: &str) -> String {
    format!("{name} = {}", quoted(wanted))
}

/// Without `--type`, a component or container argument selects the kind.
fn kinds(args: &LsArgs) -> Vec<Kind> {
    match (&args.kinds[..], &args.component, &args.container) {
        ([], _, Some(_)) => vec![Kind::Container],
        ([], Some(_), None) => vec![Kind::Component],
        ([], None, None) => vec![Kind::App],
        (given, ..) => given.to_vec(),
    }
}

fn workflow_type(kind: Kind) -> &'static str {
    match kind {
        Kind::App => "BuildApp",
        Kind::Component => "BuildComponent",
        Kind::Container => "BuildContainer",
    }
}

/// `succeeded`, `cancelled` and `failed` use the status of the engine, because a terminated build
/// never set its outcome.
fn outcome(wanted: &str) -> String {
    match wanted.to_ascii_lowercase().as_str() {
        "succeeded" => is("ExecutionStatus", "Completed"),
        "cancelled" => is("ExecutionStatus", "Canceled"),
        "failed" => "ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')".to_owned(),
        kind => is(OUTCOME.name(), &canonical(kind)),
    }
}

/// The canonical spelling of a failure type.
fn canonical(typed: &str) -> String {
    use kilnworks_workflows::failure::FailureType;
    use strum::VariantArray;

    let names = FailureType::VARIANTS.iter().map(|kind| kind.name());
    let found = names.into_iter().find(|name| name.eq_ignore_ascii_case(typed));
    found.unwrap_or_else(|| typed.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::of;
    use crate::cli::{Cli, Command};

    fn filter(arguments: &[&str]) -> String {
        let cli = Cli::parse_from(["kiln", "ls"].iter().chain(arguments));
        match cli.command {
            Command::Ls(args) => of(&args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_become_a_filter() {
        let lines = [
            filter(&[]),
            filter(&["--app", "shop", "--version", "1.2.0", "--running"]),
            filter(&["--component", "web", "--outcome", "failed"]),
            filter(&["--component", "web", "--container", "server"]),
            filter(&["--component", "web", "--type", "component,container"]),
            filter(&["--outcome", "buildfailed", "--since", "2026-11-22"]),
            filter(&["--app", "it's"]),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
