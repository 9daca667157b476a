package kind

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"squall/cluster"
	"squall/cluster/addons"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// rise brings a cluster up while kind's library is at work: what every cluster
// has is written as soon as the API answers, and what is deployed early as soon
// as nodes take pods. kind's own wait for readiness is not used; it succeeds
// when its time is over.
func (h *handle) rise(ctx context.Context, made *child, spec cluster.Spec, progress func(string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // kind's failure ends every wait
		select {
		case <-made.ended:
			if made.err != nil {
				cancel(made.err)
			}
		case <-ctx.Done():
		}
	}()
	if err := h.waitAPI(ctx); err != nil {
		return err
	}
	progress("the API answers; nodes join")
	admin, err := h.superAdmin(ctx)
	if err != nil {
		return err
	}
	if err := h.applyAddons(ctx, admin); err != nil {
		return err
	}
	if err := h.limit(ctx); err != nil {
		return err
	}
	if err := cluster.WaitNodesReady(ctx, admin, h.nodeNames()); err != nil {
		return err
	}
	progress("every node is Ready")
	early := make(chan error, 1)
	go func() {
		if spec.Early == nil {
			early <- nil
			return
		}
		early <- spec.Early(ctx, admin)
	}()
	errs := []error{h.eachNode(func(node string) error { return h.resolve(ctx, node) }), h.findAddresses(ctx)}
	if err := errors.Join(errs...); err != nil {
		cancel(err)
		<-early
		return err
	}
	progress("DNS answers on every node")
	select {
	case <-made.ended:
		errs = append(errs, made.err)
	case <-ctx.Done():
		errs = append(errs, context.Cause(ctx))
	}
	return errors.Join(append(errs, <-early)...)
}

func (h *handle) nodeNames() []string {
	var names []string
	for _, n := range h.state.Info.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// eachNode does something for every node at once.
func (h *handle) eachNode(do func(node string) error) error {
	names := h.nodeNames()
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = do(name) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// waitAPI waits until the API server says that it is ready, to anybody who asks.
func (h *handle) waitAPI(ctx context.Context) error {
	// Nothing secret is said and nothing that is heard is believed but that it
	// answers.
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.state.Info.Server+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(answer.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the API server: %w; last: %w", context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond): // it announces nothing before it listens
		}
	}
}

// superAdmin is kubeadm's kubeconfig of a user whom the API server obeys before
// any rights are written, for the host's loopback.
func (h *handle) superAdmin(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	if err := h.ask(ctx, clientHost, nil, &out, "file", "/etc/kubernetes/super-admin.conf"); err != nil {
		return nil, fmt.Errorf("reading the administrator's kubeconfig: %w", err)
	}
	cfg, err := clientcmd.Load(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("reading the administrator's kubeconfig: %w", err)
	}
	for _, c := range cfg.Clusters {
		c.Server = h.state.Info.Server
	}
	return clientcmd.Write(*cfg)
}

// applyAddons writes what every cluster has from the start.
func (h *handle) applyAddons(ctx context.Context, kubeconfig []byte) error {
	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return err
	}
	cfg.QPS, cfg.Burst = 1000, 1000
	client, err := addons.NewRESTClient(cfg)
	if err != nil {
		return err
	}
	if err := h.giveCredentials(ctx, cfg); err != nil {
		return err
	}
	grows, err := h.count(ctx, clientHost, "grows")
	if err != nil {
		return err
	}
	objects := append(networkRights(), addons.NodeServices(h.state.Settings.Without, servicesUser, grows == 1)...)
	objects = append(objects, addons.DNS(addons.DNSOptions{
		Image: dnsImage, ServiceIP: dnsServiceIP, NodeSelector: map[string]string{addons.ControlPlaneRole: ""},
	})...)
	return addons.Apply(ctx, client, objects)
}

// servicesUser is the user as which the nodes' own services call the API.
const servicesUser = "squall:node-services"

// networkRights let the nodes' services follow the nodes, for the routes to their
// pods.
func networkRights() []addons.Object {
	const name, path = "squall:node-network", "/apis/rbac.authorization.k8s.io/v1"
	kind := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: kind}
	}
	return []addons.Object{
		{Path: path + "/clusterroles", Object: &rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"), ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list", "watch"}}}}},
		{Path: path + "/clusterrolebindings", Object: &rbacv1.ClusterRoleBinding{TypeMeta: kind("ClusterRoleBinding"), ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: servicesUser}}}},
	}
}

// giveCredentials gives every node what its services need to call the API.
func (h *handle) giveCredentials(ctx context.Context, admin *rest.Config) error {
	authority, err := h.authority(ctx)
	if err != nil {
		return err
	}
	own, err := authority.issue(subject{user: servicesUser}, time.Now())
	if err != nil {
		return err
	}
	// Nodes reach the API as their kubelets do.
	kubeconfig, err := own.kubeconfig("https://"+containerName(h.state.Info.Name, clientHost)+":6443", admin.CAData)
	if err != nil {
		return err
	}
	return h.eachNode(func(node string) error {
		if err := h.ask(ctx, node, bytes.NewReader(kubeconfig), nil, "store", servicesConfig); err != nil {
			return fmt.Errorf("giving node %s its credentials: %w", node, err)
		}
		return nil
	})
}

// limit holds nodes to their sizes and shares, and keeps the engine from starting
// a node that was switched off.
func (h *handle) limit(ctx context.Context) error {
	for _, n := range h.state.Info.Nodes {
		args := append([]string{"update", "--restart=no"}, h.state.sizeArguments(n)...)
		if _, err := docker(ctx, append(args, containerName(h.state.Info.Name, n.Name))...); err != nil {
			return fmt.Errorf("holding node %s to its size, and off once it is switched off: %w", n.Name, err)
		}
	}
	return nil
}

// sizeArguments are a node's size, and its share of what the host has, as docker
// has them.
func (s state) sizeArguments(n cluster.Node) []string {
	if n.ControlPlane {
		return []string{"--cpu-shares", strconv.Itoa(wholeShare)}
	}
	args := []string{"--cpu-shares", strconv.Itoa(workerShare)}
	if s.CPU > 0 {
		args = append(args, "--cpus", strconv.FormatInt(s.CPU, 10))
	}
	if s.Memory > 0 {
		bytes := strconv.FormatInt(s.Memory, 10)
		args = append(args, "--memory", bytes, "--memory-swap", bytes)
	}
	return args
}

// resolve waits until names resolve on a node through the cluster's DNS.
func (h *handle) resolve(ctx context.Context, node string) error {
	if err := h.ask(ctx, node, nil, io.Discard, "resolve"); err != nil {
		return fmt.Errorf("the cluster's DNS does not answer on %s: %w", node, err)
	}
	return nil
}

// findAddresses reads the nodes' addresses.
func (h *handle) findAddresses(ctx context.Context) error {
	for i, n := range h.state.Info.Nodes {
		c, err := inspect(ctx, containerName(h.state.Info.Name, n.Name))
		if err != nil {
			return err
		}
		h.state.Info.Nodes[i].Address = c[0].address(h.state.Info.Name).String()
	}
	return nil
}
