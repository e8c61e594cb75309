//! The handlers that `BuildApp` and `BuildComponent` have in common: the queries, and the updates by
//! which a user decides about a running build.
//!
//! The SDK's `#[workflow_methods]` reads one impl block, whole. So what is common is added to that
//! block by a macro, and is not in a trait or a block of its own.

/// The `#[workflow_methods]` of a workflow: its own methods, and the common handlers. The workflow has
/// the fields `progress`, `planned` and `consent`, a method `check` that says why a decision is
/// refused, and a module `decide` with `follow`, which follows a decision.
macro_rules! with_decisions {
    ($workflow:ident { $($own:tt)* }) => {
        #[temporalio_macros::workflow_methods]
        impl $workflow {
            $($own)*

            /// Where the build stands.
            #[query(name = "progress")]
            pub fn progress(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
            ) -> $crate::progress::Progress {
                self.progress.clone()
            }

            /// What will be done: names, sources, order.
            #[query(name = "plan")]
            pub fn plan(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
            ) -> $crate::planned::Planned {
                self.planned.clone()
            }

            /// What a step saw a container wait for. It is shown, and decides nothing.
            #[signal(name = "observed")]
            pub fn observed(
                &mut self,
                ctx: &mut temporalio_workflow::SyncWorkflowContext<Self>,
                seen: temporalio_common::data_converters::RawValue,
            ) {
                self.progress.observe($crate::build::json_of(&seen));
                ctx.set_current_details(self.progress.markdown());
            }

            #[update_validator(pause)]
            fn check_pause(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
                asked: &temporalio_common::data_converters::RawValue,
            ) -> Result<(), $crate::decision::Refusal> {
                self.check(&$crate::decision::Decision::Pause($crate::decision::read(asked)?))
            }

            /// Launches nothing more, until it is resumed.
            #[update(name = "pause")]
            pub async fn pause(
                ctx: &mut temporalio_workflow::WorkflowContext<Self>,
                asked: temporalio_common::data_converters::RawValue,
            ) -> Result<String, $crate::decision::Refusal> {
                let asked = $crate::decision::read(&asked)?;
                decide::follow(ctx, $crate::decision::Decision::Pause(asked)).await
            }

            #[update_validator(resume)]
            fn check_resume(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
                asked: &temporalio_common::data_converters::RawValue,
            ) -> Result<(), $crate::decision::Refusal> {
                self.check(&$crate::decision::Decision::Resume($crate::decision::read(asked)?))
            }

            /// Launches again.
            #[update(name = "resume")]
            pub async fn resume(
                ctx: &mut temporalio_workflow::WorkflowContext<Self>,
                asked: temporalio_common::data_converters::RawValue,
            ) -> Result<String, $crate::decision::Refusal> {
                let asked = $crate::decision::read(&asked)?;
                decide::follow(ctx, $crate::decision::Decision::Resume(asked)).await
            }

            #[update_validator(cancel_container)]
            fn check_cancel_container(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
                asked: &temporalio_common::data_converters::RawValue,
            ) -> Result<(), $crate::decision::Refusal> {
                self.check(&$crate::decision::Decision::Cancel($crate::decision::read(asked)?))
            }

            /// Cancels one container; the others go on.
            #[update(name = "cancel_container")]
            pub async fn cancel_container(
                ctx: &mut temporalio_workflow::WorkflowContext<Self>,
                asked: temporalio_common::data_converters::RawValue,
            ) -> Result<String, $crate::decision::Refusal> {
                let asked = $crate::decision::read(&asked)?;
                decide::follow(ctx, $crate::decision::Decision::Cancel(asked)).await
            }

            #[update_validator(retry_container)]
            fn check_retry_container(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
                asked: &temporalio_common::data_converters::RawValue,
            ) -> Result<(), $crate::decision::Refusal> {
                self.check(&$crate::decision::Decision::Retry($crate::decision::read(asked)?))
            }

            /// Builds a failed container once more.
            #[update(name = "retry_container")]
            pub async fn retry_container(
                ctx: &mut temporalio_workflow::WorkflowContext<Self>,
                asked: temporalio_common::data_converters::RawValue,
            ) -> Result<String, $crate::decision::Refusal> {
                let asked = $crate::decision::read(&asked)?;
                decide::follow(ctx, $crate::decision::Decision::Retry(asked)).await
            }

            #[update_validator(extend)]
            fn check_extend(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
                asked: &temporalio_common::data_converters::RawValue,
            ) -> Result<(), $crate::decision::Refusal> {
                self.check(&$crate::decision::Decision::Extend($crate::decision::read(asked)?))
            }

            /// Extends one of a container's timeouts.
            #[update(name = "extend")]
            pub async fn extend(
                ctx: &mut temporalio_workflow::WorkflowContext<Self>,
                asked: temporalio_common::data_converters::RawValue,
            ) -> Result<String, $crate::decision::Refusal> {
                let asked = $crate::decision::read(&asked)?;
                decide::follow(ctx, $crate::decision::Decision::Extend(asked)).await
            }

            #[update_validator(approve)]
            fn check_approve(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
                asked: &temporalio_common::data_converters::RawValue,
            ) -> Result<(), $crate::decision::Refusal> {
                $crate::consent::check(&self.progress, asked)
            }

            /// Consents to the delivery, or refuses it.
            #[update(name = "approve")]
            pub fn approve(
                &mut self,
                _ctx: &mut temporalio_workflow::SyncWorkflowContext<Self>,
                asked: temporalio_common::data_converters::RawValue,
            ) -> Result<String, $crate::decision::Refusal> {
                $crate::consent::answer(&mut self.consent, &asked)
            }
        }
    };
}

pub(crate) use with_decisions;
