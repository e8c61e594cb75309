//! `Sweep`: deletes what builds left behind. A schedule or `kiln sweep` starts it.

use temporalio_common::data_converters::RawValue;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

use crate::{
    execute::execute,
    failure::FailureType,
    policy::{Policy, Step},
    steps::{EngineSettings, Steps, SweepInput, SweepReport},
    stop::Stop,
};

/// Deletes what builds left behind.
#[workflow]
#[derive(Debug, Default)]
pub struct Sweep;

#[workflow_methods]
impl Sweep {
    /// Input: a [`SweepInput`], raw, so that an invalid one is reported and not retried.
    #[run(name = "Sweep")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        input: RawValue,
    ) -> WorkflowResult<SweepReport> {
        let input = read(&input)?;
        let summary = if input.dry_run { "look what to sweep" } else { "sweep" };
        let policy = Policy::new(ctx.task_queue(), EngineSettings::default(), None);
        let options = || policy.options(Step::Sweep, summary.to_owned(), ctx.cancellation_token());
        let report = execute(ctx, Step::Sweep, || Steps::sweep, input, options).await;
        Ok(report.map_err(Stop::from)?)
    }
}

/// No input is a sweep. An invalid input is an error, as it may ask for a dry run.
fn read(input: &RawValue) -> Result<SweepInput, Stop> {
    let wrong = |error| {
        let message =
            format!("the input is none of a sweep: {error}; accepted is `{{dryRun: true}}`");
        Stop::because(FailureType::InvalidSpec, message)
    };
    let data = input.payloads.first().map_or(&[][..], |payload| payload.data.as_slice());
    if data.is_empty() {
        return Ok(SweepInput::default());
    }
    let input: Option<SweepInput> = serde_json::from_slice(data).map_err(wrong)?;
    Ok(input.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::read;
    use crate::{
        build::raw,
        steps::{Amount, MOST_NAMED, Objects, SweepInput, SweptObject},
    };

    fn given(value: Value) -> Result<bool, String> {
        let read = read(&raw(&value));
        read.map(|it| it.dry_run).map_err(|stop| stop.first().unwrap().message.clone())
    }

    #[test]
    fn every_field_is_optional() {
        for (value, dry) in [
            (Value::Null, false),
            (json!({}), false),
            (json!({"dryRun": false}), false),
            (json!({"dryRun": true}), true),
        ] {
            assert_eq!(given(value.clone()), Ok(dry), "{value}");
        }
    }

    #[test]
    fn a_wrong_input_is_no_sweep() {
        for value in [json!({"dryrun": true}), json!({"dryRun": "yes"}), json!("dry"), json!([1])] {
            let message = given(value.clone()).expect_err("it is wrong");
            assert!(message.contains("accepted is `{dryRun: true}`"), "{value}: {message}");
        }
        let mut broken = raw(&json!({"dryRun": true}));
        broken.payloads[0].data.pop();
        assert!(read(&broken).is_err());
        broken.payloads.clear();
        assert_eq!(read(&broken).unwrap(), SweepInput::default());
    }

    #[test]
    fn a_report_names_so_many_and_counts_all() {
        let (mut objects, mut amount) = (Objects::default(), Amount::default());
        for number in 0..MOST_NAMED + 5 {
            objects.add(SweptObject {
                kind: "Pod".to_owned(),
                name: format!("{number}"),
                // The engine takes no longer ids.
                workflow_id: "x".repeat(1000),
                reason: "its workflow ended".to_owned(),
            });
            amount.add(2);
        }
        assert_eq!((objects.count, objects.named.len()), (205, 200));
        assert_eq!(amount, Amount { count: 205, bytes: 410 });
        // Twice this, those removed and those left, is well below the engine's 2 MB.
        assert!(serde_json::to_vec(&objects).unwrap().len() < 512 * 1024);
    }
}
