package scenarios

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// cluster checks what cluster is asked for.
func (c *checker) cluster() {
	cluster := c.s.Spec.Cluster
	const at = "spec.cluster"
	if c.sound(at+".workers") && (cluster.Workers < 1 || cluster.Workers > MaxWorkers) {
		c.report(at+".workers", fmt.Sprintf("a cluster has from 1 to %d workers", MaxWorkers))
	}
	if n := cluster.ControlPlanes; c.d.has(at+".controlPlanes") && c.sound(at+".controlPlanes") && n != 1 && n != manyControlPlanes {
		c.report(at+".controlPlanes", "a cluster has one control-plane node, or as many as etcd needs to survive the loss of one: 1 or 3")
	}
	if t := cluster.Timers; c.sound(at+".timers") && t != TimersStock && t != TimersFast {
		c.report(at+".timers", "is no set of timers", TimersStock, TimersFast)
	}
	if cpu := cluster.Node.CPU.MilliValue(); c.sound(at+".node.cpu") && (cpu < 1000 || cpu > 256_000 || cpu%1000 != 0) {
		c.report(at+".node.cpu", "a node has from 1 to 256 CPUs, whole ones, as a kubelet advertises them")
	}
	if memory := cluster.Node.Memory.Value(); c.sound(at+".node.memory") && (memory < 128<<20 || memory > 1<<40) {
		c.report(at+".node.memory", "a node has from 128Mi to 1Ti of memory")
	}
	c.registries(at + ".registries")
	c.gates(at + ".featureGates")
	c.flags(at + ".flags")
}

// registries checks the names of registries. Two equal ones have one path, so
// the list is gone through as it stands in the file.
func (c *checker) registries(path string) {
	list := c.d.places[path].value
	if list == nil || list.Kind != yaml.SequenceNode {
		return
	}
	first := map[string]int{}
	for i, entry := range list.Content {
		at := entryPath(path, entry, i)
		if !isText(entry) {
			continue // said when it was decoded
		}
		if !registryHost(entry.Value) {
			c.d.say(entry, Finding{Path: at, Value: brief(entry), Problem: "is no registry; write its host, and a port where it has one, without a scheme and a path: docker.io, registry.example:5000"})
			continue
		}
		if line, twice := first[entry.Value]; twice {
			c.d.say(entry, Finding{Path: at, Value: brief(entry), Problem: fmt.Sprintf("the registry is named in line %d already", line)})
			continue
		}
		first[entry.Value] = entry.Line
	}
}

// registryHost tells whether a name is a registry's as it stands in an image's
// reference (domainAndPort in regexp.go of github.com/distribution/reference).
// Addresses of IPv6 are left out, as clusters have none.
func registryHost(name string) bool {
	const label = `[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?`
	parts := regexp.MustCompile(`^` + label + `(?:\.` + label + `)*(?::([0-9]+))?$`).FindStringSubmatch(name)
	if parts == nil {
		return false
	}
	if parts[1] == "" {
		return true
	}
	port, err := strconv.ParseUint(parts[1], 10, 16)
	return err == nil && port > 0
}

// gates checks the names of feature gates. The components take all of them in
// one flag, between commas, so another form would set something else.
func (c *checker) gates(path string) {
	for _, gate := range slices.Sorted(maps.Keys(c.s.Spec.Cluster.FeatureGates)) {
		if !regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`).MatchString(gate) {
			c.sayKey(fieldPath(path, gate), "is no feature gate; one is named by letters and digits and begins with a capital, for example EventedPLEG")
		}
	}
}

// flags checks which components are given flags, and the names of those. Which
// flags and feature gates there are the components themselves say before
// anything starts.
func (c *checker) flags(path string) {
	components := c.s.Spec.Cluster.Flags
	for _, component := range slices.Sorted(maps.Keys(components)) {
		at := fieldPath(path, component)
		if !slices.Contains(flaggedComponents(), component) {
			c.report(at, "is no component that takes flags", flaggedComponents()...)
			continue
		}
		for _, flag := range slices.Sorted(maps.Keys(components[component])) {
			if problem := flagProblem(flag); problem != "" {
				c.sayKey(fieldPath(at, flag), problem)
			}
		}
	}
}

// flagProblem says why a name is not one of a flag that a scenario may set.
func flagProblem(flag string) string {
	switch {
	case flag == "feature-gates":
		return "give featureGates, which reach every component that knows them"
	case !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(flag):
		return "is no flag; write its name without the dashes before it: small letters, digits and dashes, for example max-pods"
	}
	return ""
}

// sayKey adds a finding about the key of a map, which the path names.
func (c *checker) sayKey(path, problem string) {
	c.d.say(c.d.places[path].key, Finding{Path: path, Problem: problem})
}

// flaggedComponents are the components that take flags.
func flaggedComponents() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}
}
