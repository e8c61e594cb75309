package com.example.release;

import com.example.release.Contract.Failure;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.util.List;
import java.util.Map;

/** Builds an app and gives its images. A cancel, and its own limit, cancel the build. */
@WorkflowInterface
public interface ReleasePipeline {
  @WorkflowMethod
  Release release(Order order);

  /**
   * What is to be released.
   *
   * @param queue the task queue of Kilnworks
   * @param spec the input of {@code BuildApp}
   * @param memory what a build has that ran out of it
   * @param limit the most seconds that all of it may take
   */
  record Order(String queue, ObjectNode spec, String memory, long limit) {}

  /**
   * What came of it.
   *
   * @param outcome {@code released}, {@code rejected} or {@code outOfTime}
   * @param images references by {@code component/container}
   * @param failures why it was rejected
   */
  record Release(String outcome, int builds, Map<String, String> images, List<Failure> failures) {}
}
