package run

import (
	"context"
	"slices"

	"squall/scenarios"
	"squall/workloads"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// controllerSources are the controllers that look after pods: Deployments and
// StatefulSets.
func (r *recorder) controllerSources(client kubernetes.Interface) []source {
	deployments := client.AppsV1().Deployments(scenarios.Namespace)
	sets := client.AppsV1().StatefulSets(scenarios.Namespace)
	return []source{{
		what: "deployments",
		list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return deployments.List(ctx, o)
		},
		watch: deployments.Watch,
		see:   seeing(r.seeDeployment),
		replace: func(list runtime.Object) {
			replaceControllers(r, "Deployment", items[*appsv1.Deployment](list), r.seeDeployment)
		},
	}, {
		what:  "stateful sets",
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return sets.List(ctx, o) },
		watch: sets.Watch,
		see:   seeing(r.seeStatefulSet),
		replace: func(list runtime.Object) {
			replaceControllers(r, "StatefulSet", items[*appsv1.StatefulSet](list), r.seeStatefulSet)
		},
	}}
}

// replaceControllers takes a whole list of a kind: those that are not in it were
// deleted while nobody looked.
func replaceControllers[T metav1.Object](r *recorder, kind string, list []T, see func(T, bool)) {
	listed := map[string]bool{}
	for _, one := range list {
		listed[one.GetName()] = true
		see(one, false)
	}
	for _, role := range r.roles {
		if role.Controller == kind && !listed[role.Name] {
			r.forgetController(role)
		}
	}
}

// forgetController is told that a role's controller is not there. One that was
// never seen is not there yet.
func (r *recorder) forgetController(role workloads.Role) {
	r.mu.Lock()
	_, known := r.desired[role.Name]
	rollout, rolls := r.rollouts[role.Controller+"/"+role.Name]
	r.mu.Unlock()
	if rolls {
		rollout.Deleted = true
		r.rolls(rollout)
	}
	if known {
		r.declares(role.Controller, &metav1.ObjectMeta{Namespace: role.Namespace, Name: role.Name}, nil, true)
	}
}

// seeDeployment records what a Deployment declares, and how far it is.
func (r *recorder) seeDeployment(d *appsv1.Deployment, deleted bool) {
	r.rolls(deploymentRollout(d, deleted))
	r.declares("Deployment", d, d.Spec.Replicas, deleted)
}

// seeStatefulSet records what a StatefulSet declares, and how far it is.
func (r *recorder) seeStatefulSet(s *appsv1.StatefulSet, deleted bool) {
	r.rolls(statefulSetRollout(s, deleted))
	r.declares("StatefulSet", s, s.Spec.Replicas, deleted)
}

// declares records how many pods a controller declares, when that is new.
func (r *recorder) declares(kind string, controller metav1.Object, replicas *int32, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := controller.GetName()
	at := slices.IndexFunc(r.roles, func(role workloads.Role) bool {
		return role.Controller == kind && role.Namespace == controller.GetNamespace() && role.Name == name
	})
	if at < 0 {
		return
	}
	wants := 1 // Kubernetes' own default
	switch {
	case deleted:
		wants = r.roles[at].Desired // nothing declares any more; the scenario did
	case replicas != nil:
		wants = int(*replicas)
	}
	if had, known := r.desired[name]; known && had == wants {
		return
	}
	r.desired[name] = wants
	r.recordRole(name, r.clock.now())
}
