//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"squall/cluster/addons"
	"squall/cluster/components"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// BareResult is what a bare control plane took.
type BareResult struct {
	Writing  time.Duration // from nothing to the first object written
	Teardown time.Duration // from asking both to end until both had
}

// StartBare measures what a cluster is measured against: etcd and an API server
// as two plain processes on the host's loopback, which is what controller
// tests start (controller-runtime's envtest), with the flags that those give. It
// ends both before it returns.
func StartBare(ctx context.Context, tree components.Tree) (result BareResult, err error) {
	dir, err := os.MkdirTemp("", "squall-bare-*")
	if err != nil {
		return result, fmt.Errorf("making a folder for a bare control plane: %w", err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeoutCause(ctx, bringUpDeadline, fmt.Errorf("not within %s", bringUpDeadline))
	defer cancel()
	began := time.Now()
	b := bare{tree: tree, dir: dir}
	defer func() {
		ending := time.Now()
		b.stop()
		result.Teardown = time.Since(ending)
	}()
	if err := b.start(ctx); err != nil {
		return result, err
	}
	if err := b.write(ctx); err != nil {
		return result, err
	}
	result.Writing = time.Since(began)
	return result, nil
}

// bare is a control plane without nodes or controllers.
type bare struct {
	tree  components.Tree
	dir   string
	keys  pki
	api   string // host:port
	ended []bareProcess
}

// bareProcess is a process that was started.
type bareProcess struct {
	pid  int
	done <-chan error
}

func (b *bare) start(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	if b.keys, err = newPKI(time.Now()); err != nil {
		return err
	}
	for _, file := range []string{"ca", "apiserver", "sa"} {
		err := errors.Join(
			os.WriteFile(filepath.Join(b.dir, file+".crt"), b.keys[file].Cert, 0o600),
			os.WriteFile(filepath.Join(b.dir, file+".key"), b.keys[file].Key, 0o600))
		if err != nil {
			return fmt.Errorf("writing the keys of a bare control plane: %w", err)
		}
	}
	etcd, peer := "127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	b.api = "127.0.0.1:" + ports[2]
	if err := b.run("etcd", "--data-dir="+filepath.Join(b.dir, "etcd"), "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls=http://"+etcd, "--advertise-client-urls=http://"+etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer); err != nil {
		return err
	}
	if err := waitListening(ctx, "tcp4", etcd); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(b.dir, name) }
	return b.run("kube-apiserver", "--etcd-servers=http://"+etcd, "--bind-address=127.0.0.1", "--secure-port="+ports[2],
		"--advertise-address=127.0.0.1", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
		"--service-cluster-ip-range=10.0.0.0/24", "--client-ca-file="+file("ca.crt"),
		"--tls-cert-file="+file("apiserver.crt"), "--tls-private-key-file="+file("apiserver.key"),
		"--service-account-issuer=https://"+b.api, "--service-account-key-file="+file("sa.crt"),
		"--service-account-signing-key-file="+file("sa.key"))
}

// run starts a program that dies with this process.
func (b *bare) run(name string, args ...string) error {
	log, err := os.OpenFile(filepath.Join(b.dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	var failed error
	pid, done := onThread(func() (int, error) {
		pid, err := syscall.ForkExec(b.tree.Path(name), append([]string{name}, args...), &syscall.ProcAttr{
			Env:   partEnvironment(),
			Files: []uintptr{0, log.Fd(), log.Fd()},
			Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
		})
		failed = err
		return pid, err
	})
	if failed != nil {
		return fmt.Errorf("starting %s: %w", name, failed)
	}
	b.ended = append(b.ended, bareProcess{pid, done})
	return nil
}

// write creates an object as soon as the API server lets it.
func (b *bare) write(ctx context.Context) error {
	kubeconfig, err := b.keys.kubeconfig("bare", "https://"+b.api, "admin")
	if err != nil {
		return err
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return err
	}
	client, err := addons.NewRESTClient(cfg)
	if err != nil {
		return err
	}
	if err := waitOK(ctx, client, "/readyz"); err != nil {
		return fmt.Errorf("%w\n%s", err, tail(filepath.Join(b.dir, "kube-apiserver.log"), maxTail))
	}
	return createOne(ctx, client)
}

func createOne(ctx context.Context, client *rest.RESTClient) error {
	err := client.Post().AbsPath("/api/v1/namespaces/default/configmaps").Body(&corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "first"},
	}).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("writing the first object: %w", err)
	}
	return nil
}

// stop ends what was started, last first, and waits until it has. An API server
// that has not ended after its grace is killed.
func (b *bare) stop() {
	for i := len(b.ended) - 1; i >= 0; i-- {
		p := b.ended[i]
		select {
		case <-p.done: // it has ended, and its pid may be another's
			continue
		default:
		}
		_ = syscall.Kill(p.pid, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(cleanTimeout):
			killChild(p.pid)
			<-p.done
		}
	}
}

// freePorts finds ports on the loopback that nobody listens on.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close() // all at the end, so that no port is found twice
		_, port, _ := strings.Cut(l.Addr().String(), ":")
		ports = append(ports, port)
	}
	return ports, nil
}
