package shop

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	labelApp     = "app"                          // the service
	labelPartOf  = "app.kubernetes.io/part-of"    // the workload
	labelManaged = "app.kubernetes.io/managed-by" // always "squall"

	portName   = "http"
	port       = 8080  // with TLS that of probes and metrics
	user       = 65532 // "nonroot" of distroless images, which Squall's use too
	graceLimit = 30    // seconds; the program's drain ends well inside it
)

// Objects are the Kubernetes objects of a valid spec, in the order in which
// they are applied: the namespace, the account, then Secrets, Services, pods. A
// service is a Deployment, with its autoscaler if it has one, or bare pods named
// catalog-0, catalog-1 and so on.
func (s *Spec) Objects(workload, namespace string) []runtime.Object {
	meta := func(name string, labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: labels}
	}
	common := map[string]string{labelPartOf: workload, labelManaged: "squall"}
	off := false
	objects := []runtime.Object{
		&corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{labelManaged: "squall"}},
		},
		// An account of its own exists before the pods do; the namespace's
		// default one is made by a controller, a moment too late.
		&corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: meta(workload, common), AutomountServiceAccountToken: &off,
		},
	}
	objects = append(objects, s.secrets(workload, namespace)...)
	name, number := s.port()
	for _, service := range s.Services {
		objects = append(objects, &corev1.Service{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
			ObjectMeta: meta(service, podLabels(workload, service)),
			Spec: corev1.ServiceSpec{
				Type:     corev1.ServiceTypeClusterIP,
				Selector: selector(workload, service),
				Ports:    []corev1.ServicePort{{Name: name, Port: number, TargetPort: intstr.FromString(name), Protocol: corev1.ProtocolTCP}},
			},
		})
	}
	for _, service := range s.Services {
		if slices.Contains(s.Bare, service) {
			for ordinal := range s.replicas(service) {
				objects = append(objects, &corev1.Pod{
					TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
					ObjectMeta: meta(fmt.Sprintf("%s-%d", service, ordinal), podLabels(workload, service)),
					Spec:       s.pod(workload, service),
				})
			}
			continue
		}
		replicas := int32(s.replicas(service))
		objects = append(objects, &appsv1.Deployment{
			TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
			ObjectMeta: meta(service, podLabels(workload, service)),
			Spec: appsv1.DeploymentSpec{
				Replicas: &replicas,
				Selector: &metav1.LabelSelector{MatchLabels: selector(workload, service)},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: podLabels(workload, service)},
					Spec:       s.pod(workload, service),
				},
			},
		})
		if a, scales := s.Autoscale[service]; scales {
			objects = append(objects, a.autoscaler(service, meta(service, podLabels(workload, service))))
		}
	}
	return objects
}

// selector are the labels that tell a service's pods from all others.
func selector(workload, service string) map[string]string {
	return map[string]string{labelApp: service, labelPartOf: workload}
}

// podLabels are all labels of a service's pods.
func podLabels(workload, service string) map[string]string {
	return map[string]string{labelApp: service, labelPartOf: workload, labelManaged: "squall"}
}

// pod is the pod of a service.
func (s *Spec) pod(workload, service string) corev1.PodSpec {
	yes, no, uid, grace := true, false, int64(user), int64(graceLimit)
	spec := corev1.PodSpec{
		ServiceAccountName:            workload,
		AutomountServiceAccountToken:  &no,
		EnableServiceLinks:            &no,
		TerminationGracePeriodSeconds: &grace,
		SecurityContext:               &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &uid, RunAsGroup: &uid},
		// Spread over the nodes where that is possible; a cluster of one
		// worker must still come up.
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: "kubernetes.io/hostname", WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: selector(workload, service)},
		}},
		Containers: []corev1.Container{s.container(service)},
	}
	s.secure(&spec, workload, service)
	return spec
}

// container is the shop's program in the role of a service.
//
// It has a request for CPU but no limit: a limit would throttle it in slices of
// 100 ms and so add latency that is neither the program's nor the fault's. The
// memory limit is about eight times what it uses at 1 000 requests a second;
// the runtime is told a little less, so that it collects before it is killed.
func (s *Spec) container(service string) corev1.Container {
	yes, no := true, false
	args := []string{service}
	if startup := s.Startup[service]; startup > 0 {
		args = append(args, "-startup="+startup.String())
	}
	if cost := s.Cost[service]; cost > 0 {
		args = append(args, "-cost="+cost.String())
	}
	if !s.drains() {
		args = append(args, "-drain=false")
	}
	if s.Fallback && service == Gateway {
		args = append(args, "-fallback")
	}
	return corev1.Container{
		Name:            "shop",
		Image:           Program().Ref,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Args:            args,
		Ports:           []corev1.ContainerPort{{Name: portName, ContainerPort: port, Protocol: corev1.ProtocolTCP}},
		Env: []corev1.EnvVar{
			{Name: "GOMEMLIMIT", Value: "100MiB"},
			{Name: "INSTANCE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("50m"),
				corev1.ResourceMemory: resource.MustParse("32Mi"),
			},
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
		},
		ReadinessProbe: probe("/readyz", 1),
		LivenessProbe:  probe("/livez", 5),
		SecurityContext: &corev1.SecurityContext{
			RunAsNonRoot:             &yes,
			ReadOnlyRootFilesystem:   &yes,
			AllowPrivilegeEscalation: &no,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

// probe asks for a path every so many seconds; three failures in a row count.
func probe(path string, period int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(portName)}},
		PeriodSeconds:    period,
		TimeoutSeconds:   1,
		FailureThreshold: 3,
	}
}
