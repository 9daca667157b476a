//go:build linux

package loadbalancer_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/cluster/loadbalancer"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The test program is also every part of the cluster that TestCluster makes,
// and a client inside it.
func TestMain(m *testing.M) {
	if code, handled := embedded.Main(os.Args); handled {
		os.Exit(code)
	}
	if len(os.Args) == 3 && os.Args[1] == "dial" {
		os.Exit(dial(os.Args[2]))
	}
	os.Exit(m.Run())
}

// dial tries to connect for a while, since kube-proxy needs a moment.
func dial(address string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = c.Close()
			fmt.Println("connected")
			return 0
		}
		select {
		case <-time.After(100 * time.Millisecond): // nothing tells when kube-proxy is done
		case <-ctx.Done():
			fmt.Println(err)
			return 1
		}
	}
}

// TestCluster proves what a clientset in memory cannot: that the API server's
// validation and authorisation go along, and that kube-proxy does the rest.
func TestCluster(t *testing.T) {
	made, admin, limited := newCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- loadbalancer.Run(ctx, loadbalancer.Options{Client: limited, Pool: netip.MustParsePrefix("10.97.0.0/24"), Node: "test"})
	}()
	services := admin.CoreV1().Services("default")
	_, err := services.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "api"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, LoadBalancerIP: "10.97.0.9",
			Ports: []corev1.ServicePort{{Port: 80}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = admin.DiscoveryV1().EndpointSlices("default").Create(t.Context(), apiServer(t, admin), metav1.CreateOptions{})
	require.NoError(t, err)
	address := func() string {
		s, err := services.Get(t.Context(), "api", metav1.GetOptions{})
		require.NoError(t, err)
		return fmt.Sprint(s.Status.LoadBalancer.Ingress)
	}
	require.Eventually(t, func() bool { return address() != "[]" }, 10*time.Second, 50*time.Millisecond)
	assert.Contains(t, address(), "10.97.0.9")

	var out bytes.Buffer
	self, err := os.Executable()
	require.NoError(t, err)
	err = made.Exec(t.Context(), cluster.Exec{Argv: []string{self, "dial", "10.97.0.9:80"}, Stdout: &out})
	require.NoError(t, err, "%s", &out)

	patch := []byte(`{"spec":{"type":"ClusterIP","loadBalancerIP":null}}`)
	_, err = services.Patch(t.Context(), "api", types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	assert.Equal(t, "[]", address(), "the API server clears it")

	cancel()
	require.NoError(t, <-done)
	l, err := admin.CoordinationV1().Leases("kube-system").Get(t.Context(), loadbalancer.LeaseName, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Empty(t, *l.Spec.HolderIdentity, "the Lease is given back")
}

// apiServer is an EndpointSlice that leads to the API server.
func apiServer(t *testing.T, admin kubernetes.Interface) *discoveryv1.EndpointSlice {
	s, err := admin.DiscoveryV1().EndpointSlices("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	require.NoError(t, err)
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "api", Labels: map[string]string{discoveryv1.LabelServiceName: "api"}},
		AddressType: s.AddressType,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: s.Endpoints[0].Addresses}},
		Ports:       []discoveryv1.EndpointPort{{Port: s.Ports[0].Port, Protocol: s.Ports[0].Protocol, Name: new(string)}},
	}
}

// newCluster makes a cluster without a load balancer of its own. The second
// client may do what the rules say and no more.
func newCluster(t *testing.T) (cluster.Cluster, kubernetes.Interface, kubernetes.Interface) {
	cache := os.Getenv("SQUALL_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		require.NoError(t, err)
		cache = filepath.Join(dir, "squall")
	}
	p := embedded.New(cache)
	made, err := p.Create(t.Context(), cluster.Spec{
		Name: "loadbalancer-test", Workers: 1, NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("1Gi"),
		Without: cluster.Parts(),
	}, func(s string) { t.Log(s) })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Remove(context.Background(), "loadbalancer-test")) })
	kubeconfig, err := made.Kubeconfig()
	require.NoError(t, err)
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	require.NoError(t, err)
	admin, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	grant(t, admin)
	as := rest.CopyConfig(config)
	as.Impersonate = rest.ImpersonationConfig{UserName: "balancer"}
	limited, err := kubernetes.NewForConfig(as)
	require.NoError(t, err)
	return made, admin, limited
}

// grant gives a user what the rules say.
func grant(t *testing.T, admin kubernetes.Interface) {
	user := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "balancer"}}
	name := metav1.ObjectMeta{Name: "test-balancer"}
	ctx, r := t.Context(), admin.RbacV1()
	_, err := r.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: name, Rules: loadbalancer.Rules()}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = r.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: name, Subjects: user,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = r.Roles("kube-system").Create(ctx, &rbacv1.Role{ObjectMeta: name, Rules: loadbalancer.SystemRules()}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = r.RoleBindings("kube-system").Create(ctx, &rbacv1.RoleBinding{ObjectMeta: name, Subjects: user,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name.Name}}, metav1.CreateOptions{})
	require.NoError(t, err)
}
