package addons

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// corefile answers for the cluster's own names and, since a cluster has no
// outside, for no others.
const corefile = `.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    cache 30
    reload
    loadbalance
}
`

// DNSOptions are where CoreDNS comes from and where it runs.
type DNSOptions struct {
	// Image is on the node already, or can be had there.
	Image string
	// ServiceIP is the address to which pods send their questions.
	ServiceIP string
	// NodeSelector names the control plane's nodes.
	NodeSelector map[string]string
}

// DNS are the objects of CoreDNS, as kubeadm makes them but for one replica in
// place of two.
func DNS(o DNSOptions) []Object {
	meta := metav1.ObjectMeta{Name: "coredns", Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-dns"}}
	role := metav1.ObjectMeta{Name: "system:coredns"}
	service := meta
	service.Name = "kube-dns"
	service.Labels = map[string]string{"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
	rbac := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}
	}
	core := func(kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: "v1", Kind: kind} }
	return []Object{
		{"/api/v1" + systemPath + "/serviceaccounts", &corev1.ServiceAccount{TypeMeta: core("ServiceAccount"), ObjectMeta: meta}},
		{rbacPath + "/clusterroles", &rbacv1.ClusterRole{TypeMeta: rbac("ClusterRole"), ObjectMeta: role, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"endpoints", "services", "pods", "namespaces"}, Verbs: []string{"list", "watch"}},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		}}},
		{rbacPath + "/clusterrolebindings", &rbacv1.ClusterRoleBinding{TypeMeta: rbac("ClusterRoleBinding"), ObjectMeta: role,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: meta.Name, Namespace: meta.Namespace}}}},
		{"/api/v1" + systemPath + "/configmaps", &corev1.ConfigMap{TypeMeta: core("ConfigMap"), ObjectMeta: meta,
			Data: map[string]string{"Corefile": corefile}}},
		{"/api/v1" + systemPath + "/services", &corev1.Service{TypeMeta: core("Service"), ObjectMeta: service, Spec: corev1.ServiceSpec{
			ClusterIP: o.ServiceIP,
			Selector:  map[string]string{"k8s-app": "kube-dns"},
			Ports: []corev1.ServicePort{
				{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(53)},
				{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(53)},
				{Name: "metrics", Port: 9153, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(9153)},
			}}}},
		{"/apis/apps/v1" + systemPath + "/deployments", dnsDeployment(meta, o)},
	}
}

// dnsDeployment runs CoreDNS on the control plane, where no fault on a worker
// reaches it.
func dnsDeployment(meta metav1.ObjectMeta, o DNSOptions) *appsv1.Deployment {
	replicas := int32(1)
	probe := func(path string, port int32) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)}}
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: meta.Labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels},
				Spec: corev1.PodSpec{
					ServiceAccountName: meta.Name,
					DNSPolicy:          corev1.DNSDefault,
					PriorityClassName:  "system-cluster-critical",
					NodeSelector:       o.NodeSelector,
					Tolerations: []corev1.Toleration{
						{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists},
						{Key: ControlPlaneRole, Effect: corev1.TaintEffectNoSchedule},
						// Every node has this taint until the controller manager
						// has seen it Ready; DNS need not wait for that.
						{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule},
					},
					Containers: []corev1.Container{{
						Name:            "coredns",
						Image:           o.Image,
						ImagePullPolicy: corev1.PullIfNotPresent,
						Args:            []string{"-conf", "/etc/coredns/Corefile"},
						Ports: []corev1.ContainerPort{
							{Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP},
							{Name: "dns-tcp", ContainerPort: 53, Protocol: corev1.ProtocolTCP},
							{Name: "metrics", ContainerPort: 9153, Protocol: corev1.ProtocolTCP},
						},
						ReadinessProbe: &corev1.Probe{ProbeHandler: probe(dnsReadyPath, dnsReadyPort), PeriodSeconds: 1},
						LivenessProbe:  &corev1.Probe{ProbeHandler: probe("/health", 8080), InitialDelaySeconds: 60},
						VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/coredns", ReadOnly: true}},
					}},
					Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{
						ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: meta.Name}}}}},
				},
			},
		},
	}
}
