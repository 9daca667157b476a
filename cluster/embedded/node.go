//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"squall/cluster/nodesize"

	"golang.org/x/sys/unix"
)

// machine is a node seen from inside.
type machine struct {
	nodeSetup
	programs *programs
	again    bool          // the node was up before, and has its disks
	settled  chan struct{} // closed once orders can be carried out

	mu     sync.Mutex // guards events
	events *json.Encoder
}

// node is PID 1 of a node.
func node([]string) error {
	f := os.NewFile(fdNode, "supervisor")
	conn, err := net.FileConn(f)
	if err != nil {
		return fmt.Errorf("reaching the supervisor: %w", err)
	}
	f.Close()
	m := &machine{events: json.NewEncoder(conn), settled: make(chan struct{})}
	orders := json.NewDecoder(conn)
	var first order
	if err := orders.Decode(&first); err != nil || first.Setup == nil {
		return fmt.Errorf("reading the node's setup from the supervisor: %v", err)
	}
	m.nodeSetup = *first.Setup
	join := make(chan struct{})
	go m.obey(orders, join)
	if err := m.run(context.Background(), join); err != nil {
		m.send(event{What: whatFailed, Status: err.Error()})
	}
	select {} // the supervisor's end is this one's
}

// run brings the node up.
func (m *machine) run(ctx context.Context, join <-chan struct{}) error {
	if err := m.settle(); err != nil {
		return err
	}
	_, err := os.Stat("/var/lib/kubelet/pods")
	m.again = err == nil
	m.programs = newPrograms(m.send)
	close(m.settled)
	if m.Node.ControlPlane {
		if err := m.startEtcd(); err != nil {
			return err
		}
	}
	runtime := make(chan error, 1)
	go func() { runtime <- m.startContainerd(ctx) }()
	if m.Node.ControlPlane {
		if err := m.startControlPlane(ctx); err != nil {
			return err
		}
	}
	if err := <-runtime; err != nil {
		return err
	}
	m.send(event{What: whatContainerd})
	select {
	case <-join:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if m.again { // pods come back before names resolve, and policies hold for them
		if err := m.startServices(); err != nil {
			return err
		}
	}
	m.programs.keep(program{Name: "kubelet", Args: m.arguments("kubelet", m.kubeletArgs())})
	m.programs.keep(program{Name: "kube-proxy", Args: []string{"--config=" + proxyConfig}})
	m.send(event{What: whatStarted})
	if m.Node.ControlPlane {
		if err := m.startScheduler(ctx); err != nil {
			return err
		}
	}
	if m.Node.Name == controlPlaneName {
		go m.hastenDNS(ctx)
	}
	if err := m.waitDNS(ctx); err != nil {
		return err
	}
	if m.Node.ControlPlane {
		// DNS runs on this node, so the node has been registered.
		if err := m.labelControlPlane(ctx); err != nil {
			return err
		}
	}
	m.send(event{What: whatDNS})
	if m.Node.Name == controlPlaneName {
		go m.finish(ctx)
	}
	if !m.again { // a new node has time for it now
		if err := m.startServices(); err != nil {
			return err
		}
	}
	giveBack()
	return nil
}

func (m *machine) kubeletArgs() map[string]string {
	args := map[string]string{
		"kubeconfig": m.kubeconfigPath("kubelet"), "config": kubeletConfig,
		"hostname-override": m.Node.Name, "node-ip": m.Node.address(),
	}
	if m.Node.ControlPlane {
		args["node-labels"] = controlPlaneHost + "="
	}
	return args
}

// startContainerd starts containerd once its images are there; on the control
// plane the API server starts meanwhile.
func (m *machine) startContainerd(ctx context.Context) error {
	if err := mountImages(ctx, filepath.Join(imagesDir, m.Store)); err != nil {
		return err
	}
	m.programs.keep(program{Name: "containerd", Args: []string{"--config", containerdConfig}})
	return waitListening(ctx, "unix", containerdSocket)
}

// settle gives the node its mounts, size, name, network and files.
func (m *machine) settle() error {
	steps := []func() error{
		func() error { return mountNode(m.Node, m.Groups) },
		func() error { return nodesize.Present(m.Node.CPU, m.Node.Memory) },
		nodesize.PresentBoot,
		func() error {
			if err := unix.Sethostname([]byte(m.Node.Name)); err != nil {
				return fmt.Errorf("naming the node: %w", err)
			}
			return nil
		},
		func() error { return configureNetwork(m.Node, m.Peers) },
		m.writeFiles,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// send reports to the supervisor.
func (m *machine) send(e event) {
	if len(e.Tail) > maxTail {
		e.Tail = e.Tail[len(e.Tail)-maxTail:]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.events.Encode(e) // without a supervisor there is no node either
}

// waitDNS waits until names resolve on this node through the cluster's DNS.
func (m *machine) waitDNS(ctx context.Context) error {
	for {
		err := resolve(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster's DNS does not answer on %s: %w", m.Node.Name, err)
		case <-time.After(50 * time.Millisecond): // nothing announces that a packet filter is in place
		}
	}
}

// waitListening waits until something accepts connections.
func waitListening(ctx context.Context, network, address string) error {
	for {
		c, err := net.Dial(network, address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w", address, err)
		case <-time.After(3 * time.Millisecond): // nothing announces a listener
		}
	}
}

// mountImages gives containerd the images of a store. What it writes to is
// copied; the unpacked layers are shared with every other node, read-only.
func mountImages(ctx context.Context, store string) error {
	const root = "/var/lib/containerd"
	const snapshots = "io.containerd.snapshotter.v1.overlayfs/snapshots"
	const content = "io.containerd.content.v1.content/blobs/"
	if err := waitFolder(ctx, store); err != nil {
		return err
	}
	from := filepath.Join(store, storeRoot)
	if _, err := os.Stat(filepath.Join(root, "io.containerd.metadata.v1.bolt")); os.IsNotExist(err) {
		if err := copyTree(from, root, func(rel string, size int64) bool {
			// With many images containerd's database is larger than that, too.
			return rel == snapshots || size > largestBlob && strings.HasPrefix(rel, content)
		}); err != nil {
			return fmt.Errorf("copying the images' metadata: %w", err)
		}
	}
	layers, err := os.ReadDir(filepath.Join(from, snapshots))
	if err != nil {
		return fmt.Errorf("listing the images' layers: %w", err)
	}
	for _, l := range layers {
		if err := bindReadOnly(filepath.Join(from, snapshots, l.Name()), filepath.Join(root, snapshots, l.Name())); err != nil {
			return err
		}
	}
	return nil
}

// waitFolder waits until a folder is there.
func waitFolder(ctx context.Context, path string) error {
	for {
		_, err := os.Stat(path)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the images: %w", err)
		case <-time.After(5 * time.Millisecond): // the maker is another process, outside
		}
	}
}

// largestBlob is the size above which a blob is not copied to a node. Manifests
// and configurations are a few kB and are read; layers are unpacked already.
const largestBlob = 500_000
