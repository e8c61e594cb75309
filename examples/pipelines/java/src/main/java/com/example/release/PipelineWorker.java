package com.example.release;

import io.temporal.client.WorkflowClient;
import io.temporal.envconfig.ClientConfigProfile;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.worker.Worker;
import io.temporal.worker.WorkerFactory;

/** A worker with the release pipeline. */
public final class PipelineWorker {
  public static void main(String[] args) throws Exception {
    ClientConfigProfile profile = ClientConfigProfile.load();
    WorkflowServiceStubs service =
        WorkflowServiceStubs.newServiceStubs(profile.toWorkflowServiceStubsOptions());
    WorkflowClient client =
        WorkflowClient.newInstance(service, profile.toWorkflowClientOptions());
    WorkerFactory factory = WorkerFactory.newInstance(client);
    Worker worker =
        factory.newWorker(System.getenv().getOrDefault("PIPELINE_TASK_QUEUE", "pipelines"));
    worker.registerWorkflowImplementationTypes(ReleasePipelineImpl.class);
    factory.start();
  }

  private PipelineWorker() {}
}
