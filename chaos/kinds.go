package chaos

import (
	"slices"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
)

// refusals are the kinds of Chaos Mesh that can be written but not injected,
// each with the reason and, where there is one, the way to get the same
// effect. A test holds the list against the kinds that Chaos Mesh registers.
func refusals() map[string]string {
	const (
		later  = "not in this version"
		cloud  = "it acts on a cloud provider's machines, and a scenario's cluster has none"
		record = "it is a record that Chaos Mesh keeps for itself, not a fault"
	)
	return map[string]string{
		"AWSChaos":             later + "; " + cloud,
		"AzureChaos":           later + "; " + cloud,
		"BlockChaos":           later,
		"DNSChaos":             later,
		"GCPChaos":             later + "; " + cloud,
		"HTTPChaos":            later,
		"IOChaos":              later,
		"JVMChaos":             later,
		"KernelChaos":          later,
		"NetworkChaos":         later,
		"PhysicalMachine":      "it describes a machine outside the cluster, and no fault leaves the cluster",
		"PhysicalMachineChaos": "it acts on machines outside the cluster, and no fault leaves the cluster",
		"PodHttpChaos":         record + "; see HTTPChaos",
		"PodIOChaos":           record + "; see IOChaos",
		"PodNetworkChaos":      record + "; see NetworkChaos",
		"RemoteCluster":        "a run has one cluster, the one it made",
		"Schedule":             "the timeline is the schedule: write the object that it wraps as one timeline entry for each time",
		"StatusCheck":          "it is a check, not a fault: write it as an expectation",
		"StressChaos":          later,
		"TimeChaos":            later,
		"Workflow":             "the timeline is the workflow: write each of its templates as a timeline entry",
		"WorkflowNode":         record,
	}
}

// checkKind tells whether the kind can be injected.
func (f *findings) checkKind(kind string) bool {
	allowed := oneOf([]string{v1alpha1.KindPodChaos, kindNodeChaos})
	if kind == v1alpha1.KindPodChaos || kind == kindNodeChaos {
		return true
	}
	if kind == "" {
		f.add("kind", "must be given; allowed: %s", allowed)
		return false
	}
	why, known := refusals()[kind]
	if known {
		f.add("kind", "%s: %s; allowed: %s", kind, why, allowed)
		return false
	}
	var all []string
	for name := range refusals() {
		all = append(all, name)
	}
	slices.Sort(all)
	f.add("kind", "%q is no kind of Chaos Mesh, nor one of Squall's own; allowed: %s (known, but refused: %s)",
		kind, allowed, oneOf(all))
	return false
}
