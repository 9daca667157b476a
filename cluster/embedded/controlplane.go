//go:build linux

package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Where etcd is reached, on the control-plane node's own loopback.
const (
	etcdAddress = "127.0.0.1:2379"
	etcdPeers   = "http://127.0.0.1:2380"
	etcdData    = "/var/lib/etcd/data"
)

// preparedVariable tells our build of the API server that its first writes are
// in etcd already (components/recipes/kubernetes/apiserver.go).
const preparedVariable = "SQUALL_PREPARED_STATE=1"

// startEtcd starts etcd, from prepared state where there is one.
func (m *machine) startEtcd() error {
	if m.Prepared {
		if err := copyTree(filepath.Join(preparedDir, preparedEtcd), etcdData, nil); err != nil {
			return fmt.Errorf("copying the prepared state: %w", err)
		}
	}
	m.programs.keep(program{Name: "etcd", Args: []string{
		"--name=" + controlPlaneName, "--data-dir=" + etcdData, "--log-level=warn",
		"--listen-client-urls=http://" + etcdAddress, "--advertise-client-urls=http://" + etcdAddress,
		"--listen-peer-urls=" + etcdPeers, "--initial-advertise-peer-urls=" + etcdPeers,
		"--initial-cluster=" + controlPlaneName + "=" + etcdPeers,
		// The data lives on a tmpfs: there is nothing to sync to.
		"--unsafe-no-fsync",
	}})
	return nil
}

// startControlPlane starts the API server and the controller manager. The API
// server waits for etcd, whose first absence alone would cost it a second.
//
// With prepared state everything else can start at once: the API's address is
// open from now on, and connections are held there until the server is ready
// (components/recipes/kubernetes/gate.go). Without, what a cluster needs is
// written first, and the rest waits: a client that starts before its server
// falls into a back-off that costs more than waiting.
func (m *machine) startControlPlane(ctx context.Context) error {
	if err := waitListening(ctx, "tcp4", etcdAddress); err != nil {
		return err
	}
	server := program{Name: "kube-apiserver", Args: m.apiServerArgs()}
	if m.Prepared {
		listener, err := net.ListenTCP("tcp4", &net.TCPAddr{Port: apiPort})
		if err != nil {
			return fmt.Errorf("opening the API's address: %w", err)
		}
		server.Env = []string{preparedVariable}
		if server.Listener, err = listener.File(); err != nil {
			return fmt.Errorf("opening the API's address: %w", err)
		}
		listener.Close() // the file is another descriptor of it
		m.programs.keep(server)
		m.programs.keep(m.controllerManager())
		m.send(event{What: whatOpen})
		return nil
	}
	m.programs.keep(server)
	client, err := m.waitAPI(ctx)
	if err != nil {
		return err
	}
	m.send(event{What: whatAPI})
	if err := applyAddons(ctx, client); err != nil {
		return err
	}
	m.programs.keep(m.controllerManager())
	if m.SaveTemp != "" {
		if err := m.snapshot(ctx, client); err != nil {
			return err
		}
	}
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
	if m.Prepared {
		m.send(event{What: whatAPI})
	}
	if err := waitExists(ctx, client, "/api/v1/nodes", m.Node.Name); err != nil {
		return err
	}
	m.programs.keep(program{Name: "kube-scheduler", Args: append(m.componentArgs("scheduler"),
		"--leader-elect=false", "--bind-address=127.0.0.1")})
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
	return newRESTClient(cfg)
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
func (m *machine) apiServerArgs() []string {
	crt := func(file string) string { return filepath.Join(pkiDir, file+".crt") }
	key := func(file string) string { return filepath.Join(pkiDir, file+".key") }
	return []string{
		"--etcd-servers=http://" + etcdAddress,
		fmt.Sprintf("--secure-port=%d", apiPort),
		"--advertise-address=" + m.Node.address(),
		"--service-cluster-ip-range=" + serviceNetwork,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--client-ca-file=" + crt("ca"),
		"--tls-cert-file=" + crt("apiserver"), "--tls-private-key-file=" + key("apiserver"),
		"--kubelet-certificate-authority=" + crt("ca"),
		"--kubelet-client-certificate=" + crt("apiserver-kubelet-client"),
		"--kubelet-client-key=" + key("apiserver-kubelet-client"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + crt("sa"), "--service-account-signing-key-file=" + key("sa"),
		"--requestheader-client-ca-file=" + crt("front-proxy-ca"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + crt("front-proxy-client"), "--proxy-client-key-file=" + key("front-proxy-client"),
		"--enable-aggregator-routing=true",
	}
}

// controllerManager is the controller manager with its flags.
func (m *machine) controllerManager() program {
	return program{Name: "kube-controller-manager", Args: append(m.componentArgs("controller-manager"),
		"--leader-elect=false", "--bind-address=127.0.0.1",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+filepath.Join(pkiDir, "sa.key"),
		"--root-ca-file="+filepath.Join(pkiDir, "ca.crt"),
		"--cluster-signing-cert-file="+filepath.Join(pkiDir, "ca.crt"),
		"--cluster-signing-key-file="+filepath.Join(pkiDir, "ca.key"),
		// With the default of 20 the default ServiceAccounts, and so the first
		// pods, are 5 s late.
		"--kube-api-qps=1000", "--kube-api-burst=2000")}
}

// componentArgs are the flags by which a component reaches the API.
func (m *machine) componentArgs(user string) []string {
	path := m.kubeconfigPath(user)
	return []string{"--kubeconfig=" + path, "--authentication-kubeconfig=" + path, "--authorization-kubeconfig=" + path}
}
