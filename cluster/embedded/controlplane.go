package embedded

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Where etcd is reached, on the control-plane node's own loopback.
const (
	etcdAddress = "127.0.0.1:2379"
	etcdPeers   = "http://127.0.0.1:2380"
	etcdData    = "/var/lib/etcd/data"
)

// The hooks of the API server whose work is in the prepared state already.
// rbac/bootstrap-roles always takes a second, even with nothing to do, because
// it polls and waits first.
const (
	readyPath         = "/readyz"
	readyPathPrepared = "/readyz?exclude=poststarthook/rbac/bootstrap-roles&exclude=poststarthook/scheduling/bootstrap-system-priority-classes"
)

// startControlPlane starts etcd, the API server, and all that needs it, in that
// order: a client that starts before its server falls into a back-off that
// costs more than waiting.
func (m *machine) startControlPlane(ctx context.Context) error {
	ready := readyPath
	if m.Prepared {
		ready = readyPathPrepared
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
	if err := waitListening(ctx, "tcp4", etcdAddress); err != nil {
		return err
	}
	m.programs.keep(program{Name: "kube-apiserver", Args: m.apiServerArgs()})
	client, err := m.adminClient()
	if err != nil {
		return err
	}
	if err := waitOK(ctx, client, ready); err != nil {
		return err
	}
	if !m.Prepared {
		if err := m.firstStart(ctx, client); err != nil {
			return err
		}
	}
	m.programs.keep(program{Name: "kube-controller-manager", Args: m.controllerManagerArgs()})
	m.programs.keep(program{Name: "kube-scheduler", Args: append(m.componentArgs("scheduler"),
		"--leader-elect=false", "--bind-address=127.0.0.1")})
	return nil
}

// firstStart writes what every cluster has and, when there is a place for it,
// saves it so that later starts find it there.
func (m *machine) firstStart(ctx context.Context, client *rest.RESTClient) error {
	if err := applyAddons(ctx, client); err != nil {
		return err
	}
	if m.SaveTemp == "" {
		return nil
	}
	const snapshot = "/var/lib/etcd/first.db"
	if err := m.programs.run(program{Name: "etcdctl", Args: []string{
		"--endpoints=http://" + etcdAddress, "snapshot", "save", snapshot}}); err != nil {
		return fmt.Errorf("taking a snapshot of etcd: %w", err)
	}
	// Nobody waits for the rest: should it fail or be cut off, the next start
	// is a first one again.
	go func() {
		if err := m.save(snapshot); err != nil {
			m.send(event{What: whatExited, Program: "save", Status: err.Error()})
		}
	}()
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

// controllerManagerArgs are the controller manager's flags.
func (m *machine) controllerManagerArgs() []string {
	return append(m.componentArgs("controller-manager"),
		"--leader-elect=false", "--bind-address=127.0.0.1",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+filepath.Join(pkiDir, "sa.key"),
		"--root-ca-file="+filepath.Join(pkiDir, "ca.crt"),
		"--cluster-signing-cert-file="+filepath.Join(pkiDir, "ca.crt"),
		"--cluster-signing-key-file="+filepath.Join(pkiDir, "ca.key"),
		// With the default of 20 the default ServiceAccounts, and so the first
		// pods, are 5 s late.
		"--kube-api-qps=1000", "--kube-api-burst=2000")
}

// componentArgs are the flags by which a component reaches the API.
func (m *machine) componentArgs(user string) []string {
	path := m.kubeconfigPath(user)
	return []string{"--kubeconfig=" + path, "--authentication-kubeconfig=" + path, "--authorization-kubeconfig=" + path}
}
