"""A release pipeline that builds its images with Kilnworks."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from temporalio import workflow
from temporalio.converter import value_to_type
from temporalio.exceptions import ApplicationError, ChildWorkflowError, is_cancelled_exception

from contract import BUILD_FAILED, OUT_OF_MEMORY, BuildOutput, Failure, FailureDetails


@dataclass
class Order:
    """What is to be released."""

    spec: dict[str, Any]  # the input of BuildApp
    memory: str  # what a build has that ran out of it
    limit: int  # the most seconds that all of it may take
    queue: str = "kiln"  # the task queue of Kilnworks


@dataclass
class Release:
    """What came of it."""

    outcome: str  # released, rejected or outOfTime
    builds: int = 0
    images: dict[str, str] = field(default_factory=dict)  # references by component/container
    failures: list[Failure] = field(default_factory=list)  # why it was rejected


@workflow.defn
class ReleasePipeline:
    """Builds an app and gives its images. A cancel, and its own limit, cancel the build."""

    def __init__(self) -> None:
        self.builds = 0
        self.expired = False

    @workflow.run
    async def run(self, order: Order) -> Release:
        building = asyncio.create_task(self.build_and_judge(order))

        def expire() -> None:
            self.expired = True
            building.cancel()

        limit = asyncio.get_running_loop().call_later(order.limit, expire)
        try:
            return await building
        except (asyncio.CancelledError, ChildWorkflowError) as error:
            if self.expired and is_cancelled_exception(error):
                return Release("outOfTime", self.builds)
            raise
        finally:
            limit.cancel()

    async def build_and_judge(self, order: Order) -> Release:
        """Builds once, and once more with more memory where that was missing."""
        try:
            try:
                output = await self.build(order)
            except ChildWorkflowError as error:
                if type_of(error) != OUT_OF_MEMORY:
                    raise
                set_memory(order.spec, order.memory)
                output = await self.build(order)
        except ChildWorkflowError as error:
            if type_of(error) != BUILD_FAILED:
                raise
            # The code is wrong: no second build will mend it.
            return Release("rejected", self.builds, failures=details_of(error).failures)
        images = {f"{one.component}/{one.container}": one.reference for one in output.images}
        return Release("released", self.builds, images)

    async def build(self, order: Order) -> BuildOutput:
        """Runs BuildApp as a child, and waits for its clean-up where it is cancelled."""
        self.builds += 1
        return await workflow.execute_child_workflow(
            "BuildApp",
            order.spec,
            id=f"{workflow.info().workflow_id}/{order.spec['app']}",
            task_queue=order.queue,
            result_type=BuildOutput,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            # The default is to terminate it, and then it cannot clean up.
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
        )


def type_of(error: ChildWorkflowError) -> str | None:
    """The failure type that a build ended with, if it failed."""
    return error.cause.type if isinstance(error.cause, ApplicationError) else None


def details_of(error: ChildWorkflowError) -> FailureDetails:
    """What a failed build tells. Details come without types, so they are read here."""
    assert isinstance(error.cause, ApplicationError)
    return value_to_type(FailureDetails, error.cause.details[0])


def set_memory(spec: dict[str, Any], memory: str) -> None:
    """Changes what a spec asks for by default."""
    spec.setdefault("defaults", {}).setdefault("resources", {})["memory"] = memory
