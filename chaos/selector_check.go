package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checkSelector finds what Chaos Mesh would stumble over, or silently match
// nothing with, only when the fault is due.
func (f *findings) checkSelector(path string, s *v1alpha1.PodSelectorSpec) {
	for i, namespace := range s.Namespaces {
		f.checkName(fmt.Sprintf("%s.namespaces[%d]", path, i), namespace, validation.IsDNS1123Label)
	}
	for i, node := range s.Nodes {
		f.checkName(fmt.Sprintf("%s.nodes[%d]", path, i), node, validation.IsDNS1123Subdomain)
	}
	f.checkLabels(path+".labelSelectors", s.LabelSelectors)
	f.checkLabels(path+".nodeSelectors", s.NodeSelectors)
	// Chaos Mesh reads annotation selectors as label selectors, so their values
	// have the form of label values, whatever an annotation may hold.
	f.checkLabels(path+".annotationSelectors", s.AnnotationSelectors)
	f.checkExpressions(path+".expressionSelectors", s.ExpressionSelectors)
	f.checkFields(path+".fieldSelectors", s.FieldSelectors)
	f.checkPhases(path+".podPhaseSelectors", s.PodPhaseSelectors)
	f.checkPods(path, s)
}

func (f *findings) checkName(path, name string, check func(string) []string) {
	if wrong := check(name); len(wrong) > 0 && !f.at(path) {
		f.add(path, "%q is not allowed: %s", name, strings.Join(wrong, "; "))
	}
}

func (f *findings) checkLabels(path string, set map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(set)) {
		at := path + "[" + key + "]"
		if f.at(at) {
			continue
		}
		for _, wrong := range validation.IsQualifiedName(key) {
			f.add(at, "the key is not allowed: %s", wrong)
		}
		for _, wrong := range validation.IsValidLabelValue(set[key]) {
			f.add(at, "%q is not allowed: %s", set[key], wrong)
		}
	}
}

func (f *findings) checkExpressions(path string, list []metav1.LabelSelectorRequirement) {
	operators := []metav1.LabelSelectorOperator{metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn,
		metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist}
	for i, requirement := range list {
		at := field.NewPath(path).Index(i)
		operator := at.Child("operator").String()
		if !slices.Contains(operators, requirement.Operator) && !f.at(operator) {
			f.add(operator, "%q is not allowed; allowed: %s", requirement.Operator, oneOf(operators))
		}
		for _, e := range metavalidation.ValidateLabelSelectorRequirement(
			requirement, metavalidation.LabelSelectorValidationOptions{}, at) {
			if !f.at(e.Field) {
				f.add(e.Field, "%s", e.ErrorBody())
			}
		}
	}
}

// selectableFields are the fields that a field selector may name: those that
// both the API server and Chaos Mesh's own matching know (spec.hostNetwork is
// known to the former alone, and so never matches).
func selectableFields(pod *corev1.Pod) map[string]string {
	ip := ""
	if len(pod.Status.PodIPs) > 0 {
		ip = pod.Status.PodIPs[0].IP
	}
	return map[string]string{
		"metadata.name":            pod.Name,
		"metadata.namespace":       pod.Namespace,
		"spec.nodeName":            pod.Spec.NodeName,
		"spec.restartPolicy":       string(pod.Spec.RestartPolicy),
		"spec.schedulerName":       pod.Spec.SchedulerName,
		"spec.serviceAccountName":  pod.Spec.ServiceAccountName,
		"status.phase":             string(pod.Status.Phase),
		"status.podIP":             ip,
		"status.nominatedNodeName": pod.Status.NominatedNodeName,
	}
}

func (f *findings) checkFields(path string, set map[string]string) {
	known := selectableFields(&corev1.Pod{})
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if _, ok := known[key]; !ok {
			f.add(path+"["+key+"]", "no field of a pod can be selected by that name; allowed: %s",
				oneOf(slices.Sorted(maps.Keys(known))))
		}
	}
}

func (f *findings) checkPhases(path string, list []string) {
	phases := []string{string(corev1.PodPending), string(corev1.PodRunning), string(corev1.PodSucceeded),
		string(corev1.PodFailed), string(corev1.PodUnknown)}
	for i, phase := range list {
		requirements, err := labels.ParseToRequirements(phase)
		ok := err == nil && len(requirements) == 1 &&
			slices.Contains(phases, requirements[0].Key()) &&
			(requirements[0].Operator() == selection.Exists || requirements[0].Operator() == selection.DoesNotExist)
		at := fmt.Sprintf("%s[%d]", path, i)
		if !ok && !f.at(at) {
			f.add(at, "%q is not allowed; allowed: %s, each with a ! before it to leave it out", phase, oneOf(phases))
		}
	}
}

// checkPods checks the pods named one by one. Chaos Mesh looks at no other
// selector when there are any; namespaces are let through beside them because
// its own Default adds them.
func (f *findings) checkPods(path string, s *v1alpha1.PodSelectorSpec) {
	if len(s.Pods) == 0 {
		return
	}
	for _, namespace := range slices.Sorted(maps.Keys(s.Pods)) {
		at := path + ".pods[" + namespace + "]"
		for i, name := range s.Pods[namespace] {
			f.checkName(fmt.Sprintf("%s[%d]", at, i), name, validation.IsDNS1123Subdomain)
		}
		f.checkName(at, namespace, validation.IsDNS1123Label)
	}
	ignored := map[string]int{
		"labelSelectors": len(s.LabelSelectors), "expressionSelectors": len(s.ExpressionSelectors),
		"annotationSelectors": len(s.AnnotationSelectors), "fieldSelectors": len(s.FieldSelectors),
		"nodes": len(s.Nodes), "nodeSelectors": len(s.NodeSelectors), "podPhaseSelectors": len(s.PodPhaseSelectors),
	}
	for _, name := range slices.Sorted(maps.Keys(ignored)) {
		if ignored[name] > 0 {
			f.add(path+"."+name, "would be ignored, as Chaos Mesh takes the pods named in pods whatever they are; leave one of the two out")
		}
	}
}
