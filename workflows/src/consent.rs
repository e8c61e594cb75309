//! A person's consent to a delivery, where a spec asks for it: `approval: before-deliver`.

use temporalio_common::data_converters::RawValue;
use temporalio_workflow::WorkflowContext;

use crate::{
    build::now,
    decision::{Approve, Refusal, read},
    failure::FailureType,
    progress::Progress,
    stop::Stop,
};

/// What a build waits for, in the words of its progress.
const FOR_APPROVAL: &str = "for approval";

/// A workflow that can wait for a consent.
pub(crate) trait Asks {
    fn progress(&mut self) -> &mut Progress;
    fn answer(&self) -> Option<&Approve>;
}

/// Why an answer is refused, where that is so.
pub(crate) fn check(progress: &Progress, payload: &RawValue) -> Result<(), Refusal> {
    read::<Approve>(payload)?.check()?;
    match progress.waiting.as_deref() {
        Some(FOR_APPROVAL) => Ok(()),
        _ => Err("the build does not wait for approval".into()),
    }
}

/// Takes an answer that was checked. Of two at once the first one counts.
pub(crate) fn answer(consent: &mut Option<Approve>, payload: &RawValue) -> Result<String, Refusal> {
    let given: Approve = read(payload)?;
    if consent.is_some() {
        return Err("it was answered already".into());
    }
    let said = if given.reject.is_some() { "rejected" } else { "approved" };
    *consent = Some(given);
    Ok(said.to_owned())
}

/// Waits for an answer, as long as it takes.
pub(crate) async fn wait<W: Asks>(ctx: &WorkflowContext<W>) -> Result<(), Stop> {
    let show = |waiting: Option<String>| {
        let since = waiting.as_ref().map(|_| now(ctx));
        let details = ctx.state_mut(|s| {
            let progress = s.progress();
            (progress.waiting, progress.since) = (waiting, since);
            progress.markdown()
        });
        ctx.set_current_details(details);
    };
    show(Some(FOR_APPROVAL.to_owned()));
    let answered = ctx.wait_condition(|s| s.answer().is_some()).await;
    show(None);
    answered.map_err(|_| Stop::Cancelled)?;
    match ctx.state(|s| s.answer().and_then(|answer| answer.reject.clone())) {
        None => Ok(()),
        Some(reason) => Err(Stop::because(
            FailureType::Rejected,
            format!("the delivery was rejected: {reason}"),
        )),
    }
}
