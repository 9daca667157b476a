package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Area is a subject of Kubernetes, and the conformance tests that try it.
type Area struct {
	// Name is what --areas calls it.
	Name string
	// Prefixes are how its tests' names begin. Every conformance test is of
	// exactly one area.
	Prefixes []string
}

// Areas are all areas, in the order of tables.
func Areas() []Area {
	return []Area{
		{"deployments", []string{"[sig-apps] Deployment "}},
		{"replicasets", []string{"[sig-apps] ReplicaSet ", "[sig-apps] ReplicationController "}},
		{"statefulsets", []string{"[sig-apps] StatefulSet "}},
		{"daemonsets", []string{"[sig-apps] Daemon set ", "[sig-apps] ControllerRevision "}},
		{"jobs", []string{"[sig-apps] Job "}},
		{"cronjobs", []string{"[sig-apps] CronJob "}},
		{"disruption", []string{"[sig-apps] DisruptionController ", "[sig-node] NoExecuteTaintManager "}},
		{"services", []string{"[sig-network] Services ", "[sig-network] Service endpoints latency ",
			"[sig-network] API Server ", "[sig-network] ServiceCIDR "}},
		{"endpoints", []string{"[sig-network] EndpointSlice ", "[sig-network] EndpointSliceMirroring ",
			"[sig-network] Endpoints ", "[sig-network] EndpointsController "}},
		{"dns", []string{"[sig-network] DNS "}},
		{"networking", []string{"[sig-network] Networking ", "[sig-network] HostPort ", "[sig-network] Proxy ",
			"[sig-network] Ingress API ", "[sig-network] IngressClass API "}},
		{"probes", []string{"[sig-node] Probing container "}},
		{"pods", []string{"[sig-node] Pods ", "[sig-node] PodTemplates ", "[sig-node] PreStop ",
			"[sig-node] Container Lifecycle Hook ", "[sig-node] Container Runtime ", "[sig-node] Ephemeral Containers "}},
		{"init-containers", []string{"[sig-node] InitContainer "}},
		{"containers", []string{"[sig-node] Containers ", "[sig-node] Downward API ", "[sig-node] Variable Expansion ",
			"[sig-node] Security Context ", "[sig-node] Sysctls ", "[sig-node] Kubelet", "[sig-node] ImageVolume "}},
		{"resize", []string{"[sig-node] Pod InPlace Resize "}},
		{"nodes", []string{"[sig-node] Lease ", "[sig-node] Node Lifecycle ", "[sig-node] RuntimeClass ",
			"[sig-node] [DRA] ", "[sig-architecture] "}},
		{"configmaps", []string{"[sig-node] ConfigMap ", "[sig-storage] ConfigMap "}},
		{"secrets", []string{"[sig-node] Secrets ", "[sig-storage] Secrets "}},
		{"emptydir", []string{"[sig-storage] EmptyDir "}},
		{"projected", []string{"[sig-storage] Projected "}},
		{"downward", []string{"[sig-storage] Downward API volume "}},
		{"volumes", []string{"[sig-storage] EmptyDir wrapper ", "[sig-storage] Subpath ", "[sig-storage] PersistentVolumes ",
			"[sig-storage] StorageClasses ", "[sig-storage] CSI", "[sig-storage] VolumeAtt"}},
		{"garbage-collection", []string{"[sig-api-machinery] Garbage collector ", "[sig-api-machinery] Namespaces ",
			"[sig-api-machinery] OrderedNamespaceDeletion "}},
		{"quota", []string{"[sig-api-machinery] ResourceQuota ", "[sig-scheduling] LimitRange "}},
		{"watch", []string{"[sig-api-machinery] Watchers ", "[sig-api-machinery] Servers with support for "}},
		{"discovery", []string{"[sig-api-machinery] Discovery ", "[sig-api-machinery] AggregatedDiscovery ",
			"[sig-api-machinery] server version ", "[sig-api-machinery] FieldValidation ",
			"[sig-api-machinery] API priority and fairness "}},
		{"crds", []string{"[sig-api-machinery] CustomResource"}},
		{"webhooks", []string{"[sig-api-machinery] AdmissionWebhook "}},
		{"policies", []string{"[sig-api-machinery] ValidatingAdmissionPolicy ", "[sig-api-machinery] MutatingAdmissionPolicy "}},
		{"aggregator", []string{"[sig-api-machinery] Aggregator "}},
		{"scheduling", []string{"[sig-scheduling] SchedulerPredicates ", "[sig-scheduling] SchedulerPreemption "}},
		{"auth", []string{"[sig-auth] "}},
		{"events", []string{"[sig-instrumentation] "}},
		{"kubectl", []string{"[sig-cli] "}},
	}
}

// Test is one conformance test.
type Test struct {
	// Name is upstream's, "[sig-apps] Deployment … [Conformance]".
	Name string
	// Area is the name of its area.
	Area string
}

// Serial tells whether the test must have the cluster for itself.
func (t Test) Serial() bool {
	return strings.Contains(t.Name, "[Serial]") || strings.Contains(t.Name, "[Disruptive]")
}

// areaOf is the name of the area with the longest prefix that fits; "other" when
// none does, as for the tests of a later release.
func areaOf(name string) string {
	area, longest := "other", 0
	for _, a := range Areas() {
		for _, prefix := range a.Prefixes {
			if len(prefix) > longest && strings.HasPrefix(name, prefix) {
				area, longest = a.Name, len(prefix)
			}
		}
	}
	return area
}

// checkAreas refuses names that are no areas.
func checkAreas(names []string) error {
	known := []string{}
	for _, a := range Areas() {
		known = append(known, a.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no area %q of conformance tests; there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}
