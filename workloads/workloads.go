// Package workloads knows what runs in a cluster: how a workload is rendered to
// Kubernetes objects, applied, waited for and, when it does not come up,
// explained.
//
// It does not know how the cluster was made, what breaks it or who measures it.
package workloads

import (
	"time"

	"squall/workloads/image"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Rendered is what a workload becomes: objects to apply, the images that they
// need and the roles that they play.
type Rendered struct {
	Name    string                       // the workload's name
	Objects []*unstructured.Unstructured // in the order in which they are applied
	Images  []image.Program              // what the nodes must have first
	Roles   []Role
}

// Role is a set of like pods, named as in workload("catalog"): a Deployment, a
// StatefulSet, or pods without a controller.
type Role struct {
	Name      string
	Namespace string
	// Labels select its pods.
	Labels map[string]string
	// PodLabels and PodAnnotations are those of the pod template (a superset of
	// Labels), against which a fault's selectors are checked before a run.
	PodLabels      map[string]string
	PodAnnotations map[string]string
	// Desired is how many pods the scenario declares.
	Desired int
	// Controller is the kind that looks after the pods, "Deployment" or
	// "StatefulSet", or empty when nothing does.
	Controller string
	// Startup is what the pods' program takes until it listens, as far as the
	// workload says.
	Startup time.Duration
	// Names are the names of pods without a controller; empty otherwise.
	Names []string
}

// Patch changes one rendered object: what Target names is changed by the JSON
// merge patch in Patch.
type Patch struct {
	Name    string         `yaml:"name"`
	Enabled *bool          `yaml:"enabled,omitempty"` // default true
	Target  PatchTarget    `yaml:"target"`
	Patch   map[string]any `yaml:"patch"`
}

// PatchTarget names a rendered object.
type PatchTarget struct {
	Kind string `yaml:"kind"`
	Name string `yaml:"name"`
}
