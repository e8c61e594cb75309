//! Fault points: where a test makes a step end its worker, fail, or hang. They are compiled in by
//! the feature `fault-points` alone, which no released worker has.
//!
//! `KILN_FAULT=launch:after:kill` strikes the first `launch` of this process once its work is
//! done: what it did is there, and nobody has heard of it.

#[cfg(not(feature = "fault-points"))]
pub(crate) async fn around<T>(
    _step: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    work.await
}

#[cfg(feature = "fault-points")]
pub(crate) use points::around;

#[cfg(feature = "fault-points")]
mod points {
    use std::{
        env,
        future::pending,
        process,
        sync::{
            LazyLock,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use kilnworks_workflows::failure::FailureType;

    use crate::error::fail;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Moment {
        Before,
        After,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Kind {
        /// The process ends at once, as by the kernel's hand.
        Kill,
        /// The step fails, as if the engine had not heard that it succeeded.
        Fail,
        /// The step never ends by itself.
        Hang,
        /// The step takes five seconds longer.
        Wait,
    }

    #[derive(Debug, PartialEq)]
    struct Fault {
        step: String,
        moment: Moment,
        kind: Kind,
    }

    static FAULT: LazyLock<Option<Fault>> = LazyLock::new(|| {
        let asked = env::var("KILN_FAULT").ok()?;
        let fault = parse(&asked);
        Some(fault.unwrap_or_else(|| panic!("KILN_FAULT={asked}: not STEP:MOMENT:KIND")))
    });

    /// A fault strikes once: what comes after is to mend it.
    static STRUCK: AtomicBool = AtomicBool::new(false);

    /// Does the work of a step, and strikes before or after it.
    pub(crate) async fn around<T>(
        step: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        strike(step, Moment::Before).await?;
        let done = work.await?;
        strike(step, Moment::After).await?;
        Ok(done)
    }

    fn parse(asked: &str) -> Option<Fault> {
        let [step, moment, kind] = asked.split(':').collect::<Vec<_>>().try_into().ok()?;
        let moment = match moment {
            "before" => Moment::Before,
            "after" => Moment::After,
            _ => return None,
        };
        let kind = match kind {
            "kill" => Kind::Kill,
            "fail" => Kind::Fail,
            "hang" => Kind::Hang,
            "wait" => Kind::Wait,
            _ => return None,
        };
        Some(Fault { step: step.to_owned(), moment, kind })
    }

    async fn strike(step: &str, moment: Moment) -> anyhow::Result<()> {
        let here = |fault: &&Fault| fault.step == step && fault.moment == moment;
        let Some(fault) = FAULT.as_ref().filter(here) else {
            return Ok(());
        };
        if STRUCK.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        tracing::warn!("fault point: {step} {moment:?} {:?}", fault.kind);
        match fault.kind {
            Kind::Kill => {
                let own = process::id().to_string();
                let _ = process::Command::new("kill").args(["-KILL", &own]).status();
                pending().await
            }
            Kind::Fail => Err(fail(FailureType::ClusterUnavailable, "a fault point failed")),
            Kind::Hang => pending().await,
            Kind::Wait => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok(())
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_fault_is_a_step_a_moment_and_a_kind() {
            let fault = parse("launch:after:kill").expect("a fault");
            assert_eq!((fault.moment, fault.kind), (Moment::After, Kind::Kill));
            assert_eq!(fault.step, "launch");
            for wrong in ["", "launch", "launch:after", "launch:soon:kill", "launch:after:tickle"] {
                assert_eq!(parse(wrong), None, "{wrong}");
            }
        }
    }
}
