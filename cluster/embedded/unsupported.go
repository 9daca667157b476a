//go:build !linux

// Package embedded makes real Kubernetes clusters out of Linux namespaces. On
// this operating system there are none, and it refuses with a reason.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"squall/cluster"
	"squall/cluster/components"
)

// Name is this provider's name in scenarios, reports and on the command line.
const Name = "embedded"

// MaxWorkers is the largest number of workers that a cluster starts with.
const MaxWorkers = 5

// Provider refuses to make clusters on this operating system.
type Provider struct {
	// Milestones is never called.
	Milestones func(Milestone)
}

// Milestone is a point that a cluster has reached on its way up.
type Milestone struct {
	After time.Duration
	Node  string
	What  string
}

// BareResult is what a bare control plane took.
type BareResult struct{ Writing, Teardown time.Duration }

// StartBare refuses.
func StartBare(context.Context, components.Tree) (BareResult, error) { return BareResult{}, refusal() }

var _ cluster.Provider = (*Provider)(nil)

// New returns a provider that refuses.
func New(string) *Provider { return &Provider{} }

// Create refuses. See [cluster.Provider].
func (*Provider) Create(context.Context, cluster.Spec, func(string)) (cluster.Cluster, error) {
	return nil, refusal()
}

// Find finds nothing: there are no embedded clusters here.
func (*Provider) Find(_ context.Context, name string) (cluster.Cluster, error) {
	return nil, fmt.Errorf("no embedded cluster named %q is up: %w: %w", name, refusal(), cluster.ErrNotFound)
}

// List returns no clusters.
func (*Provider) List(context.Context) ([]cluster.Info, error) { return nil, nil }

// Living returns no clusters.
func (*Provider) Living(context.Context) ([]string, error) { return nil, nil }

// Remove succeeds: there is nothing to remove.
func (*Provider) Remove(context.Context, string) error { return nil }

// Sweep succeeds: there is nothing to sweep.
func (*Provider) Sweep(context.Context) error { return nil }

// Leftovers returns nothing.
func (*Provider) Leftovers(context.Context) ([]string, error) { return nil, nil }

// Clean removes nothing.
func (*Provider) Clean(context.Context) ([]string, error) { return nil, nil }

// Main runs no part of a cluster.
func Main([]string) (code int, handled bool) { return 0, false }

// Fact is one thing that a host has or lacks.
type Fact struct {
	What    string `json:"what"`              // what it is
	For     string `json:"for,omitempty"`     // what needs it, when not every cluster does
	OK      bool   `json:"ok"`                // the host has it
	Unknown bool   `json:"unknown,omitempty"` // it could not be found out
	Way     string `json:"way,omitempty"`     // how to get it, when it is not there
}

// Facts says what embedded clusters need and that this host does not have it.
func Facts(string) []Fact {
	return []Fact{{What: "Linux", Way: refusal().Error()}}
}

// Probe tries nothing.
func Probe(context.Context) []Fact { return nil }

// Abilities says nothing.
func Abilities(context.Context) []Fact { return nil }

// PackagesLine is the command that installs what is needed on Debian.
func PackagesLine() string { return "" }

func refusal() error {
	return errors.New("embedded clusters need Linux, this is " + runtime.GOOS + "; run squall in a Linux virtual machine")
}
