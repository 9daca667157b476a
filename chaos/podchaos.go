package chaos

import (
	"slices"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// checkPodChaos checks what the CRD schema of Chaos Mesh demands of a PodChaos
// and its Go code does not, and refuses what pod-kill would ignore: a reader
// of the scenario would believe in it.
func (f *findings) checkPodChaos(generic map[string]any, pod *v1alpha1.PodChaos) {
	if !f.hasSpec(generic, "{} selects every pod of the namespace") {
		return
	}
	if pod.Annotations[v1alpha1.PauseAnnotationKey] == "true" {
		f.add("metadata.annotations["+v1alpha1.PauseAnnotationKey+"]",
			"pauses the fault, so it would do nothing; switch its timeline entry off with enabled: false instead")
	}
	if pod.Namespace != "" {
		f.checkName("metadata.namespace", pod.Namespace, validation.IsDNS1123Label)
	}
	f.checkAction(pod.Spec.Action)
	f.checkMode(pod.Spec.Mode, pod.Spec.Value)
	f.checkPodKill(&pod.Spec)
	f.checkSelector("spec.selector", &pod.Spec.Selector)
}

// hasSpec tells whether there is a spec to check, and finds the selector missing;
// all says what an empty one selects.
func (f *findings) hasSpec(generic map[string]any, all string) bool {
	if _, written := generic["spec"]; !written {
		f.add("spec", "must be given")
		return false
	}
	if f.at("spec") {
		return false // not an object
	}
	if spec, ok := generic["spec"].(map[string]any); !ok || spec["selector"] == nil {
		f.add("spec.selector", "must be given; %s", all)
	}
	return true
}

func (f *findings) checkAction(action v1alpha1.PodChaosAction) {
	const path = "spec.action"
	switch action {
	case v1alpha1.PodKillAction:
	case v1alpha1.PodFailureAction, v1alpha1.ContainerKillAction:
		f.add(path, "%s: not in this version; allowed: %s, which ends the whole pod for good",
			action, v1alpha1.PodKillAction)
	case "":
		if !f.at(path) {
			f.add(path, "must be given; allowed: %s", v1alpha1.PodKillAction)
		}
	default:
		f.add(path, "%q is no action of PodChaos; allowed: %s", action, v1alpha1.PodKillAction)
	}
}

// checkMode checks the mode, and whether a value is there exactly where the
// mode reads one. What the value itself may be is checked by Chaos Mesh, or for
// Squall's own kinds by [findings.checkValue].
func (f *findings) checkMode(mode v1alpha1.SelectorMode, value string) {
	const modePath, valuePath = "spec.mode", "spec.value"
	modes := []v1alpha1.SelectorMode{v1alpha1.OneMode, v1alpha1.AllMode, v1alpha1.FixedMode,
		v1alpha1.FixedPercentMode, v1alpha1.RandomMaxPercentMode}
	switch {
	case mode == "" && f.at(modePath):
	case mode == "":
		f.add(modePath, "must be given; allowed: %s", oneOf(modes))
	case !slices.Contains(modes, mode):
		f.add(modePath, "%q is not allowed; allowed: %s", mode, oneOf(modes))
	case mode == v1alpha1.OneMode || mode == v1alpha1.AllMode:
		if value != "" {
			f.add(valuePath, "%q would be ignored with mode %s; leave it out", value, mode)
		}
	case value == "" && !f.at(valuePath) && mode == v1alpha1.FixedMode:
		f.add(valuePath, "must be given with mode %s: a number above 0, in quotes", mode)
	case value == "" && !f.at(valuePath):
		f.add(valuePath, "must be given with mode %s: a percentage from 1 to 100, in quotes", mode)
	}
}

func (f *findings) checkPodKill(spec *v1alpha1.PodChaosSpec) {
	if spec.GracePeriod < 0 {
		f.add("spec.gracePeriod", "%d is not allowed; it must be a number of seconds, 0 or more", spec.GracePeriod)
	}
	if spec.RemoteCluster != "" {
		f.add("spec.remoteCluster", "%q is not allowed: a run has one cluster, the one it made; leave it out", spec.RemoteCluster)
	}
	if spec.Action != v1alpha1.PodKillAction {
		return
	}
	if spec.Duration != nil {
		f.add("spec.duration", "%q is not allowed: pod-kill is instant, it does not last; leave it out", *spec.Duration)
	}
	if len(spec.ContainerNames) > 0 {
		f.add("spec.containerNames", "would be ignored: pod-kill ends whole pods; leave it out")
	}
}
