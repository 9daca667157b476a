package kind

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"squall/cluster"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// Additions are what a file in kind's own format (kind.x-k8s.io/v1alpha4) adds to
// a cluster: mounts and ports of nodes, and patches of kubeadm's and containerd's
// configurations. All else of such a file is said in [cluster.Spec], the same for
// every provider.
type Additions struct {
	file                  string
	controlPlane, workers []v1alpha4.Node // in the file's order
	kubeadm, containerd   []string
}

// With returns a provider whose clusters have additions. Nodes that are added to a
// cluster later have its patches, and neither its mounts nor its ports, which are
// one node's.
func (p *Provider) With(a Additions) *Provider {
	with := *p
	with.additions = a
	return &with
}

// ReadAdditions reads a file. The error has a line for everything in it that is
// not for it, each with the file's line; nothing is left out silently.
func ReadAdditions(path string) (Additions, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Additions{}, fmt.Errorf("reading kind's configuration: %w", err)
	}
	r := &additionsReader{file: path}
	a := r.read(b)
	return a, errors.Join(r.found...)
}

// additionsReader collects what is wrong with a file.
type additionsReader struct {
	file  string
	found []error
}

func (r *additionsReader) say(at *yaml.Node, format string, args ...any) {
	r.found = append(r.found, fmt.Errorf("%s:%d: %s", r.file, at.Line, fmt.Sprintf(format, args...)))
}

// additionKeys are what may be said, by the level at which it stands.
func additionKeys() map[string][]string {
	return map[string][]string{
		"the file":            {"kind", "apiVersion", "nodes", "kubeadmConfigPatches", "containerdConfigPatches"},
		"a node":              {"role", "extraMounts", "extraPortMappings", "kubeadmConfigPatches"},
		"an extraMount":       {"hostPath", "containerPath", "readOnly", "selinuxRelabel", "propagation"},
		"an extraPortMapping": {"containerPort", "hostPort", "listenAddress", "protocol"},
	}
}

// elsewhere says where else a known part of kind's format is said.
func elsewhere(key string) string {
	switch key {
	case "name", "image", "networking":
		return "; Squall sets it"
	case "featureGates":
		return "; --feature-gate sets them"
	case "runtimeConfig":
		return "; --flag kube-apiserver.runtime-config=… sets it"
	}
	return ""
}

// additionsFile is what is read of a file. kind's own types stop at the first
// value that they do not know.
type additionsFile struct {
	Kind                    string        `yaml:"kind"`
	APIVersion              string        `yaml:"apiVersion"`
	Nodes                   []addedToNode `yaml:"nodes"`
	KubeadmConfigPatches    []string      `yaml:"kubeadmConfigPatches"`
	ContainerdConfigPatches []string      `yaml:"containerdConfigPatches"`
}

type addedToNode struct {
	Role                 string       `yaml:"role"`
	ExtraMounts          []addedMount `yaml:"extraMounts"`
	ExtraPortMappings    []addedPort  `yaml:"extraPortMappings"`
	KubeadmConfigPatches []string     `yaml:"kubeadmConfigPatches"`
}

type addedMount struct {
	HostPath       string `yaml:"hostPath"`
	ContainerPath  string `yaml:"containerPath"`
	ReadOnly       bool   `yaml:"readOnly"`
	SelinuxRelabel bool   `yaml:"selinuxRelabel"`
	Propagation    string `yaml:"propagation"`
}

type addedPort struct {
	ContainerPort int32  `yaml:"containerPort"`
	HostPort      int32  `yaml:"hostPort"`
	ListenAddress string `yaml:"listenAddress"`
	Protocol      string `yaml:"protocol"`
}

// asKind is the node as kind's library has it. A mount's path is taken from where
// the command is called, as kind does; a port that names no address is the
// loopback's only, where kind's own would be open to all.
func (n addedToNode) asKind() v1alpha4.Node {
	node := v1alpha4.Node{Role: v1alpha4.NodeRole(n.Role), KubeadmConfigPatches: n.KubeadmConfigPatches}
	for _, m := range n.ExtraMounts {
		path, err := filepath.Abs(m.HostPath)
		if err != nil {
			path = m.HostPath // there is no working directory; the engine refuses it
		}
		node.ExtraMounts = append(node.ExtraMounts, v1alpha4.Mount{HostPath: path, ContainerPath: m.ContainerPath, Readonly: m.ReadOnly,
			SelinuxRelabel: m.SelinuxRelabel, Propagation: v1alpha4.MountPropagation(m.Propagation)})
	}
	for _, p := range n.ExtraPortMappings {
		node.ExtraPortMappings = append(node.ExtraPortMappings, v1alpha4.PortMapping{ContainerPort: p.ContainerPort, HostPort: p.HostPort,
			ListenAddress: cmp.Or(p.ListenAddress, "127.0.0.1"), Protocol: v1alpha4.PortMappingProtocol(p.Protocol)})
	}
	return node
}

func (r *additionsReader) read(b []byte) Additions {
	a := Additions{file: r.file}
	var document yaml.Node
	if err := yaml.Unmarshal(b, &document); err != nil {
		r.found = append(r.found, fmt.Errorf("%s: %w", r.file, err))
		return a
	}
	if len(document.Content) == 0 {
		r.found = append(r.found, fmt.Errorf("%s: it is empty", r.file))
		return a
	}
	root := document.Content[0]
	top := r.keys("the file", root)
	var config additionsFile
	if err := root.Decode(&config); err != nil { // it names every line that is of another type
		r.found = append(r.found, fmt.Errorf("%s: %w", r.file, err))
		return a
	}
	if config.Kind != "Cluster" || config.APIVersion != "kind.x-k8s.io/v1alpha4" {
		r.say(root, "kind %q, apiVersion %q; allowed: Cluster of kind.x-k8s.io/v1alpha4", config.Kind, config.APIVersion)
	}
	a.kubeadm, a.containerd = config.KubeadmConfigPatches, config.ContainerdConfigPatches
	r.checkPatches(top["kubeadmConfigPatches"])
	for i, at := range items(top["nodes"]) {
		r.checkNode(at, config.Nodes[i])
		node := config.Nodes[i].asKind()
		if node.Role == v1alpha4.ControlPlaneRole {
			a.controlPlane = append(a.controlPlane, node)
		} else {
			a.workers = append(a.workers, node)
		}
	}
	return a
}

// keys are the values of a mapping by their keys, of which only those of its level
// are allowed.
func (r *additionsReader) keys(level string, at *yaml.Node) map[string]*yaml.Node {
	found := map[string]*yaml.Node{}
	if at = target(at); at.Kind != yaml.MappingNode {
		r.say(at, "%s is to be a mapping", level)
		return found
	}
	allowed := additionKeys()[level]
	for i := 0; i+1 < len(at.Content); i += 2 {
		key := at.Content[i]
		if !slices.Contains(allowed, key.Value) {
			r.say(key, "%s has no %q here%s; allowed: %s", level, key.Value, elsewhere(key.Value), strings.Join(allowed, ", "))
			continue
		}
		found[key.Value] = at.Content[i+1]
	}
	return found
}

// items are the entries of a list; of what is no list, none.
func items(at *yaml.Node) []*yaml.Node {
	if at = target(at); at == nil || at.Kind != yaml.SequenceNode {
		return nil
	}
	return at.Content
}

// target is what an alias stands for.
func target(at *yaml.Node) *yaml.Node {
	if at != nil && at.Kind == yaml.AliasNode {
		return at.Alias
	}
	return at
}

func (r *additionsReader) checkNode(at *yaml.Node, node addedToNode) {
	parts := r.keys("a node", at)
	r.oneOf(at, "role", node.Role, "control-plane", "worker")
	r.checkPatches(parts["kubeadmConfigPatches"])
	for i, at := range items(parts["extraMounts"]) {
		r.keys("an extraMount", at)
		r.checkMount(at, node.ExtraMounts[i])
	}
	for i, at := range items(parts["extraPortMappings"]) {
		r.keys("an extraPortMapping", at)
		r.checkPort(at, node.ExtraPortMappings[i])
	}
}

// oneOf checks a value that may be one of some.
func (r *additionsReader) oneOf(at *yaml.Node, what, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.say(at, "%s %q; allowed: %s", what, value, strings.Join(slices.DeleteFunc(allowed, func(s string) bool { return s == "" }), ", "))
	}
}

func (r *additionsReader) checkMount(at *yaml.Node, m addedMount) {
	if _, err := os.Stat(m.HostPath); err != nil {
		// The engine would make a folder there, which is root's.
		r.say(at, "hostPath %q is not there", m.HostPath)
	}
	if !strings.HasPrefix(m.ContainerPath, "/") {
		r.say(at, "containerPath %q is to be absolute", m.ContainerPath)
	}
	ours := func(own string) bool { return isBelow(m.ContainerPath, own) || isBelow(own, m.ContainerPath) }
	if slices.ContainsFunc([]string{programsDir, ownDir, orderPath}, ours) {
		r.say(at, "containerPath %q is Squall's own", m.ContainerPath)
	}
	r.oneOf(at, "propagation", m.Propagation, "", "None", "HostToContainer", "Bidirectional")
}

func (r *additionsReader) checkPort(at *yaml.Node, m addedPort) {
	if _, err := netip.ParseAddr(m.ListenAddress); err != nil && m.ListenAddress != "" {
		r.say(at, "listenAddress %q is no IP address", m.ListenAddress)
	}
	if m.ContainerPort < 1 || m.ContainerPort > 65535 {
		r.say(at, "containerPort %d; allowed: 1 to 65535", m.ContainerPort)
	}
	if m.HostPort < 0 || m.HostPort > 65535 {
		r.say(at, "hostPort %d; allowed: 1 to 65535, or 0 for any", m.HostPort)
	}
	r.oneOf(at, "protocol", m.Protocol, "", "TCP", "UDP", "SCTP")
}

// isBelow tells whether a path is a folder's, or the folder.
func isBelow(path, folder string) bool {
	below, err := filepath.Rel(folder, path)
	return err == nil && below != ".." && !strings.HasPrefix(below, "../")
}

// checkPatches checks that kubeadm's patches are of objects that it has.
func (r *additionsReader) checkPatches(at *yaml.Node) {
	allowed := []string{"ClusterConfiguration", "InitConfiguration", "JoinConfiguration", "KubeletConfiguration", "KubeProxyConfiguration"}
	for _, patch := range items(at) {
		patch = target(patch)
		var object struct {
			Kind string `yaml:"kind"`
		}
		if err := yaml.Unmarshal([]byte(patch.Value), &object); err != nil {
			r.say(patch, "the patch is no YAML: %v", err)
		} else if !slices.Contains(allowed, object.Kind) {
			r.say(patch, "the patch is of kind %q; allowed: %s", object.Kind, strings.Join(allowed, ", "))
		}
	}
}

// check refuses additions to nodes that the cluster does not have.
func (a Additions) check(spec cluster.Spec) error {
	control := max(spec.ControlPlanes, 1)
	if len(a.controlPlane) <= control && len(a.workers) <= spec.Workers {
		return nil
	}
	return fmt.Errorf("%s has %d control-plane nodes and %d workers, more than the cluster: %d and %d",
		a.file, len(a.controlPlane), len(a.workers), control, spec.Workers)
}

// add gives a cluster's configuration the additions. Their patches come last, so
// that they hold.
func (a Additions) add(c *v1alpha4.Cluster) {
	c.KubeadmConfigPatches = append(c.KubeadmConfigPatches, a.kubeadm...)
	c.ContainerdConfigPatches = append(c.ContainerdConfigPatches, a.containerd...)
	left := map[v1alpha4.NodeRole][]v1alpha4.Node{v1alpha4.ControlPlaneRole: a.controlPlane, v1alpha4.WorkerRole: a.workers}
	for i := range c.Nodes {
		node := &c.Nodes[i]
		more := left[node.Role]
		if len(more) == 0 {
			continue
		}
		node.ExtraMounts = append(node.ExtraMounts, more[0].ExtraMounts...)
		node.ExtraPortMappings = append(node.ExtraPortMappings, more[0].ExtraPortMappings...)
		node.KubeadmConfigPatches = append(node.KubeadmConfigPatches, more[0].KubeadmConfigPatches...)
		left[node.Role] = more[1:]
	}
}
