// A release pipeline that builds its images with Kilnworks.

import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowCancellationType,
  ChildWorkflowFailure,
  ParentClosePolicy,
  executeChild,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import {
  AppSpec,
  BUILD_FAILED,
  BuildOutput,
  Failure,
  FailureDetails,
  OUT_OF_MEMORY,
} from './contract';

/** What is to be released. */
export interface Order {
  /** The task queue of Kilnworks. */
  queue: string;
  /** The input of `BuildApp`. */
  spec: AppSpec;
  /** What a build has that ran out of it. */
  memory: string;
  /** The most seconds that all of it may take. */
  limit: number;
}

/** What came of it. */
export interface Release {
  outcome: 'released' | 'rejected' | 'outOfTime';
  builds: number;
  /** References by `component/container`. */
  images?: Record<string, string>;
  /** Why it was rejected. */
  failures?: Failure[];
}

/** Builds an app and gives its images. A cancel, and its own limit, cancel the build. */
export async function ReleasePipeline(order: Order): Promise<Release> {
  const pipeline = CancellationScope.current();
  const count = { builds: 0 };
  try {
    const limit = order.limit * 1000;
    return await CancellationScope.withTimeout(limit, () => buildAndJudge(order, count));
  } catch (error) {
    if (isCancellation(error) && !pipeline.consideredCancelled) {
      return { outcome: 'outOfTime', ...count };
    }
    throw error;
  }
}

/** Builds once, and once more with more memory where that was missing. */
async function buildAndJudge(order: Order, count: { builds: number }): Promise<Release> {
  try {
    let output: BuildOutput;
    try {
      output = await build(order, order.spec, count);
    } catch (error) {
      if (failureOf(error)?.type !== OUT_OF_MEMORY) throw error;
      output = await build(order, withMemory(order.spec, order.memory), count);
    }
    const images = output.images.map((one) => [`${one.component}/${one.container}`, one.reference]);
    return { outcome: 'released', ...count, images: Object.fromEntries(images) };
  } catch (error) {
    const failure = failureOf(error);
    if (failure?.type !== BUILD_FAILED) throw error;
    // The code is wrong: no second build will mend it.
    const details = failure.details?.[0] as FailureDetails;
    return { outcome: 'rejected', ...count, failures: details.failures };
  }
}

/** Runs `BuildApp` as a child, and waits for its clean-up where it is cancelled. */
function build(order: Order, spec: AppSpec, count: { builds: number }): Promise<BuildOutput> {
  count.builds += 1;
  return executeChild<(spec: AppSpec) => Promise<BuildOutput>>('BuildApp', {
    args: [spec],
    workflowId: `${workflowInfo().workflowId}/${spec.app}`,
    taskQueue: order.queue,
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    // The default is to terminate it, and then it cannot clean up.
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
  });
}

/** The failure that a build ended with, if that is how it ended. */
function failureOf(error: unknown): ApplicationFailure | undefined {
  const cause = error instanceof ChildWorkflowFailure ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? cause : undefined;
}

/** The spec with another default of memory. */
function withMemory(spec: AppSpec, memory: string): AppSpec {
  const resources = { ...spec.defaults?.resources, memory };
  return { ...spec, defaults: { ...spec.defaults, resources } };
}
