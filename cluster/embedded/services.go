//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"squall/cluster"
	"squall/cluster/loadbalancer"
	"squall/cluster/policy"
	"squall/cluster/volumes"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// A node's own services are what other clusters run as DaemonSets and cloud
// controllers: the NetworkPolicy controller, the provisioner of volumes and, on
// control-plane nodes, the addresses of LoadBalancer Services. They are one
// process a node, which the node keeps running; its rules and mounts stay while
// it is away.

// cniResults is where a node's CNI keeps the addresses that it has given.
const cniResults = "/var/lib/cni/results"

// serviceOrder is what the services' process is told, as its argument.
type serviceOrder struct {
	Node         string
	ControlPlane bool
	Kubeconfig   string
	VolumeSpace  int64 // bytes that the node's volumes may have together
	Without      map[cluster.Part]bool
}

// startServices keeps the node's services running.
func (m *machine) startServices() error {
	b, err := json.Marshal(serviceOrder{
		Node: m.Node.Name, ControlPlane: m.Node.ControlPlane, Kubeconfig: m.kubeconfigPath("node-services"),
		VolumeSpace: m.VolumeSpace, Without: m.Settings.Without,
	})
	if err != nil {
		return err
	}
	m.programs.keep(program{Name: servicesName, Path: "/proc/self/exe", Args: []string{string(b)}})
	return nil
}

// services is the process. It ends when any of them fails, and is started again.
func services(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, need one", len(args))
	}
	var o serviceOrder
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the services' kubeconfig: %w", err)
	}
	cfg.ContentType = "application/vnd.kubernetes.protobuf" // a quarter of the work of JSON
	cfg.QPS, cfg.Burst = 50, 100
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return runAll(ctx, o.services(client, slog.New(slog.NewTextHandler(os.Stderr, nil))))
}

// services are those that the node runs.
func (o serviceOrder) services(client kubernetes.Interface, log *slog.Logger) []func(context.Context) error {
	var all []func(context.Context) error
	if !o.Without[cluster.Policy] {
		all = append(all, func(ctx context.Context) error {
			return policy.Run(ctx, policy.Options{Client: client, Node: o.Node, Log: log, CNIResults: cniResults})
		})
	}
	if !o.Without[cluster.Storage] {
		all = append(all, func(ctx context.Context) error {
			return volumes.Run(ctx, volumes.Options{Client: client, Node: o.Node, Log: log, Disks: &volumes.Folder{
				Root:     nodeVolumes(o.Node),
				Mount:    func(path string, bytes int64) error { return askDisk(diskOrder{Path: path, Bytes: bytes}) },
				Unmount:  func(path string) error { return askDisk(diskOrder{Path: path, Unmount: true}) },
				Capacity: o.VolumeSpace,
			}})
		})
	}
	if o.ControlPlane && !o.Without[cluster.LoadBalancers] {
		all = append(all, func(ctx context.Context) error {
			return loadbalancer.Run(ctx, loadbalancer.Options{Client: client, Node: o.Node, Pool: netip.MustParsePrefix(balancerAddresses), Log: log})
		})
	}
	return all
}

// runAll runs functions side by side until one fails or ctx ends.
func runAll(ctx context.Context, all []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	for _, run := range all {
		go func() { ended <- run(ctx) }()
	}
	var errs []error
	for range all {
		err := <-ended
		if err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
			cancel()
		}
	}
	<-ctx.Done() // without any there is nothing to do, but to be there
	return errors.Join(errs...)
}

// serviceAddons are the objects that the services need: their rights, and the
// default StorageClass.
func (m *machine) serviceAddons() []addon {
	everywhere, system := serviceRules(m.Settings.Without)
	addons := serviceRights("squall:node-services", everywhere, system)
	if !m.Settings.Without[cluster.Storage] {
		class := volumes.StorageClass()
		// The kernel lets a mounted ext4 grow only for who has CAP_SYS_RESOURCE;
		// without, the API refuses a larger request with a reason.
		class.AllowVolumeExpansion = &m.SysResource
		addons = append(addons,
			addon{"/apis/storage.k8s.io/v1/storageclasses", class},
			addon{"/apis/storage.k8s.io/v1/csidrivers", volumes.Driver()})
	}
	return addons
}

// serviceRules are the rights that the services need, of the parts that are
// there. All nodes' services are one user, so workers have the load balancer's
// rights, too, which they do not use.
func serviceRules(without map[cluster.Part]bool) (everywhere, system []rbacv1.PolicyRule) {
	if !without[cluster.Policy] {
		everywhere = append(everywhere, policy.Rules()...)
	}
	if !without[cluster.Storage] {
		everywhere, system = append(everywhere, volumes.Rules()...), append(system, volumes.SystemRules()...)
	}
	if !without[cluster.LoadBalancers] {
		everywhere, system = append(everywhere, loadbalancer.Rules()...), append(system, loadbalancer.SystemRules()...)
	}
	return everywhere, system
}

// serviceRights gives the services' user rights in the whole cluster and rights
// in kube-system.
func serviceRights(name string, everywhere, system []rbacv1.PolicyRule) []addon {
	kind := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}
	}
	user := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: servicesUser}}
	meta := metav1.ObjectMeta{Name: name}
	return []addon{
		{rbacPath + "/clusterroles", &rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"), ObjectMeta: meta, Rules: everywhere}},
		{rbacPath + "/clusterrolebindings", &rbacv1.ClusterRoleBinding{TypeMeta: kind("ClusterRoleBinding"), ObjectMeta: meta,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}, Subjects: user}},
		{rbacPath + systemPath + "/roles", &rbacv1.Role{TypeMeta: kind("Role"), ObjectMeta: meta, Rules: system}},
		{rbacPath + systemPath + "/rolebindings", &rbacv1.RoleBinding{TypeMeta: kind("RoleBinding"), ObjectMeta: meta,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, Subjects: user}},
	}
}
