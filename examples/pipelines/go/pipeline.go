package main

import (
	"errors"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Order is what is to be released.
type Order struct {
	// Queue is the task queue of Kilnworks.
	Queue string `json:"queue"`
	// Spec is the input of BuildApp.
	Spec map[string]any `json:"spec"`
	// Memory is what a build has that ran out of it.
	Memory string `json:"memory"`
	// Limit is the most seconds that all of it may take.
	Limit int `json:"limit"`
}

// Release is what came of it.
type Release struct {
	// Outcome is `released`, `rejected` or `outOfTime`.
	Outcome string `json:"outcome"`
	// Builds counts the builds.
	Builds int `json:"builds"`
	// Images are the references by `component/container`.
	Images map[string]string `json:"images,omitempty"`
	// Failures tell why it was rejected.
	Failures []Failure `json:"failures,omitempty"`
}

// ReleasePipeline builds an app and gives its images. A cancel, and its own limit, cancel the build.
func ReleasePipeline(ctx workflow.Context, order Order) (Release, error) {
	limited, stop := workflow.WithCancel(ctx)
	defer stop()
	expired := false
	limit := workflow.NewTimer(limited, time.Duration(order.Limit)*time.Second)
	workflow.Go(limited, func(limited workflow.Context) {
		if limit.Get(limited, nil) == nil {
			expired = true
			stop()
		}
	})
	release, err := buildAndJudge(limited, order)
	switch {
	case expired && temporal.IsCanceledError(err):
		return Release{Outcome: "outOfTime", Builds: release.Builds}, nil
	case ctx.Err() != nil:
		return release, ctx.Err()
	}
	return release, err
}

// buildAndJudge builds once, and once more with more memory where that was missing.
func buildAndJudge(ctx workflow.Context, order Order) (Release, error) {
	release := Release{Outcome: "released", Builds: 1}
	output, err := build(ctx, order)
	if failure := failureOf(err); failure != nil && failure.Type() == outOfMemory {
		setMemory(order.Spec, order.Memory)
		release.Builds = 2
		output, err = build(ctx, order)
	}
	if failure := failureOf(err); failure != nil && failure.Type() == buildFailed {
		var details FailureDetails
		if err := failure.Details(&details); err != nil {
			return release, err
		}
		// The code is wrong: no second build will mend it.
		release.Outcome, release.Failures = "rejected", details.Failures
		return release, nil
	}
	if err != nil {
		return release, err
	}
	release.Images = map[string]string{}
	for _, image := range output.Images {
		release.Images[image.Component+"/"+image.Container] = image.Reference
	}
	return release, nil
}

// build runs BuildApp as a child, and waits for its clean-up where it is cancelled.
func build(ctx workflow.Context, order Order) (output BuildOutput, err error) {
	app, _ := order.Spec["app"].(string)
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          workflow.GetInfo(ctx).WorkflowExecution.ID + "/" + app,
		TaskQueue:           order.Queue,
		WaitForCancellation: true,
		// The default is to terminate it, and then it cannot clean up.
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
	})
	err = workflow.ExecuteChildWorkflow(ctx, "BuildApp", order.Spec).Get(ctx, &output)
	return output, err
}

// failureOf gives the failure that a build ended with, if that is how it ended.
func failureOf(err error) *temporal.ApplicationError {
	var child *temporal.ChildWorkflowExecutionError
	var failure *temporal.ApplicationError
	if errors.As(err, &child) && errors.As(child.Unwrap(), &failure) {
		return failure
	}
	return nil
}

// setMemory changes what a spec asks for by default.
func setMemory(spec map[string]any, memory string) {
	at := spec
	for _, name := range []string{"defaults", "resources"} {
		below, ok := at[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			at[name] = below
		}
		at = below
	}
	at["memory"] = memory
}
