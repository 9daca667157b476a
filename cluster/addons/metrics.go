package addons

import (
	"encoding/base64"
	"fmt"
	"time"

	"squall/cluster"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What metrics-server's objects are named, as in upstream's manifest.
const (
	metricsName   = "metrics-server"
	metricsTLS    = "metrics-server-tls"
	metricsTLSDir = "/etc/metrics-server/tls"
	kubeletCADir  = "/etc/metrics-server/kubelet-ca"
)

// MetricsHost is the name under which the API server calls metrics-server, which
// its certificate must bear.
const MetricsHost = metricsName + "." + metav1.NamespaceSystem + ".svc"

// MetricsOptions are how metrics-server is run.
type MetricsOptions struct {
	// Image is on the node already, or can be had there.
	Image string
	// Cert and Key serve [MetricsHost], in PEM.
	Cert, Key []byte
	// Timers say how often the kubelets are asked.
	Timers cluster.TimerSet
	// NodeSelector names the control plane's nodes.
	NodeSelector map[string]string
	// KubeletAuthority says that kubelets have certificates of the cluster's
	// authority. Those that signed their own have to be taken on trust.
	KubeletAuthority bool
}

// metricsLabels are on every object of metrics-server and select its pod.
func metricsLabels() map[string]string { return map[string]string{"k8s-app": metricsName} }

// Metrics are the objects of metrics-server v0.9.0, as its own manifest has them
// (manifests/base), but that no certificate is taken on trust where the kubelets
// have one of the cluster's authority, as metrics-server has. Its APIService is
// not among them; see [MetricsAPI].
func Metrics(o MetricsOptions) []Object {
	meta := metav1.ObjectMeta{Name: metricsName, Namespace: metav1.NamespaceSystem, Labels: metricsLabels()}
	secret := meta
	secret.Name = metricsTLS
	core := func(kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: "v1", Kind: kind} }
	return append(metricsRights(meta),
		Object{"/api/v1" + systemPath + "/serviceaccounts", &corev1.ServiceAccount{TypeMeta: core("ServiceAccount"), ObjectMeta: meta}},
		Object{"/api/v1" + systemPath + "/secrets", &corev1.Secret{TypeMeta: core("Secret"), ObjectMeta: secret,
			Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{corev1.TLSCertKey: o.Cert, corev1.TLSPrivateKeyKey: o.Key}}},
		Object{"/api/v1" + systemPath + "/services", &corev1.Service{TypeMeta: core("Service"), ObjectMeta: meta, Spec: corev1.ServiceSpec{
			Selector: metricsLabels(),
			Ports: []corev1.ServicePort{{Name: "https", Port: 443, Protocol: corev1.ProtocolTCP,
				TargetPort: intstr.FromString("https"), AppProtocol: new("https")}}}}},
		Object{"/apis/apps/v1" + systemPath + "/deployments", metricsDeployment(meta, o)},
	)
}

// metricsRights let metrics-server read what it measures and check who asks, and
// let everybody who may view a namespace view its metrics.
func metricsRights(meta metav1.ObjectMeta) []Object {
	kind := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}
	}
	named := func(name string, labels map[string]string) metav1.ObjectMeta {
		all := metricsLabels()
		for k, v := range labels {
			all[k] = v
		}
		return metav1.ObjectMeta{Name: name, Labels: all}
	}
	role := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: meta.Name, Namespace: meta.Namespace}}
	reader := meta
	reader.Name = "metrics-server-auth-reader"
	read := []string{"get", "list", "watch"}
	return []Object{
		{rbacPath + "/clusterroles", &rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"),
			ObjectMeta: named("system:aggregated-metrics-reader", map[string]string{
				"rbac.authorization.k8s.io/aggregate-to-view":  "true",
				"rbac.authorization.k8s.io/aggregate-to-edit":  "true",
				"rbac.authorization.k8s.io/aggregate-to-admin": "true",
			}),
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{"metrics.k8s.io"}, Resources: []string{"pods", "nodes"}, Verbs: read}}}},
		{rbacPath + "/clusterroles", &rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"), ObjectMeta: named("system:metrics-server", nil),
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"nodes/metrics"}, Verbs: []string{"get"}},
				{APIGroups: []string{""}, Resources: []string{"pods", "nodes"}, Verbs: read},
			}}},
		{rbacPath + "/clusterrolebindings", &rbacv1.ClusterRoleBinding{TypeMeta: kind("ClusterRoleBinding"),
			ObjectMeta: named("system:metrics-server", nil), RoleRef: role("ClusterRole", "system:metrics-server"), Subjects: subjects}},
		{rbacPath + "/clusterrolebindings", &rbacv1.ClusterRoleBinding{TypeMeta: kind("ClusterRoleBinding"),
			ObjectMeta: named("metrics-server:system:auth-delegator", nil), RoleRef: role("ClusterRole", "system:auth-delegator"), Subjects: subjects}},
		{rbacPath + systemPath + "/rolebindings", &rbacv1.RoleBinding{TypeMeta: kind("RoleBinding"), ObjectMeta: reader,
			RoleRef: role("Role", "extension-apiserver-authentication-reader"), Subjects: subjects}},
	}
}

// metricsDeployment runs metrics-server on the control plane, where no fault on
// a worker reaches it.
func metricsDeployment(meta metav1.ObjectMeta, o MetricsOptions) *appsv1.Deployment {
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: metricsLabels()},
			Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: new(intstr.FromInt32(0))}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: metricsLabels()},
				Spec: corev1.PodSpec{
					ServiceAccountName: meta.Name,
					PriorityClassName:  "system-cluster-critical",
					NodeSelector:       o.NodeSelector,
					Tolerations: []corev1.Toleration{
						{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists},
						{Key: ControlPlaneRole, Effect: corev1.TaintEffectNoSchedule},
					},
					Containers: []corev1.Container{metricsContainer(o)},
					Volumes: []corev1.Volume{
						{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: metricsTLS}}},
						{Name: "kubelet-ca", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
							LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}}},
					},
				},
			},
		},
	}
}

// metricsContainer is upstream's, but for its certificates and for how soon it
// is found to be ready. It has nothing to serve before its second round
// (pkg/storage/node.go), so it is first asked then, and every 2 s in place of
// every 10; it is given up after the same 30 s.
func metricsContainer(o MetricsOptions) corev1.Container {
	probe := func(path string, period, failures int32) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: period, FailureThreshold: failures, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("https"), Scheme: corev1.URISchemeHTTPS}}}
	}
	readiness := probe("/readyz", 2, 15)
	readiness.InitialDelaySeconds = int32(o.Timers.MetricsResolution/time.Second) + 1
	return corev1.Container{
		Name:            metricsName,
		Image:           o.Image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Args: []string{
			"--secure-port=10250",
			"--tls-cert-file=" + metricsTLSDir + "/" + corev1.TLSCertKey,
			"--tls-private-key-file=" + metricsTLSDir + "/" + corev1.TLSPrivateKeyKey,
			kubeletTrust(o),
			"--kubelet-preferred-address-types=InternalIP",
			"--kubelet-use-node-status-port",
			fmt.Sprintf("--metric-resolution=%s", o.Timers.MetricsResolution),
			fmt.Sprintf("--kubelet-request-timeout=%s", o.Timers.MetricsRequest),
		},
		Ports: []corev1.ContainerPort{{Name: "https", ContainerPort: 10250, Protocol: corev1.ProtocolTCP}},
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("200Mi")}},
		ReadinessProbe: readiness,
		LivenessProbe:  probe("/livez", 10, 3),
		SecurityContext: &corev1.SecurityContext{
			ReadOnlyRootFilesystem:   new(true),
			RunAsNonRoot:             new(true),
			RunAsUser:                new(int64(1000)),
			AllowPrivilegeEscalation: new(false),
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "tls", MountPath: metricsTLSDir, ReadOnly: true},
			{Name: "kubelet-ca", MountPath: kubeletCADir, ReadOnly: true},
		},
	}
}

// kubeletTrust is the flag that says which kubelets' certificates are believed.
func kubeletTrust(o MetricsOptions) string {
	if o.KubeletAuthority {
		return "--kubelet-certificate-authority=" + kubeletCADir + "/ca.crt"
	}
	return "--kubelet-insecure-tls"
}

// MetricsAPI makes the API server pass the metrics API on to metrics-server,
// whose certificate it verifies.
func MetricsAPI(authority []byte) Object {
	return Object{"/apis/apiregistration.k8s.io/v1/apiservices", &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1",
		"kind":       "APIService",
		"metadata":   map[string]any{"name": "v1beta1.metrics.k8s.io", "labels": map[string]any{"k8s-app": metricsName}},
		"spec": map[string]any{
			"group":                "metrics.k8s.io",
			"version":              "v1beta1",
			"groupPriorityMinimum": int64(100),
			"versionPriority":      int64(100),
			"service":              map[string]any{"name": metricsName, "namespace": metav1.NamespaceSystem},
			"caBundle":             base64.StdEncoding.EncodeToString(authority),
		},
	}}}
}
