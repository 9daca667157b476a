package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"squall/cluster"
	"squall/cluster/hostroom"

	"sigs.k8s.io/yaml"
)

// Add makes a worker. kind's library has no call for it, so the container is made
// as kind made the first worker's, and joins as that did. Nothing has to be kept
// ready for it. See [cluster.Nodes].
func (n nodes) Add(ctx context.Context) (cluster.Node, error) {
	added, err := n.add(ctx)
	if err != nil {
		return cluster.Node{}, fmt.Errorf("adding a node to cluster %q: %w", n.h.state.Info.Name, err)
	}
	return added, nil
}

func (n nodes) add(ctx context.Context) (cluster.Node, error) {
	end, err := n.turn(ctx, "all")
	if err != nil {
		return cluster.Node{}, err
	}
	defer end()
	s := n.h.now()
	like := slices.IndexFunc(s.Info.Nodes, func(n cluster.Node) bool { return !n.ControlPlane })
	if like < 0 {
		return cluster.Node{}, errors.New("there is no worker left to make another like")
	}
	if err := hostroom.CheckWatchers("the node", watchers().Node); err != nil {
		return cluster.Node{}, fmt.Errorf("%w: %w", cluster.ErrHost, err)
	}
	address, err := n.freeAddress(ctx, s)
	if err != nil {
		return cluster.Node{}, err
	}
	added := cluster.Node{Name: workerName(s.NextWorker), Address: address.String()}
	s.NextWorker++ // also when this fails: no other node shall have the name
	if err := errors.Join(s.write(n.h.folder), s.orderFor(added).write(n.h.folder)); err != nil {
		return cluster.Node{}, err
	}
	if err := n.join(ctx, s, s.Info.Nodes[like], added); err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), offDeadline)
		defer cancel()
		_, late := docker(undo, "rm", "--force", "--volumes", n.h.container(added.Name))
		return cluster.Node{}, errors.Join(fmt.Errorf("starting %s: %w", added.Name, err), late)
	}
	s.Info.Nodes = append(s.Info.Nodes, added)
	return added, s.write(n.h.folder)
}

// freeAddress is the lowest address of the cluster's network above all that its
// nodes have had; the first are the engine's own.
func (n nodes) freeAddress(_ context.Context, s state) (netip.Addr, error) {
	subnet, err := netip.ParsePrefix(s.Subnet)
	if err != nil {
		return netip.Addr{}, err
	}
	highest := subnet.Addr().Next()
	for _, node := range s.Info.Nodes {
		if a, err := netip.ParseAddr(node.Address); err == nil && highest.Less(a) {
			highest = a
		}
	}
	if next := highest.Next(); subnet.Contains(next.Next()) {
		return next, nil
	}
	return netip.Addr{}, fmt.Errorf("the cluster's network %s has no address left", subnet)
}

// join makes the container of a new node and has it join the cluster.
func (n nodes) join(ctx context.Context, s state, like, added cluster.Node) error {
	name := n.h.container(added.Name)
	args := append(n.containerArguments(s, added), s.Image)
	if _, err := docker(ctx, args...); err != nil {
		return err
	}
	// The first of these needs no more than the container; kubeadm needs
	// containerd.
	if err := n.h.ask(ctx, added.Name, nil, io.Discard, "booted"); err != nil {
		return err
	}
	if err := n.configureContainerd(ctx, like, added); err != nil {
		return err
	}
	conf, err := n.joinConfiguration(ctx, added)
	if err != nil {
		return err
	}
	if err := n.h.ask(ctx, added.Name, bytes.NewReader(conf), nil, "store", "/kind/kubeadm.conf"); err != nil {
		return err
	}
	if err := n.h.copyCredentials(ctx, added.Name); err != nil {
		return err
	}
	_, err = docker(ctx, "exec", "--privileged", name, "kubeadm", "join", "--config=/kind/kubeadm.conf", "--skip-phases=preflight", "--v=1")
	return err
}

// containerArguments are docker's arguments for a worker's container: those that
// kind gives (kind v0.33: pkg/cluster/internal/providers/docker/provision.go,
// runArgsForNode and commonArgs), its address, and its size.
func (n nodes) containerArguments(s state, added cluster.Node) []string {
	name := s.Info.Name
	args := []string{
		"run", "--detach", "--tty", "--name", n.h.container(added.Name), "--hostname", n.h.container(added.Name),
		"--label", kindCluster + "=" + name, "--label", "io.x-k8s.kind.role=worker",
		"--net", networkName(name), "--ip", added.Address, "--restart=no", "--init=false", "--cgroupns=private",
		"--privileged", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--tmpfs", "/tmp", "--tmpfs", "/run", "--volume", "/var", "--volume", "/lib/modules:/lib/modules:ro",
	}
	if _, err := os.Stat("/dev/fuse"); err == nil {
		args = append(args, "--device", "/dev/fuse")
	}
	for _, m := range mounts(s.Programs, n.h.folder, added.Name) {
		args = append(args, "--volume", m.HostPath+":"+m.ContainerPath+":ro")
	}
	return append(args, s.sizeArguments(added)...)
}

// configureContainerd gives a new node the configuration of containerd that
// another has.
func (n nodes) configureContainerd(ctx context.Context, like, added cluster.Node) error {
	const file = "/etc/containerd/config.toml"
	var config bytes.Buffer
	if err := n.h.ask(ctx, like.Name, nil, &config, "file", file); err != nil {
		return fmt.Errorf("reading the configuration of containerd on %s, which must be on: %w", like.Name, err)
	}
	if err := n.h.ask(ctx, added.Name, &config, nil, "store", file); err != nil {
		return err
	}
	_, err := docker(ctx, "exec", "--privileged", n.h.container(added.Name), "systemctl", "restart", "containerd")
	return err
}

// joinConfiguration is kubeadm's configuration for a new node: that of a node that
// is there, with another name, address and token. The token that kind gave ends
// after a day.
func (n nodes) joinConfiguration(ctx context.Context, added cluster.Node) ([]byte, error) {
	var conf bytes.Buffer
	if err := n.h.ask(ctx, clientHost, nil, &conf, "file", "/kind/kubeadm.conf"); err != nil {
		return nil, fmt.Errorf("reading the cluster's configuration: %w", err)
	}
	token, err := docker(ctx, "exec", "--privileged", n.h.container(clientHost), "kubeadm", "token", "create", "--ttl", "10m")
	if err != nil {
		return nil, err
	}
	return rewriteJoin(conf.Bytes(), n.h.state.Info.Name, n.h.container(added.Name), added, strings.TrimSpace(token))
}

// rewriteJoin keeps the JoinConfiguration of kubeadm's documents and makes it
// another node's.
func rewriteJoin(conf []byte, name, container string, added cluster.Node, token string) ([]byte, error) {
	for _, document := range strings.Split(string(conf), "\n---\n") {
		var join map[string]any
		if err := yaml.Unmarshal([]byte(document), &join); err != nil {
			return nil, fmt.Errorf("reading kubeadm's configuration: %w", err)
		}
		if join["kind"] != "JoinConfiguration" {
			continue
		}
		delete(join, "controlPlane")
		registration, _ := join["nodeRegistration"].(map[string]any)
		discovery, _ := join["discovery"].(map[string]any)
		bootstrap, _ := discovery["bootstrapToken"].(map[string]any)
		if registration == nil || bootstrap == nil {
			return nil, errors.New("kubeadm's configuration has no JoinConfiguration with a registration and a token")
		}
		registration["name"], bootstrap["token"] = added.Name, token
		own := map[string]string{"node-ip": added.Address, "node-labels": "", "provider-id": "kind://docker/" + name + "/" + container}
		args, _ := registration["kubeletExtraArgs"].([]any)
		for _, a := range args {
			arg, _ := a.(map[string]any)
			name, _ := arg["name"].(string)
			if value, ok := own[name]; ok {
				arg["value"] = value
			}
		}
		b, err := yaml.Marshal(join)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	return nil, errors.New("kubeadm's configuration has no JoinConfiguration")
}

// copyCredentials gives a node what the others' services call the API with.
func (h *handle) copyCredentials(ctx context.Context, node string) error {
	var kubeconfig bytes.Buffer
	if err := h.ask(ctx, clientHost, nil, &kubeconfig, "file", servicesConfig); err != nil {
		return fmt.Errorf("reading the nodes' credentials: %w", err)
	}
	return h.ask(ctx, node, &kubeconfig, nil, "store", servicesConfig)
}

// Remove switches a node off silently and forgets it, its disks included. See
// [cluster.Nodes].
func (n nodes) Remove(ctx context.Context, node string) error {
	if err := n.remove(ctx, node); err != nil {
		return fmt.Errorf("removing node %q from cluster %q: %w", node, n.h.state.Info.Name, err)
	}
	return nil
}

func (n nodes) remove(ctx context.Context, node string) error {
	if !n.h.hasNode(node) {
		return cluster.ErrNoNode
	}
	if node == clientHost {
		return fmt.Errorf("it is the client host, from where load comes: %w", cluster.ErrUnsupported)
	}
	for _, what := range []string{"all", node} {
		end, err := n.turn(ctx, what)
		if err != nil {
			return err
		}
		defer end()
	}
	c, err := n.look(ctx, node)
	if err == nil {
		err = n.powerOff(ctx, node, c)
	}
	if err == nil {
		_, err = docker(ctx, "rm", "--force", "--volumes", c.ID)
	}
	if err != nil && !goneOrGoing(err) {
		return err
	}
	s := n.h.now()
	s.Info.Nodes = slices.DeleteFunc(s.Info.Nodes, func(n cluster.Node) bool { return n.Name == node })
	_ = os.Remove(orderFile(n.h.folder, node)) // goes with the folder at the latest
	return s.write(n.h.folder)
}
