package com.example.release;

import com.example.release.Contract.BuildApp;
import com.example.release.Contract.BuildOutput;
import com.example.release.Contract.FailureDetails;
import com.example.release.Contract.Image;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.temporal.api.enums.v1.ParentClosePolicy;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.ChildWorkflowFailure;
import io.temporal.workflow.CancellationScope;
import io.temporal.workflow.ChildWorkflowCancellationType;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.Workflow;
import java.time.Duration;
import java.util.Optional;
import java.util.stream.Collectors;

public class ReleasePipelineImpl implements ReleasePipeline {
  private Release release;
  private int builds;
  private boolean expired;

  @Override
  public Release release(Order order) {
    CancellationScope building =
        Workflow.newCancellationScope(() -> release = buildAndJudge(order));
    Workflow.newTimer(Duration.ofSeconds(order.limit()))
        .thenApply(
            fired -> {
              expired = true;
              building.cancel();
              return null;
            });
    try {
      building.run();
      return release;
    } catch (ChildWorkflowFailure failure) {
      if (expired && failure.getCause() instanceof CanceledFailure) {
        return new Release("outOfTime", builds, null, null);
      }
      throw failure;
    }
  }

  /** Builds once, and once more with more memory where that was missing. */
  private Release buildAndJudge(Order order) {
    try {
      return released(buildWithMemory(order));
    } catch (ChildWorkflowFailure error) {
      ApplicationFailure failure =
          failureOf(error, Contract.BUILD_FAILED).orElseThrow(() -> error);
      // The code is wrong: no second build will mend it.
      FailureDetails details = failure.getDetails().get(FailureDetails.class);
      return new Release("rejected", builds, null, details.failures());
    }
  }

  private BuildOutput buildWithMemory(Order order) {
    try {
      return build(order);
    } catch (ChildWorkflowFailure error) {
      failureOf(error, Contract.OUT_OF_MEMORY).orElseThrow(() -> error);
      setMemory(order.spec(), order.memory());
      return build(order);
    }
  }

  /** Runs {@code BuildApp} as a child, and waits for its clean-up where it is cancelled. */
  private BuildOutput build(Order order) {
    builds++;
    String id = Workflow.getInfo().getWorkflowId() + "/" + order.spec().get("app").asText();
    ChildWorkflowOptions options =
        ChildWorkflowOptions.newBuilder()
            .setWorkflowId(id)
            .setTaskQueue(order.queue())
            .setCancellationType(ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED)
            // The default is to terminate it, and then it cannot clean up.
            .setParentClosePolicy(ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL)
            .build();
    return Workflow.newChildWorkflowStub(BuildApp.class, options).build(order.spec());
  }

  private Release released(BuildOutput output) {
    var images =
        output.images().stream()
            .collect(
                Collectors.toMap(one -> one.component() + "/" + one.container(), Image::reference));
    return new Release("released", builds, images, null);
  }

  /** The failure that a build ended with, if it was of this type. */
  private static Optional<ApplicationFailure> failureOf(ChildWorkflowFailure error, String type) {
    return error.getCause() instanceof ApplicationFailure failure && failure.getType().equals(type)
        ? Optional.of(failure)
        : Optional.empty();
  }

  /** Changes what a spec asks for by default. */
  private static void setMemory(ObjectNode spec, String memory) {
    spec.withObject("/defaults/resources").put("memory", memory);
  }
}
