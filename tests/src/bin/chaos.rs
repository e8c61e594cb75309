//! `make chaos`: breaks parts of the local stack while it builds, and fails if a build is lost, built
//! twice or hung, or leaves something behind.

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use kilnworks_tests::chaos::{Case, Stage, Verdict, cases, table};

/// Breaks parts of the local stack while it builds.
#[derive(Parser)]
#[command(name = "make chaos", bin_name = "make chaos")]
struct Args {
    /// Cases to run. Default: all.
    names: Vec<String>,
    /// Print the names of the cases, one per line, and run none.
    #[arg(long)]
    list: bool,
    /// Run the short form: the sharpest cases.
    #[arg(long, conflicts_with = "names")]
    short: bool,
    /// Chooses the moments at which faults strike. Default: a random number.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many cases run at a time, except those that run alone.
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    beside: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let cases = match chosen(&args) {
        Ok(cases) => cases,
        Err(unknown) => {
            eprintln!(
                "chaos: error: no such case: `{unknown}`; `make chaos ARGS=--list` names them"
            );
            return ExitCode::from(2);
        }
    };
    if args.list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return ExitCode::SUCCESS;
    }
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("chaos: {} cases, seed {seed}", cases.len());
    let begun = Instant::now();
    let stage = Stage::open(seed).await;
    let verdicts = stage.run(cases, args.beside, tell).await;
    println!("{}", table(&verdicts));
    let bad = verdicts.iter().filter(|verdict| !verdict.is_good()).count();
    println!("{} cases, {bad} bad, {} s, seed {seed}", verdicts.len(), begun.elapsed().as_secs());
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The cases that the user named, or the first unknown name.
fn chosen(args: &Args) -> Result<Vec<Case>, String> {
    let all = cases();
    let known = |name: &&String| all.iter().any(|case| case.name == **name);
    if let Some(unknown) = args.names.iter().find(|name| !known(name)) {
        return Err(unknown.clone());
    }
    let wanted = |case: &Case| match args.names.is_empty() {
        true => !args.short || case.is_sharp,
        false => args.names.contains(&case.name),
    };
    Ok(all.into_iter().filter(wanted).collect())
}

fn tell(verdict: &Verdict) {
    let word = if verdict.is_good() { "good" } else { "BAD " };
    eprintln!("chaos: {word} {} ({:.1} s)", verdict.case, verdict.took.as_secs_f64());
    verdict.faults().for_each(|fault| eprintln!("         {fault}"));
}
