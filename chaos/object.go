package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Object is a fault as a scenario writes it: a Chaos Mesh object, or one of
// Squall's own kinds, decoded. It never changes; make one with [Decode].
type Object struct {
	Kind string // "PodChaos", "NodeChaos"
	// Raw is the object as JSON, apiVersion and kind filled in, status left
	// out. Decode(Raw) gives the same object again.
	Raw []byte

	pod  *v1alpha1.PodChaos // one of the two
	node *nodeChaos
}

// In is the object with the scenario's namespace filled in where it names
// none, by the type's own Default: as metadata.namespace and, from there, as
// the only one of selector.namespaces. An object that names its namespace, or
// has no use for one, is returned as it is.
func (o *Object) In(namespace string) *Object {
	if o.pod == nil || o.pod.Namespace != "" {
		return o
	}
	pod := o.pod.DeepCopy()
	pod.Namespace = namespace
	return newPodChaos(pod)
}

// newPodChaos is the object of a checked PodChaos. The type's Default runs as
// soon as there is a namespace that it can copy.
func newPodChaos(pod *v1alpha1.PodChaos) *Object {
	pod.TypeMeta = metav1.TypeMeta{APIVersion: apiVersion(), Kind: v1alpha1.KindPodChaos}
	pod.ObjectMeta = metav1.ObjectMeta{ // no more than people write; a server adds the rest
		Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, Annotations: pod.Annotations,
	}
	pod.Status = v1alpha1.PodChaosStatus{}
	if pod.Namespace != "" {
		applyDefault(pod)
	}
	written := struct {
		metav1.TypeMeta
		Metadata metav1.ObjectMeta     `json:"metadata"`
		Spec     v1alpha1.PodChaosSpec `json:"spec"`
	}{pod.TypeMeta, pod.ObjectMeta, pod.Spec}
	raw, err := json.Marshal(written)
	if err != nil {
		panic("chaos: a decoded PodChaos cannot be written as JSON: " + err.Error())
	}
	return &Object{Kind: v1alpha1.KindPodChaos, Raw: raw, pod: pod}
}

// applyDefault runs Chaos Mesh's own defaulting webhook on the object.
func applyDefault(pod *v1alpha1.PodChaos) {
	if err := pod.Default(context.Background(), pod); err != nil {
		panic("chaos: Chaos Mesh refuses to default a *PodChaos: " + err.Error())
	}
}

// apiVersion is what the objects carry: "chaos-mesh.org/v1alpha1".
func apiVersion() string { return v1alpha1.SchemeGroupVersion.String() }

// Describe names the fault for reports: its kind and action, for example
// "PodChaos pod-kill".
func (o *Object) Describe() string {
	if o.picks() {
		return o.Kind
	}
	if o.node != nil {
		return o.Kind + " " + string(o.node.Spec.Action)
	}
	return o.Kind + " " + string(o.pod.Spec.Action)
}

// Duration is how long the fault itself says that it lasts; zero when it does
// not say or is instant.
func (o *Object) Duration() time.Duration {
	if o.node != nil {
		d, err := time.ParseDuration(o.node.Spec.Duration)
		if err != nil {
			return 0 // it does not say; Decode let no bad duration through
		}
		return d
	}
	d, err := o.pod.Spec.GetDuration()
	if err != nil || d == nil {
		return 0 // Decode let no bad duration through
	}
	return *d
}

// Fault is the engine that injects the object, once. Every object that [Decode]
// accepts has one today; the error is for kinds that can be written before
// they can be injected.
func (o *Object) Fault() (Fault, error) {
	if o.picks() {
		return nil, fmt.Errorf("%s is no fault: it says which nodes something else acts on", o.Kind)
	}
	if o.node != nil {
		return newNodeOff(o.node.Spec.Action), nil
	}
	return podKill{grace: o.pod.Spec.GracePeriod}, nil
}
