package com.example.release;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.util.List;

/**
 * What Kilnworks takes and gives back, as far as this pipeline reads it. {@code kiln schema output}
 * and {@code kiln schema failure} have all of it; fields that are not named here must be passed over, since
 * they are how the contract grows.
 */
public final class Contract {
  static final String BUILD_FAILED = "BuildFailed";
  static final String OUT_OF_MEMORY = "OutOfMemory";

  /** The workflow of Kilnworks. */
  @WorkflowInterface
  public interface BuildApp {
    @WorkflowMethod
    BuildOutput build(ObjectNode spec);
  }

  /** The result of a build. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record BuildOutput(String version, List<Image> images) {}

  /** One image in its registry; its reference is {@code name@sha256:…}, as it is pulled. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Image(String component, String container, String reference) {}

  /** The details of a build's failure; the images are those that were finished in spite of it. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record FailureDetails(List<Failure> failures, List<Image> images) {}

  /** What became of one container; the line is counted from 1 in the rendered Dockerfile. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Failure(
      String type,
      String message,
      String component,
      String container,
      String instruction,
      Integer line) {}

  private Contract() {}
}
