//! `make bench`: how fast builds are, each line compared with a floor that is measured in the same run.
//! It fails if a line cannot be measured, not if a line misses its aim.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use kilnworks_tests::bench::{Line, Row, Until, WHOLE, lines, table};
use serde_json::json;

/// Measures builds on the local stack.
#[derive(Parser)]
#[command(name = "make bench", bin_name = "make bench")]
struct Args {
    /// Lines to measure. Default: all.
    names: Vec<String>,
    /// Print the names of the lines and measure none.
    #[arg(long)]
    list: bool,
    /// Write the results to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let lines = match chosen(&args) {
        Ok(lines) => lines,
        Err(unknown) => {
            eprintln!(
                "bench: error: no such line: `{unknown}`; `make bench ARGS=--list` names them"
            );
            return ExitCode::from(2);
        }
    };
    if args.list {
        lines.iter().for_each(|line| println!("{}", line.name));
        return ExitCode::SUCCESS;
    }
    let (begun, until) = (Instant::now(), Until::within(WHOLE));
    let mut rows = Vec::new();
    for line in &lines {
        eprintln!("bench: {} ...", line.name);
        rows.push(line.run(&until).await);
    }
    let (build, cores) = (build(), cores());
    println!("{}", table(&rows));
    let seconds = begun.elapsed().as_secs();
    println!("{} lines, {seconds} s, {cores} cores, {build} build", rows.len());
    if let Some(file) = &args.json {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        let results = json!({"build": build, "cores": cores, "seconds": seconds, "lines": rows});
        if let Err(error) = std::fs::write(file, format!("{results:#}\n")) {
            eprintln!("bench: error: cannot write `{}`: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    let measured = rows.iter().all(|row| row.figures.is_ok());
    if measured { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The lines that the user named, or the first unknown name.
fn chosen(args: &Args) -> Result<Vec<Line>, String> {
    let all = lines();
    let known = |name: &&String| all.iter().any(|line| line.name == **name);
    if let Some(unknown) = args.names.iter().find(|name| !known(name)) {
        return Err(unknown.clone());
    }
    let wanted = |line: &Line| args.names.is_empty() || args.names.iter().any(|it| it == line.name);
    Ok(all.into_iter().filter(wanted).collect())
}

fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
