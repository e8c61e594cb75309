package main

// What Kilnworks gives back, as far as this pipeline reads it. `kiln schema output` and
// `kiln schema failure` have all of it.

// BuildOutput is the result of a build.
type BuildOutput struct {
	Version string  `json:"version"`
	Images  []Image `json:"images"`
}

// Image is one image in its registry.
type Image struct {
	Component string `json:"component"`
	Container string `json:"container"`
	// Reference is `name@sha256:…`, as the image is pulled.
	Reference string `json:"reference"`
}

// FailureDetails are the details of a build's failure.
type FailureDetails struct {
	Failures []Failure `json:"failures"`
	// Images are those that were finished in spite of it.
	Images []Image `json:"images"`
}

// Failure is what became of one container.
type Failure struct {
	Type        string `json:"type"`
	Message     string `json:"message"`
	Component   string `json:"component"`
	Container   string `json:"container"`
	Instruction string `json:"instruction,omitempty"`
	// Line is counted from 1 in the rendered Dockerfile.
	Line int `json:"line,omitempty"`
}

// The failure types that this pipeline treats each in its own way.
const (
	buildFailed = "BuildFailed"
	outOfMemory = "OutOfMemory"
)
