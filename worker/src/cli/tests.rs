//! The definition is sound, and the documentation uses it correctly.

use clap::{Command, CommandFactory, Parser};

use super::Cli;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn help_of_every_command() {
    // The snapshots must not depend on the environment of the test.
    let cli = Cli::command().mut_args(|arg| arg.hide_env_values(true));
    insta::assert_snapshot!("help", cli.clone().render_long_help());
    let mut cli = cli;
    cli.build();
    cli.get_subcommands_mut().for_each(|command| help("help", command));
}

/// `kiln` accepts every command line of the documentation.
#[test]
fn the_documents_commands_are_ours() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = std::fs::read_dir(root.join("docs")).expect("the documents");
    let pages = pages.map(|page| page.expect("a page").path()).chain([root.join("README.md")]);
    let mut checked = 0;
    for page in pages.filter(|page| page.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&page).expect("a page");
        let code = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let lines = code.flat_map(str::lines).filter(|line| line.starts_with("kiln "));
        for line in lines.filter(|line| !line.ends_with('\\')) {
            let command = line.split(['|', '>', '<']).next().unwrap_or_default();
            let words = shlex::split(command).unwrap_or_else(|| panic!("words: {line}"));
            let parsed = Cli::try_parse_from(words);
            parsed.unwrap_or_else(|error| panic!("{}: {line}\n{error}", page.display()));
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

fn help(above: &str, command: &mut Command) {
    let name = format!("{above}_{}", command.get_name());
    if command.get_name() == "help" {
        return;
    }
    let mut shown = command.clone().mut_args(|arg| arg.hide_env_values(true));
    insta::assert_snapshot!(name.clone(), shown.render_long_help());
    command.get_subcommands_mut().for_each(|command| help(&name, command));
}
