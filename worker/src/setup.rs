//! `kiln setup`: the namespace, its search attributes, the schedule of the sweeps. Running it again
//! changes nothing.

use std::time::{Duration, Instant};

use kilnworks_workflows::build::SEARCH_ATTRIBUTES;
use serde::Serialize;
use temporalio_client::{
    schedules::ScheduleError,
    tonic::{Code, Status},
};

use crate::{
    cli::SetupArgs,
    connect::{self, Engine, refused},
    document,
    end::{Error, Exit},
    namespace,
    schedule::{self, Kept, Sweeping},
    signals, table,
};

/// How long the engine may take until everyone sees what was made. Its servers look every ten
/// seconds or so.
const VISIBLE: Duration = Duration::from_secs(60);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Makes what is missing, waits until it is there, and says what it did.
pub(crate) async fn setup(args: SetupArgs, sweeping: &Sweeping) -> Result<Exit, Error> {
    let hint = "run it again: it makes what is missing";
    signals::or_ended(make(args, sweeping), hint).await
}

async fn make(args: SetupArgs, sweeping: &Sweeping) -> Result<Exit, Error> {
    let engine = connect::once().await?;
    let told = |status: Status| Error::from(refused(&status, &engine.address));
    let name = &engine.namespace;
    let was_there = namespace::id(&engine).await.map_err(told)?.is_some();
    if !was_there {
        namespace::register(&engine, args.retention).await.map_err(told)?;
    }
    let attributes = match attributes(&engine).await {
        Err(status) if namespace::hidden(&status) => {
            eprintln!("{}", by_hand(&status));
            None
        }
        attributes => Some(attributes.map_err(told)?),
    };
    let made = Made {
        namespace: name,
        namespace_made: !was_there,
        search_attributes_made: attributes,
        sweeps: sweeps(&engine, sweeping).await?,
    };
    document::show(args.output, &made, || table::print(&made.told()))?;
    Ok(Exit::Success)
}

/// What was made, and what was there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    namespace: &'a str,
    namespace_made: bool,
    /// None where the engine does not let us see them.
    search_attributes_made: Option<Vec<&'static str>>,
    sweeps: Kept,
}

impl Made<'_> {
    fn told(&self) -> String {
        let namespace = if self.namespace_made { "made" } else { "was there" };
        let attributes = match self.search_attributes_made.as_deref() {
            None => "cannot be seen".to_owned(),
            Some([]) => "were there".to_owned(),
            Some(made) => format!("made {}", made.join(", ")),
        };
        let sweeps = match self.sweeps {
            Kept::Made => "made",
            Kept::Changed => "changed",
            Kept::WasThere => "was there",
            Kept::Off => "none is wanted",
        };
        format!(
            "namespace `{}`: {namespace}\nsearch attributes: {attributes}\nschedule of sweeps: {sweeps}",
            self.namespace
        )
    }
}

/// Makes the search attributes that are missing and waits until they are seen.
async fn attributes(engine: &Engine) -> Result<Vec<&'static str>, Status> {
    let begun = Instant::now();
    let mut made: Vec<&'static str> = Vec::new();
    loop {
        let step = async {
            let missing = namespace::missing_attributes(engine).await?;
            let new: Vec<_> = missing.iter().copied().filter(|name| !made.contains(name)).collect();
            if !new.is_empty() {
                namespace::add_attributes(engine, &new).await?;
            }
            Ok((missing, new))
        };
        match step.await {
            Ok((missing, _)) if missing.is_empty() => return Ok(made),
            Ok((_, new)) => made.extend(new),
            Err(status) if begun.elapsed() < VISIBLE && not_yet(&status) => {}
            Err(status) => return Err(status),
        }
        if begun.elapsed() > VISIBLE {
            let seconds = VISIBLE.as_secs();
            return Err(Status::deadline_exceeded(format!(
                "the search attributes are not visible after {seconds} s"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What remains to be done where a hosted engine makes them by its own tools alone.
fn by_hand(status: &Status) -> String {
    let (why, names) = (status.message(), SEARCH_ATTRIBUTES.join(", "));
    format!(
        "warning: cannot see the search attributes: {why}\n\
         hint: builds need them, each of type Keyword: {names}"
    )
}

/// Makes the schedule of the sweeps, or sees that it is there.
async fn sweeps(engine: &Engine, sweeping: &Sweeping) -> Result<Kept, Error> {
    let begun = Instant::now();
    loop {
        match schedule::ensure(engine, sweeping).await {
            Ok(kept) => return Ok(kept),
            Err(ScheduleError::Rpc(status)) if begun.elapsed() < VISIBLE && not_yet(&status) => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(ScheduleError::Rpc(status)) => return Err(refused(&status, &engine.address).into()),
            Err(other) => return Err(anyhow::Error::from(other).into()),
        }
    }
}

/// A namespace that was just made is not known everywhere at once.
fn not_yet(status: &Status) -> bool {
    matches!(status.code(), Code::NotFound | Code::Unavailable)
}

#[cfg(test)]
mod tests {
    use temporalio_client::tonic::Status;

    use super::{Kept, Made, by_hand};
    use crate::namespace::hidden;

    #[test]
    fn what_a_hosted_engine_hides_is_named() {
        let status = Status::permission_denied("no");
        assert!(hidden(&status));
        assert!(!hidden(&Status::unavailable("away")));
        let said = by_hand(&status);
        assert!(said.starts_with("warning: cannot see the search attributes: no\n"), "{said}");
        for name in kilnworks_workflows::build::SEARCH_ATTRIBUTES {
            assert!(said.contains(name), "{said}");
        }
        let made = Made {
            namespace: "builds",
            namespace_made: false,
            search_attributes_made: None,
            sweeps: Kept::Made,
        };
        assert!(made.told().contains("search attributes: cannot be seen\n"), "{}", made.told());
    }
}
