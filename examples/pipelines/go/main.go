// A worker with a release pipeline that builds its images with Kilnworks.
package main

import (
	"log"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/worker"
)

func main() {
	c, err := client.Dial(envconfig.MustLoadDefaultClientOptions())
	if err != nil {
		log.Fatalln("no connection to Temporal:", err)
	}
	defer c.Close()
	queue := os.Getenv("PIPELINE_TASK_QUEUE")
	if queue == "" {
		queue = "pipelines"
	}
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(ReleasePipeline)
	if err := w.Run(worker.InterruptCh()); err != nil {
		log.Fatalln("the worker ended:", err)
	}
}
