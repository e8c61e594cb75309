//! `kiln logs`: the executors' logs of a build, out of the store and from the cluster.

mod attempts;
mod choose;
mod name;
mod print;

use std::{io, time::Duration};

use futures::future::try_join_all;
use kilnworks_activities::{
    cluster,
    log::{live, read::Reader},
    phase,
    settings::Settings,
    store::{self, ContextStore},
};
use kilnworks_workflows::names;
use kube::{Api, ResourceExt};

use self::{
    attempts::{Attempts, Pods},
    choose::Chosen,
    print::Printer,
};
use crate::{
    cli::LogsArgs,
    connect::{self, Engine},
    end::{Error, Exit},
};

/// Pause between two looks for what is not there yet.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints the logs of a build.
pub(crate) async fn logs(args: LogsArgs, settings: Settings) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let chosen = choose::choose(&engine, &args).await?;
    let client = cluster::connect().await?;
    let logs = Logs {
        engine: &engine,
        store: store::open(&settings.store).await?,
        pods: Pods {
            pods: Api::namespaced(client.clone(), &settings.cluster.namespace),
            jobs: Api::namespaced(client, &settings.cluster.namespace),
        },
        args: &args,
    };
    let printers = Printer::for_all(&chosen, args.timestamps);
    let all = chosen.iter().zip(printers).map(async |(one, printer)| {
        let shown = logs.show(one, &printer).await?;
        anyhow::Ok((one, shown))
    });
    let shown = match args.follow {
        true => try_join_all(all).await,
        false => one_by_one(all).await,
    };
    match shown {
        Ok(shown) => judge(&args, &shown),
        Err(error) if is_broken_pipe(&error) => Ok(Exit::Success),
        Err(error) => Err(error.into()),
    }
}

async fn one_by_one<T>(
    all: impl Iterator<Item = impl Future<Output = anyhow::Result<T>>>,
) -> anyhow::Result<Vec<T>> {
    let mut done = Vec::new();
    for one in all {
        done.push(one.await?);
    }
    Ok(done)
}

/// Whoever read the output has gone away, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What came of a container's log.
#[derive(Clone, Debug, PartialEq)]
enum Shown {
    Log,
    /// Its build has not come so far.
    NotYet,
    /// There is none, or none any more.
    None,
    /// The attempt was asked for, and these are all there are.
    NoSuchAttempt(Vec<u32>),
}

/// Tells of the logs that were not there; an error where that is all of them.
fn judge(args: &LogsArgs, shown: &[(&Chosen, Shown)]) -> Result<Exit, Error> {
    let mut missing: Vec<Error> =
        shown.iter().filter_map(|(one, shown)| missing(args, &one.name, shown)).collect();
    if missing.len() == shown.len() {
        let first = (!missing.is_empty()).then(|| missing.remove(0));
        return first.map_or(Ok(Exit::Success), Err);
    }
    missing.iter().for_each(|error| eprintln!("{}", error.one_line()));
    Ok(Exit::Success)
}

fn missing(args: &LogsArgs, name: &str, shown: &Shown) -> Option<Error> {
    Some(match shown {
        Shown::Log => return None,
        Shown::NotYet => Error::new(Exit::Failed, format!("`{name}` has no log yet"))
            .hint("`--follow` waits for it"),
        Shown::None => Error::new(Exit::Failed, format!("no log of `{name}` is kept")).hint(
            "its image was there already, its executor never started, or the log is older than \
                 logs are kept",
        ),
        Shown::NoSuchAttempt(there) => {
            let wanted = args.attempt.unwrap_or_default();
            let there: Vec<_> = there.iter().map(u32::to_string).collect();
            Error::input(format!("no log of attempt {wanted} of `{name}` is kept"))
                .hint(format!("there are {}", there.join(", ")))
        }
    })
}

/// Where logs are, and what was asked of them.
struct Logs<'a> {
    engine: &'a Engine,
    store: Box<dyn ContextStore>,
    pods: Pods,
    args: &'a LogsArgs,
}

impl Logs<'_> {
    /// Prints a container's log: the attempt that was asked for, or the last one and, if it is
    /// followed, those after it.
    async fn show(&self, one: &Chosen, printer: &Printer) -> anyhow::Result<Shown> {
        let mut last = None;
        loop {
            // Asked first: what was written before the end is there afterwards.
            let ended = one.has_ended(self.engine).await?;
            let attempts = match one.run_id(self.engine).await? {
                Some(run) => Attempts::find(&*self.store, &self.pods, run, &one.platform).await?,
                None => Attempts::default(),
            };
            match attempts.next(self.args.attempt, last) {
                Some(attempt) => {
                    self.print(one, &attempts.run_id, attempt, printer).await?;
                    last = Some(attempt);
                    if !self.args.follow || self.args.attempt.is_some() {
                        return Ok(Shown::Log);
                    }
                    continue;
                }
                None if ended && last.is_some() => return Ok(Shown::Log),
                None if ended && attempts.numbers.is_empty() => return Ok(Shown::None),
                None if ended => return Ok(Shown::NoSuchAttempt(attempts.numbers)),
                None if !self.args.follow => return Ok(Shown::NotYet),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Prints the log of one attempt; if it is followed, until the attempt is over.
    async fn print(
        &self,
        one: &Chosen,
        run_id: &str,
        attempt: u32,
        printer: &Printer,
    ) -> anyhow::Result<()> {
        let (mut reader, mut out) = (Reader::default(), printer.out());
        let prefix = names::log_prefix(run_id, &one.platform, attempt);
        loop {
            let over = !self.args.follow || self.is_over(one, run_id, attempt).await?;
            reader.stored(&*self.store, &prefix, &mut out).await?;
            let pod = attempts::pod(&self.pods, run_id, &one.platform, attempt).await?;
            if let Some(pod) = pod.filter(phase::has_begun) {
                let follow = self.args.follow && phase::is_unfinished(&pod);
                let (since, mut said) = (reader.last(), Ok(()));
                let mut line = |at, text: &[u8]| {
                    if said.is_ok() {
                        said = reader.line(at, text, &mut out);
                    }
                };
                let name = pod.name_any();
                let read = live::read(&self.pods.pods, &name, since, follow, &mut line).await;
                said?;
                if let Err(error) = read {
                    tracing::warn!(pod = name, "the cluster does not give the log: {error:#}");
                }
            }
            if over {
                return reader.end(&mut out);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether nothing more will be kept of an attempt's log.
    async fn is_over(&self, one: &Chosen, run_id: &str, attempt: u32) -> anyhow::Result<bool> {
        if one.has_ended(self.engine).await? {
            return Ok(true);
        }
        let (run, platform) = (run_id.to_owned(), &one.platform);
        let attempts = Attempts::find(&*self.store, &self.pods, run, platform).await?;
        Ok(attempts.numbers.iter().any(|later| *later > attempt))
    }
}
