// Package settings is what a scenario may choose of how the components of a
// cluster run: timers, feature gates, flags, registries and parts to do without.
// It checks them, and knows neither how a provider starts a component nor which
// flags it gives of its own.
package settings

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"squall/cluster"
	"squall/cluster/components"
	"squall/workloads/image/mirror"
)

// Settings is what a scenario may choose of how components run.
type Settings struct {
	// Fast says that Timers differ from Kubernetes' own.
	Fast    bool
	Timers  cluster.TimerSet
	Gates   map[string]map[string]bool   // by component: those that it knows
	Flags   map[string]map[string]string // by component
	Without map[cluster.Part]bool
	// Registries are those that nodes may pull from.
	Registries []string
}

// Resolve turns what a spec asks of the components into settings. Names are
// checked against what the components themselves say they know; every mistake is
// named at once. Wiring names the flags of a component that hold a cluster
// together, which cannot be changed.
func Resolve(ctx context.Context, tree components.Tree, spec cluster.Spec, wiring func(component string) map[string]bool) (Settings, error) {
	timers, err := spec.Timers.Set()
	s := Settings{
		Fast: spec.Timers == cluster.FastTimers, Timers: timers,
		Registries: spec.Registries, Flags: spec.Flags, Gates: map[string]map[string]bool{}, Without: map[cluster.Part]bool{},
	}
	_, unknown := mirror.New(spec.Registries)
	errs := []error{err, unknown}
	for _, part := range spec.Without {
		s.Without[part] = true
		if !slices.Contains(cluster.Parts(), part) {
			errs = append(errs, fmt.Errorf("there is no part %q to do without: there are %v", part, cluster.Parts()))
		}
	}
	for _, component := range slices.Sorted(maps.Keys(spec.Flags)) {
		errs = append(errs, checkFlags(ctx, tree, component, spec.Flags[component], wiring(component)))
	}
	if len(spec.FeatureGates) > 0 {
		errs = append(errs, s.assignGates(ctx, tree, spec.FeatureGates))
	}
	return s, errors.Join(errs...)
}

// Over are a component's flags: those that a provider gives, over them the timers
// where they are not the stock ones, the feature gates, and what the scenario
// says.
func (s Settings) Over(component string, base map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, base)
	if s.Fast {
		maps.Copy(all, s.Timers.Flags(component))
	}
	if gates := s.Gates[component]; len(gates) > 0 {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(gates)) {
			list = append(list, fmt.Sprintf("%s=%t", name, gates[name]))
		}
		all["feature-gates"] = strings.Join(list, ",")
	}
	maps.Copy(all, s.Flags[component])
	return all
}
