//! The handlers that `BuildApp` and `BuildComponent` have in common: the queries, and the updates by
//! which a user decides about a running build.
//!
//! The SDK's `#[workflow_methods]` reads one whole `impl` block, so a macro adds the common handlers to
//! the block of each workflow.

/// The `#[workflow_methods]` of a workflow: its own methods and the common handlers. The workflow has
/// the fields `progress`, `planned` and `consent`, a method `check`, which returns why a decision is
/// refused, and a module `decide` with `follow`, which follows a decision.
macro_rules! with_decisions {
    ($workflow:ident { $($own:tt)* }) => {
        $crate::handlers::with_decisions! {
            @ $workflow { $($own)* }
            /// Keeps containers from being launched, until they are resumed.
            check_pause pause "pause" Pause,
            /// Lets containers be launched.
            check_resume resume "resume" Resume,
            /// Cancels one container.
            check_cancel_container cancel_container "cancel_container" Cancel,
            /// Builds a failed container again.
            check_retry_container retry_container "retry_container" Retry,
            /// Extends one of the timeouts of a container.
            check_extend extend "extend" Extend,
        }
    };
    (@ $workflow:ident { $($own:tt)* }
     $($(#[$doc:meta])* $check:ident $update:ident $name:tt $decision:ident,)*) => {
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

            $(
                #[update_validator($update)]
                fn $check(
                    &self,
                    _ctx: &temporalio_workflow::WorkflowContextView,
                    asked: &temporalio_common::data_converters::RawValue,
                ) -> Result<(), $crate::decision::Refusal> {
                    let asked = $crate::decision::read(asked)?;
                    self.check(&$crate::decision::Decision::$decision(asked))
                }

                $(#[$doc])*
                #[update(name = $name)]
                pub async fn $update(
                    ctx: &mut temporalio_workflow::WorkflowContext<Self>,
                    asked: temporalio_common::data_converters::RawValue,
                ) -> Result<String, $crate::decision::Refusal> {
                    let asked = $crate::decision::read(&asked)?;
                    decide::follow(ctx, $crate::decision::Decision::$decision(asked)).await
                }
            )*

            #[update_validator(approve)]
            fn check_approve(
                &self,
                _ctx: &temporalio_workflow::WorkflowContextView,
                asked: &temporalio_common::data_converters::RawValue,
            ) -> Result<(), $crate::decision::Refusal> {
                $crate::consent::check(&self.progress, asked)
            }

            /// Approves the delivery, or rejects it.
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
