//! A user's approval of a delivery, if the spec has `approval: before-deliver`.

use temporalio_common::data_converters::RawValue;
use temporalio_workflow::WorkflowContext;

use crate::{
    build::now,
    decision::{Approve, Refusal, read},
    failure::FailureType,
    progress::Progress,
    stop::Stop,
};

/// What the build waits for, in its progress.
const FOR_APPROVAL: &str = "for approval";

/// Checks an answer.
pub(crate) fn check(progress: &Progress, payload: &RawValue) -> Result<(), Refusal> {
    read::<Approve>(payload)?.check()?;
    match progress.waiting.as_deref() {
        Some(FOR_APPROVAL) => Ok(()),
        _ => Err("the build does not wait for approval".into()),
    }
}

/// Takes a checked answer. The first of two answers counts.
pub(crate) fn answer(consent: &mut Option<Approve>, payload: &RawValue) -> Result<String, Refusal> {
    let given: Approve = read(payload)?;
    if consent.is_some() {
        return Err("it was answered already".into());
    }
    let said = if given.reject.is_some() { "rejected" } else { "approved" };
    *consent = Some(given);
    Ok(said.to_owned())
}

/// Waits for an answer, without a timeout. `progress` and `answer` are fields of the workflow.
pub(crate) async fn wait<W>(
    ctx: &WorkflowContext<W>,
    progress: impl Fn(&mut W) -> &mut Progress,
    answer: impl Fn(&W) -> Option<&Approve>,
) -> Result<(), Stop> {
    let show = |waiting: Option<String>| {
        let since = waiting.as_ref().map(|_| now(ctx));
        let details = ctx.state_mut(|s| {
            let progress = progress(s);
            (progress.waiting, progress.since) = (waiting, since);
            progress.markdown()
        });
        ctx.set_current_details(details);
    };
    show(Some(FOR_APPROVAL.to_owned()));
    let answered = ctx.wait_condition(|s| answer(s).is_some()).await;
    show(None);
    answered.map_err(|_| Stop::Cancelled)?;
    match ctx.state(|s| answer(s).and_then(|answer| answer.reject.clone())) {
        None => Ok(()),
        Some(reason) => Err(Stop::because(
            FailureType::Rejected,
            format!("the delivery was rejected: {reason}"),
        )),
    }
}
