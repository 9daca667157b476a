package components

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"squall/workloads/image/gobuild"
)

// The pinned versions. Each is also in the recipe's go.mod, where a test holds
// it to these.
const (
	// KubernetesVersion is that of every Kubernetes program.
	KubernetesVersion = "v1.36.3"
	// EtcdVersion is the one that this Kubernetes' own go.mod asks for. It is
	// that of etcdctl and etcdutl too.
	EtcdVersion = "v3.6.8"
	// ContainerdVersion is that of containerd, its runc shim and ctr.
	ContainerdVersion = "v2.2.1"
	// CNIVersion is that of the CNI plugins.
	CNIVersion = "v1.9.1"
	// CoreDNSVersion is that of CoreDNS.
	CoreDNSVersion = "v1.14.3"
	// MetricsServerVersion is that of metrics-server.
	MetricsServerVersion = "v0.9.0"
)

// The folders of a tree.
const (
	binFolder = "bin"
	cniFolder = "cni"
)

//go:embed recipes
var recipeFiles embed.FS

// Component describes a part of what a cluster runs.
type Component struct {
	// Name is the component's, for example "containerd".
	Name string
	// Module is the Go module it is built from; empty for our own programs.
	Module string
	// Version is the module's; empty for our own programs.
	Version string
	// Programs are the names under which its programs are found.
	Programs []string
}

// List describes all components, those that a recipe brings along included, in
// the order in which they are built.
func List() []Component {
	var all []Component
	for _, r := range shipped() {
		c := r.Component
		c.Programs = r.names()
		all = append(all, c)
		all = append(all, r.also...)
	}
	return all
}

// recipe says how a component is built from the folder recipes/<Name>.
type recipe struct {
	Component
	// also are components that the recipe's first program contains.
	also     []Component
	source   fs.FS // nil: the folder of that name that travels in the binary
	programs []gobuild.Program
	// links are names under which the first program is also found.
	links []string
	// folder is where the programs go in the tree.
	folder  string
	ldflags string
	// patience is added to the message when the build begins.
	patience string
}

// target is what is to be compiled.
func (r recipe) target() (gobuild.Target, error) {
	source := r.source
	if source == nil {
		var err error
		if source, err = fs.Sub(recipeFiles, "recipes/"+r.Name); err != nil {
			return gobuild.Target{}, fmt.Errorf("recipe %s: %w", r.Name, err)
		}
	}
	return gobuild.Target{Name: r.Name, Source: source, Programs: r.programs, LDFlags: r.ldflags}, nil
}

// names are the names under which the recipe's own programs are found. A program
// that only ever runs under other names is not among them.
func (r recipe) names() []string {
	taken := make(map[string]bool)
	for _, other := range r.also {
		for _, name := range other.Programs {
			taken[name] = true
		}
	}
	var names []string
	if len(r.links) == 0 {
		for _, p := range r.programs {
			names = append(names, p.Name)
		}
	}
	for _, link := range r.links {
		if !taken[link] {
			names = append(names, link)
		}
	}
	return names
}

// shipped are the recipes, the slowest first.
func shipped() []recipe {
	return []recipe{
		kubernetes(),
		{
			Component: Component{Name: "containerd", Module: "github.com/containerd/containerd/v2", Version: ContainerdVersion},
			programs: []gobuild.Program{
				{Name: "containerd", Package: "github.com/containerd/containerd/v2/cmd/containerd"},
				{Name: "containerd-shim-runc-v2", Package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
				{Name: "ctr", Package: "github.com/containerd/containerd/v2/cmd/ctr"},
			},
			folder:   binFolder,
			ldflags:  "-X github.com/containerd/containerd/v2/version.Version=" + ContainerdVersion,
			patience: ", which takes a minute the first time",
		},
		{
			Component: Component{Name: "cni", Module: "github.com/containernetworking/plugins", Version: CNIVersion},
			programs: []gobuild.Program{
				{Name: "host-local", Package: "github.com/containernetworking/plugins/plugins/ipam/host-local"},
				{Name: "loopback", Package: "github.com/containernetworking/plugins/plugins/main/loopback"},
				{Name: "portmap", Package: "github.com/containernetworking/plugins/plugins/meta/portmap"},
				{Name: "ptp", Package: "github.com/containernetworking/plugins/plugins/main/ptp"},
			},
			folder:  cniFolder,
			ldflags: "-X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=" + CNIVersion,
		},
		{
			Component: Component{Name: "coredns", Module: "github.com/coredns/coredns", Version: CoreDNSVersion},
			programs:  []gobuild.Program{{Name: "coredns"}},
			folder:    binFolder,
			patience:  ", which takes a minute the first time",
		},
		{
			Component: Component{Name: "metrics-server", Module: "sigs.k8s.io/metrics-server", Version: MetricsServerVersion},
			programs:  []gobuild.Program{{Name: "metrics-server", Package: "sigs.k8s.io/metrics-server/cmd/metrics-server"}},
			folder:    binFolder,
			// Its Makefile stamps the version there.
			ldflags:  "-X k8s.io/client-go/pkg/version.gitVersion=" + MetricsServerVersion,
			patience: ", which takes two minutes the first time",
		},
		{
			Component: Component{Name: "pause"},
			programs:  []gobuild.Program{{Name: "pause"}},
			folder:    binFolder,
		},
	}
}

// kubernetes is one program for all of Kubernetes and etcd: they share most of
// their code, so one file of 145 MB takes the place of 600 MB.
func kubernetes() recipe {
	return recipe{
		Component: Component{Name: "kubernetes", Module: "k8s.io/kubernetes", Version: KubernetesVersion},
		also: []Component{
			{Name: "etcd", Module: "go.etcd.io/etcd/server/v3", Version: EtcdVersion, Programs: []string{"etcd"}},
			{Name: "etcdctl", Module: "go.etcd.io/etcd/etcdctl/v3", Version: EtcdVersion, Programs: []string{"etcdctl"}},
			{Name: "etcdutl", Module: "go.etcd.io/etcd/etcdutl/v3", Version: EtcdVersion, Programs: []string{"etcdutl"}},
		},
		programs: []gobuild.Program{{Name: "kube"}},
		links: []string{
			"etcd", "etcdctl", "etcdutl", "kube-apiserver", "kube-controller-manager",
			"kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet",
		},
		folder:   binFolder,
		ldflags:  kubernetesLDFlags(KubernetesVersion),
		patience: ", which takes about five minutes the first time",
	}
}

// kubernetesLDFlags stamp the version as Kubernetes' own build does; without it
// the programs take themselves for v0.0.0.
func kubernetesLDFlags(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const base = "k8s.io/component-base/version."
	return strings.Join([]string{
		"-X " + base + "gitVersion=" + version,
		"-X " + base + "gitMajor=" + parts[0],
		"-X " + base + "gitMinor=" + parts[1],
		"-X " + base + "gitTreeState=clean",
		"-X k8s.io/client-go/pkg/version.gitVersion=" + version,
	}, " ")
}
