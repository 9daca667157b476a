//go:build linux

package embedded

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"squall/cluster/addons"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// preparedVariable tells our build of the API server that its first writes are
// in etcd already (components/recipes/kubernetes/apiserver.go).
const preparedVariable = "SQUALL_PREPARED_STATE=1"

// startControlPlane starts the API server and the controller manager. The API
// server waits for etcd, whose first absence alone would cost it a second.
//
// With prepared state everything else can start at once: the API's address is
// open from now on, and connections are held there until the server is ready
// (components/recipes/kubernetes/gate.go). Without, the first control-plane
// node writes what a cluster needs, and the rest waits: a client that starts
// before its server falls into a back-off that costs more than waiting. When the
// node was up before, its clients are in back-offs of their own already.
func (m *machine) startControlPlane(ctx context.Context) error {
	if err := waitListening(ctx, "tcp4", etcdLocal); err != nil {
		return err
	}
	server := program{Name: "kube-apiserver", Args: m.arguments("kube-apiserver", m.apiServerArgs())}
	manager := program{Name: "kube-controller-manager", Args: m.arguments("kube-controller-manager", m.controllerManagerArgs())}
	if m.Prepared && !m.again {
		return m.startGated(server, manager)
	}
	m.programs.keep(server)
	if m.again {
		// The API may not answer before other members of etcd are back, and they
		// are not started before this node is: nothing here waits for it.
		m.programs.keep(manager)
		m.send(event{What: whatOpen})
		return nil
	}
	client, err := m.waitAPI(ctx)
	if err != nil {
		return err
	}
	m.send(event{What: whatAPI})
	if m.Node.Name != controlPlaneName {
		m.programs.keep(manager)
		return nil
	}
	if err := addons.Apply(ctx, client, m.addons()); err != nil {
		return err
	}
	m.programs.keep(manager)
	if m.SaveTemp != "" {
		if err := m.snapshot(ctx, client); err != nil {
			return err
		}
	}
	m.send(event{What: whatOpen})
	return nil
}

// startGated starts an API server whose address is open before it is, and
// everything else with it.
func (m *machine) startGated(server, manager program) error {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{Port: apiPort})
	if err != nil {
		return fmt.Errorf("opening the API's address: %w", err)
	}
	defer listener.Close() // the file is another descriptor of it
	server.Env = []string{preparedVariable}
	if server.Listener, err = listener.File(); err != nil {
		return fmt.Errorf("opening the API's address: %w", err)
	}
	m.programs.keep(server)
	m.programs.keep(manager)
	m.send(event{What: whatOpen})
	return nil
}

// waitAPI waits until the API server is ready and returns an administrator's
// client for it.
func (m *machine) waitAPI(ctx context.Context) (*rest.RESTClient, error) {
	client, err := m.adminClient()
	if err != nil {
		return nil, err
	}
	if err := waitOK(ctx, client, "/readyz"); err != nil {
		return nil, err
	}
	return client, nil
}

// startScheduler starts the scheduler once this node is registered. It would
// find no node for CoreDNS before, and not try again for a second.
func (m *machine) startScheduler(ctx context.Context) error {
	client, err := m.waitAPI(ctx)
	if err != nil {
		return err
	}
	if m.Prepared || m.again {
		m.send(event{What: whatAPI})
	}
	if err := waitExists(ctx, client, "/api/v1/nodes", m.Node.Name); err != nil {
		return err
	}
	m.programs.keep(program{Name: "kube-scheduler", Args: m.arguments("kube-scheduler", m.schedulerArgs())})
	return nil
}

// waitOK waits until the API server answers 200.
func waitOK(ctx context.Context, client *rest.RESTClient, path string) error {
	for {
		var status int
		err := client.Get().RequestURI(path).Timeout(5 * time.Second).Do(ctx).StatusCode(&status).Error()
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server is not ready: %w", err)
		case <-time.After(5 * time.Millisecond): // the API server announces nothing before it listens
		}
	}
}

// adminClient is a client for the API server with an administrator's rights.
func (m *machine) adminClient() (*rest.RESTClient, error) {
	b, err := os.ReadFile(m.kubeconfigPath("admin"))
	if err != nil {
		return nil, err
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(b)
	if err != nil {
		return nil, fmt.Errorf("reading the administrator's kubeconfig: %w", err)
	}
	cfg.QPS, cfg.Burst = 1000, 1000
	return addons.NewRESTClient(cfg)
}

// waitExists waits until an object of that name exists in a collection; any
// object, when the name is empty.
func waitExists(ctx context.Context, client *rest.RESTClient, collection, name string) error {
	request := client.Get().AbsPath(collection).Param("watch", "true")
	if name != "" {
		request = request.Param("fieldSelector", "metadata.name="+name)
	}
	w, err := request.Watch(ctx)
	if err != nil {
		return fmt.Errorf("watching %s: %w", collection, err)
	}
	defer w.Stop()
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return fmt.Errorf("watching %s for %q: the API server ended the watch", collection, name)
			}
			if e.Type == watch.Added {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("there is no %q in %s: %w", name, collection, context.Cause(ctx))
		}
	}
}

// apiServerArgs are the API server's flags: those that kubeadm gives, and
// routing to aggregated APIs by endpoint.
func (m *machine) apiServerArgs() map[string]string {
	return map[string]string{
		"etcd-servers": "https://" + etcdLocal, "etcd-cafile": certificate("etcd-ca"),
		"etcd-certfile": certificate("apiserver-etcd-client"), "etcd-keyfile": key("apiserver-etcd-client"),
		"secure-port":              strconv.Itoa(apiPort),
		"advertise-address":        m.Node.address(),
		"service-cluster-ip-range": serviceNetwork,
		"authorization-mode":       "Node,RBAC",
		"enable-admission-plugins": "NodeRestriction",
		"allow-privileged":         "true",
		"client-ca-file":           certificate("ca"),
		"tls-cert-file":            certificate("apiserver"), "tls-private-key-file": key("apiserver"),
		"kubelet-certificate-authority":   certificate("ca"),
		"kubelet-client-certificate":      certificate("apiserver-kubelet-client"),
		"kubelet-client-key":              key("apiserver-kubelet-client"),
		"kubelet-preferred-address-types": "InternalIP",
		"service-account-issuer":          "https://kubernetes.default.svc.cluster.local",
		"service-account-key-file":        certificate("sa"), "service-account-signing-key-file": key("sa"),
		"requestheader-client-ca-file":       certificate("front-proxy-ca"),
		"requestheader-allowed-names":        "front-proxy-client",
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-username-headers":     "X-Remote-User",
		"proxy-client-cert-file":             certificate("front-proxy-client"), "proxy-client-key-file": key("front-proxy-client"),
		"enable-aggregator-routing": "true",
	}
}

// controllerManagerArgs are the controller manager's flags: those that kubeadm
// gives, and its API rate.
func (m *machine) controllerManagerArgs() map[string]string {
	return m.componentArgs("controller-manager", map[string]string{
		"use-service-account-credentials":  "true",
		"service-account-private-key-file": key("sa"),
		"root-ca-file":                     certificate("ca"),
		"cluster-signing-cert-file":        certificate("ca"),
		"cluster-signing-key-file":         key("ca"),
		// With the default of 20 the default ServiceAccounts, and so the first
		// pods, are 5 s late.
		"kube-api-qps": "1000", "kube-api-burst": "2000",
	})
}

func (m *machine) schedulerArgs() map[string]string {
	return m.componentArgs("scheduler", map[string]string{})
}

// componentArgs are the flags of a component that elects a leader, and by which
// it reaches the API.
func (m *machine) componentArgs(user string, more map[string]string) map[string]string {
	path := m.kubeconfigPath(user)
	maps.Copy(more, map[string]string{
		"kubeconfig": path, "authentication-kubeconfig": path, "authorization-kubeconfig": path,
		"leader-elect": "true", "bind-address": "127.0.0.1",
	})
	return more
}
