//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
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

// dns are the objects of CoreDNS, as kubeadm makes them but for one replica in
// place of two.
func dns() []addon {
	meta := metav1.ObjectMeta{Name: "coredns", Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-dns"}}
	role := metav1.ObjectMeta{Name: "system:coredns"}
	service := meta
	service.Name = "kube-dns"
	service.Labels = map[string]string{"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
	rbac := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}
	}
	core := func(kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: "v1", Kind: kind} }
	return []addon{
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
			ClusterIP: dnsServiceIP,
			Selector:  map[string]string{"k8s-app": "kube-dns"},
			Ports: []corev1.ServicePort{
				{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(53)},
				{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(53)},
				{Name: "metrics", Port: 9153, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(9153)},
			}}}},
		{"/apis/apps/v1" + systemPath + "/deployments", dnsDeployment(meta)},
	}
}

// dnsDeployment runs CoreDNS on the control plane, where no fault on a worker
// reaches it.
func dnsDeployment(meta metav1.ObjectMeta) *appsv1.Deployment {
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
					NodeSelector:       map[string]string{controlPlaneHost: ""},
					Tolerations: []corev1.Toleration{
						{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists},
						{Key: controlPlaneRole, Effect: corev1.TaintEffectNoSchedule},
						// Every node has this taint until the controller manager
						// has seen it Ready; DNS need not wait for that.
						{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule},
					},
					Containers: []corev1.Container{{
						Name:            "coredns",
						Image:           dnsImage,
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

// bindDNS gives the pod of CoreDNS its node before there is a scheduler. The pod
// is then in the prepared state with its node, whose kubelet starts it at once.
// A scheduler could only find that one node, and every cluster waits for DNS.
func bindDNS(ctx context.Context, client *rest.RESTClient) error {
	const pods = "/api/v1" + systemPath + "/pods"
	b, err := client.Get().AbsPath(pods).Param("labelSelector", "k8s-app=kube-dns").Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("finding the pod of CoreDNS: %w", err)
	}
	var list corev1.PodList
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("finding the pod of CoreDNS: %w", err)
	}
	for _, pod := range list.Items {
		err := client.Post().AbsPath(pods, pod.Name, "binding").Body(&corev1.Binding{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Binding"},
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
			Target:     corev1.ObjectReference{Kind: "Node", Name: controlPlaneName},
		}).Do(ctx).Error()
		if err != nil {
			return fmt.Errorf("giving the pod of CoreDNS its node: %w", err)
		}
	}
	return nil
}

// dnsReady is the port and path of CoreDNS' readiness.
const (
	dnsReadyPort = 8181
	dnsReadyPath = "/ready"
)

// hastenDNS has the kubelet probe CoreDNS the moment that it is ready. The
// kubelet asks when it sees the container run, which is too early by a tenth of
// a second, and then only at the next whole second. A change of the pod makes it
// look again. Where anything fails, that next second comes.
func (m *machine) hastenDNS(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client, err := m.adminClient()
	if err != nil {
		return
	}
	pod, err := runningDNS(ctx, client)
	if err != nil || waitDNSReady(ctx, pod.Status.PodIP) != nil {
		return
	}
	_ = client.Patch(types.MergePatchType).AbsPath("/api/v1"+systemPath+"/pods", pod.Name).
		Body([]byte(`{"metadata":{"annotations":{"squall.dev/answers":"true"}}}`)).Do(ctx).Error()
}

// runningDNS waits until the pod of CoreDNS has an address.
func runningDNS(ctx context.Context, client *rest.RESTClient) (*corev1.Pod, error) {
	w, err := client.Get().AbsPath("/api/v1"+systemPath+"/pods").Param("labelSelector", "k8s-app=kube-dns").Param("watch", "true").Watch(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		if pod, ok := e.Object.(*corev1.Pod); ok && pod.Status.PodIP != "" && e.Type != watch.Deleted {
			return pod, nil
		}
	}
	return nil, errors.Join(errors.New("the API server ended the watch of CoreDNS' pod"), context.Cause(ctx))
}

// waitDNSReady waits until the CoreDNS at an address says that it is ready.
func waitDNSReady(ctx context.Context, address string) error {
	url := fmt.Sprintf("http://%s%s", net.JoinHostPort(address, strconv.Itoa(dnsReadyPort)), dnsReadyPath)
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond): // it announces nothing
		}
	}
}
