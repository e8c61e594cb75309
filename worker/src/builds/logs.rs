//! `kiln logs`: the logs of the executors, from the store and from the cluster.

mod attempts;
mod choose;
mod print;

use std::io;

use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use kilnworks_activities::{
    cluster,
    log::{live, read::Reader},
    pod::{phase, seen::SeenPod},
    settings::Settings,
    store::{self, ContextStore},
};
use kilnworks_workflows::names;
use kube::{Api, ResourceExt};

use self::{
    attempts::Attempts,
    choose::{Chosen, PAUSE},
    print::Printer,
};
use crate::{
    cli::LogsArgs,
    engine::{Engine, connect},
    output::{Error, Exit},
};

/// Prints the logs of a build.
pub(crate) async fn logs(args: LogsArgs, settings: Settings) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let chosen = choose::choose(&engine, &args).await?;
    let logs = Logs {
        engine: &engine,
        store: store::open(&settings.store).await?,
        pods: Api::namespaced(cluster::connect().await?, &settings.cluster.namespace),
        args: &args,
    };
    let printers = Printer::for_all(&chosen, args.timestamps);
    let all = chosen.iter().zip(printers).map(async |(one, printer)| {
        let shown = logs.show(one, &printer).await?;
        anyhow::Ok((one, shown))
    });
    let shown = match args.follow {
        true => try_join_all(all).await,
        false => stream::iter(all).then(|one| one).try_collect().await,
    };
    match shown {
        Ok(shown) => report(&args, &shown),
        Err(error) if is_broken_pipe(&error) => Ok(Exit::Success),
        Err(error) => Err(error.into()),
    }
}

/// The reader of the output has closed the pipe, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What was printed for a container.
#[derive(Clone, Debug, PartialEq)]
enum Shown {
    Log,
    /// There is no log yet.
    NotYet,
    /// There is no log.
    None,
    /// The requested attempt does not exist. These exist.
    NoSuchAttempt(Vec<u32>),
}

/// Reports the missing logs. Fails if every log is missing.
fn report(args: &LogsArgs, shown: &[(&Chosen, Shown)]) -> Result<Exit, Error> {
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
            .hint("`--follow` waits for the log"),
        Shown::None => Error::new(Exit::Failed, format!("there is no log of `{name}`")).hint(
            "its image existed already, its executor never started, or the retention of logs is over",
        ),
        Shown::NoSuchAttempt(there) => {
            let wanted = args.attempt.unwrap_or_default();
            let there: Vec<_> = there.iter().map(u32::to_string).collect();
            Error::input(format!("there is no log of attempt {wanted} of `{name}`"))
                .hint(format!("these attempts have a log: {}", there.join(", ")))
        }
    })
}

/// The sources of logs, and the arguments.
struct Logs<'a> {
    engine: &'a Engine,
    store: Box<dyn ContextStore>,
    pods: Api<SeenPod>,
    args: &'a LogsArgs,
}

impl Logs<'_> {
    /// Prints the log of a container: of the requested attempt, or of the last attempt. With
    /// `--follow`, also of the attempts after it.
    async fn show(&self, one: &Chosen, printer: &Printer) -> anyhow::Result<Shown> {
        let mut last = None;
        loop {
            // Ask for the end before reading, so that no line written before the end is missed.
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

    /// Prints the log of one attempt. With `--follow`, until the attempt is over.
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
                let (since, mut result) = (reader.last(), Ok(()));
                let mut line = |at, text: &[u8]| {
                    if result.is_ok() {
                        result = reader.line(at, text, &mut out);
                    }
                };
                let name = pod.name_any();
                let read = live::read(&self.pods, &name, since, follow, &mut line).await;
                result?;
                if let Err(error) = read {
                    tracing::warn!(pod = name, "cannot read the log from the cluster: {error:#}");
                }
            }
            if over {
                return reader.end(&mut out);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether the log of an attempt is complete.
    async fn is_over(&self, one: &Chosen, run_id: &str, attempt: u32) -> anyhow::Result<bool> {
        if one.has_ended(self.engine).await? {
            return Ok(true);
        }
        let (run, platform) = (run_id.to_owned(), &one.platform);
        let attempts = Attempts::find(&*self.store, &self.pods, run, platform).await?;
        Ok(attempts.numbers.iter().any(|later| *later > attempt))
    }
}
