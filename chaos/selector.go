package chaos

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Template is what is known of a role's pods before there is a cluster.
type Template struct {
	Namespace, Role     string
	Labels, Annotations map[string]string // of the pod template
}

// MatchTemplate tells whether a pod of the template could be selected. What
// only a live pod has (a name, a node, a phase, its other fields, the labels
// that its controller adds) counts as possibly right. A namespace that the
// object does not name counts as the template's.
func (o *Object) MatchTemplate(t Template) bool {
	if o.pod == nil {
		return false
	}
	s := &o.pod.Spec.Selector
	if len(s.Pods) > 0 {
		return len(s.Pods[t.Namespace]) > 0
	}
	if len(s.Namespaces) > 0 && !slices.Contains(s.Namespaces, t.Namespace) {
		return false
	}
	requirements, _ := o.labelSelector().Requirements()
	for _, r := range requirements {
		_, written := t.Labels[r.Key()]
		if !r.Matches(labels.Set(t.Labels)) && (written || !addedByController(r.Key())) {
			return false
		}
	}
	return labels.SelectorFromSet(s.AnnotationSelectors).Matches(labels.Set(t.Annotations))
}

// addedByController tells whether the label is one that a controller of
// Kubernetes adds to the pods it makes.
func addedByController(key string) bool {
	switch key {
	case "pod-template-hash", "controller-revision-hash", "pod-template-generation",
		"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
		"job-name", "controller-uid", "batch.kubernetes.io/job-name",
		"batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-completion-index":
		return true
	}
	return false
}

// MatchPod tells whether the selector takes a live pod, as Chaos Mesh decides
// it (its pkg/selector/pod): pods named one by one are taken whatever they
// are; else all selectors must agree, where nodes and nodeSelectors are one
// selector (a node in either will do) and no namespace at all matches
// nothing, so that an object that was not put [Object.In] a namespace can
// hurt nobody. Node is the pod's; it may be nil when the pod has none, or when
// the object has no nodeSelectors.
//
// Pods that are terminating or not ready are taken like others.
func (o *Object) MatchPod(p *corev1.Pod, node *corev1.Node) bool {
	if o.pod == nil {
		return false
	}
	s := &o.pod.Spec.Selector
	if len(s.Pods) > 0 {
		return slices.Contains(s.Pods[p.Namespace], p.Name)
	}
	return slices.Contains(s.Namespaces, p.Namespace) &&
		o.labelSelector().Matches(labels.Set(p.Labels)) &&
		labels.SelectorFromSet(s.AnnotationSelectors).Matches(labels.Set(p.Annotations)) &&
		fields.SelectorFromSet(s.FieldSelectors).Matches(fields.Set(selectableFields(p))) &&
		o.matchNode(p, node) &&
		o.matchPhase(p.Status.Phase)
}

// labelSelector joins labelSelectors and expressionSelectors.
func (o *Object) labelSelector() labels.Selector {
	s := &o.pod.Spec.Selector
	return joined(s.LabelSelectors, s.ExpressionSelectors)
}

// joined is a selector of labels that must match both.
func joined(match map[string]string, expressions []metav1.LabelSelectorRequirement) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: match, MatchExpressions: expressions})
	if err != nil {
		return labels.Nothing() // Decode let no bad selector through
	}
	return selector
}

func (o *Object) matchNode(p *corev1.Pod, node *corev1.Node) bool {
	s := &o.pod.Spec.Selector
	if len(s.Nodes) == 0 && len(s.NodeSelectors) == 0 {
		return true
	}
	if slices.Contains(s.Nodes, p.Spec.NodeName) {
		return true
	}
	return len(s.NodeSelectors) > 0 && node != nil && node.Name == p.Spec.NodeName &&
		labels.SelectorFromSet(s.NodeSelectors).Matches(labels.Set(node.Labels))
}

// matchPhase follows Chaos Mesh: any of the phases, and none of those with a !
// before them.
func (o *Object) matchPhase(phase corev1.PodPhase) bool {
	named, taken := false, false
	for _, text := range o.pod.Spec.Selector.PodPhaseSelectors {
		requirements, err := labels.ParseToRequirements(text)
		if err != nil || len(requirements) != 1 {
			return false // Decode let no bad phase through
		}
		matches := requirements[0].Matches(labels.Set{string(phase): ""})
		if requirements[0].Operator() == selection.DoesNotExist {
			if !matches {
				return false
			}
			continue
		}
		named, taken = true, taken || matches
	}
	return taken || !named
}
