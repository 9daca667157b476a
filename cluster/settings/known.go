package settings

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

	"squall/cluster/components"
)

// The components that take feature gates, and among them those that take flags:
// kube-proxy ignores its flags beside a configuration file.
const kubeProxy = "kube-proxy"

// flagged are the components that take flags.
func flagged() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}
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
func checkFlags(ctx context.Context, tree components.Tree, component string, flags map[string]string, wired map[string]bool) error {
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
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		switch {
		case name == "feature-gates":
			errs = append(errs, fmt.Errorf("%s --feature-gates: give feature gates as such, they reach every component", component))
		case wired[name]:
			errs = append(errs, fmt.Errorf("%s --%s: Squall sets this flag, the cluster would not work with another value", component, name))
		case !has[name]:
			errs = append(errs, fmt.Errorf("%s %s has no flag --%s%s", component, components.KubernetesVersion, name, like(name, has)))
		}
	}
	return errors.Join(errs...)
}

// assignGates gives every gate to the components that know it.
func (s *Settings) assignGates(ctx context.Context, tree components.Tree, gates map[string]bool) error {
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
