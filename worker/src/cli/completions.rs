//! `kiln completions`: completion scripts for shells.

use clap::CommandFactory;

use super::{Cli, CompletionsArgs};
use crate::output::{Error, Exit, stdout};

/// Prints the completion script of a shell.
pub(crate) fn completions(args: CompletionsArgs) -> Result<Exit, Error> {
    stdout::print(script(args.shell).trim_end())?;
    Ok(Exit::Success)
}

fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kiln", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use clap_complete::Shell;

    use super::script;

    #[test]
    fn every_shell_completes_commands_and_flags() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in ["status", "completions", "outcome"] {
                assert!(script.contains(word), "{shell} does not know `{word}`");
            }
        }
    }
}
