//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"squall/cluster"
	"squall/cluster/components"
	"squall/workloads/image/mirror"
)

// The components that take feature gates, and among them those that take flags:
// kube-proxy ignores its flags beside a configuration file.
const kubeProxy = "kube-proxy"

func flagged() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}
}

// resolveSettings turns what a spec asks of the components into settings. Names
// are checked against what the components themselves say they know; every
// mistake is named at once.
func resolveSettings(ctx context.Context, tree components.Tree, spec cluster.Spec) (settings, error) {
	timers, err := spec.Timers.Set()
	s := settings{
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
		errs = append(errs, checkFlags(ctx, tree, component, spec.Flags[component]))
	}
	if len(spec.FeatureGates) > 0 {
		errs = append(errs, s.assignGates(ctx, tree, spec.FeatureGates))
	}
	return s, errors.Join(errs...)
}

// gateLine is a feature gate in a component's help, flagLine a flag.
var (
	gateLine = regexp.MustCompile(`(?m)(?:^\s+|:)([A-Z]\w*)=true\|false`)
	flagLine = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z0-9-]+)`)
)

// known is what a component's help says it knows.
func known(ctx context.Context, tree components.Tree, component string, line *regexp.Regexp) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, tree.Path(component), "--help").CombinedOutput()
	found := map[string]bool{}
	for _, m := range line.FindAllSubmatch(out, -1) {
		found[string(m[1])] = true
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("asking %s what it knows (--help): %w", component, errors.Join(err, errors.New("it names nothing")))
	}
	return found, nil
}

// checkFlags says which of a component's flags do not exist or are not to be
// changed.
func checkFlags(ctx context.Context, tree components.Tree, component string, flags map[string]string) error {
	if component == kubeProxy {
		return errors.New("flags of kube-proxy have no effect beside its configuration file, so none can be given")
	}
	if !slices.Contains(flagged(), component) {
		return fmt.Errorf("there is no component %q that takes flags: there are %s", component, strings.Join(flagged(), ", "))
	}
	has, err := known(ctx, tree, component, flagLine)
	if err != nil {
		return err
	}
	ours := wiring(component)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		switch {
		case name == "feature-gates":
			errs = append(errs, fmt.Errorf("%s --feature-gates: give feature gates as such, they reach every component", component))
		case ours[name]:
			errs = append(errs, fmt.Errorf("%s --%s: Squall sets this flag, the cluster would not work with another value", component, name))
		case !has[name]:
			errs = append(errs, fmt.Errorf("%s %s has no flag --%s%s", component, components.KubernetesVersion, name, like(name, has)))
		}
	}
	return errors.Join(errs...)
}

// wiring names the flags of a component that hold a cluster together, which are
// those that Squall sets but for what is only a matter of speed.
func wiring(component string) map[string]bool {
	node := controlPlaneNode(1)
	m := &machine{nodeSetup: nodeSetup{Node: node, Peers: []nodeConfig{node}}}
	names := map[string]bool{}
	for name := range map[string]map[string]string{
		"etcd": m.etcdArgs(), "kube-apiserver": m.apiServerArgs(), "kubelet": m.kubeletArgs(),
		"kube-controller-manager": m.controllerManagerArgs(), "kube-scheduler": m.schedulerArgs(),
	}[component] {
		names[name] = true
	}
	for _, name := range []string{"kube-api-qps", "kube-api-burst", "leader-elect", "log-level", "enable-admission-plugins"} {
		delete(names, name)
	}
	return names
}

// assignGates gives every gate to the components that know it.
func (s *settings) assignGates(ctx context.Context, tree components.Tree, gates map[string]bool) error {
	all := map[string]bool{}
	for _, component := range append(flagged(), kubeProxy) {
		has, err := known(ctx, tree, component, gateLine)
		if err != nil {
			return err
		}
		maps.Copy(all, has)
		own := map[string]bool{}
		for name, on := range gates {
			if has[name] {
				own[name] = on
			}
		}
		s.Gates[component] = own
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		if !all[name] {
			errs = append(errs, fmt.Errorf("Kubernetes %s has no feature gate %q%s", components.KubernetesVersion, name, like(name, all)))
		}
	}
	return errors.Join(errs...)
}

// like suggests names that hold the one that was given, or a part of which it
// holds.
func like(name string, all map[string]bool) string {
	var near []string
	for _, other := range slices.Sorted(maps.Keys(all)) {
		a, b := strings.ToLower(name), strings.ToLower(other)
		if len(near) < 3 && (strings.Contains(a, b) || strings.Contains(b, a) || commonPrefix(a, b) >= max(6, len(a)/2)) {
			near = append(near, other)
		}
	}
	if len(near) == 0 {
		return ""
	}
	return "; there is " + strings.Join(near, ", ")
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// arguments are a component's flags: what Squall sets, over it the timers where
// they are not the stock ones, the feature gates, and what the scenario says.
func (m *machine) arguments(component string, base map[string]string) []string {
	all := maps.Clone(base)
	if m.Settings.Fast {
		maps.Copy(all, m.Settings.Timers.Flags(component))
	}
	if gates := m.Settings.Gates[component]; len(gates) > 0 {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(gates)) {
			list = append(list, fmt.Sprintf("%s=%t", name, gates[name]))
		}
		all["feature-gates"] = strings.Join(list, ",")
	}
	maps.Copy(all, m.Settings.Flags[component])
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "--"+name+"="+all[name])
	}
	return args
}
