package nodeimage

import (
	"context"
	"fmt"
	"path/filepath"

	"squall/cluster/components"
	"squall/workloads/image"
)

// The images of the nodes' own programs, as they are made; [assemble] gives them
// the names that kubeadm looks for.
const (
	kubeRef    = "squall.local/kube:" + components.KubernetesVersion
	pauseRef   = "squall.local/pause:v1"
	dnsRef     = "squall.local/coredns:" + components.CoreDNSVersion
	metricsRef = "squall.local/metrics-server:" + components.MetricsServerVersion
)

// systemImages makes them. One image is every program of the control plane and
// kube-proxy, which needs nft and conntrack beside it.
func systemImages(ctx context.Context, b image.Builder, tree components.Tree) ([]image.Image, error) {
	program, err := filepath.EvalSymlinks(tree.Path("kubelet"))
	if err != nil {
		return nil, fmt.Errorf("finding what nodes run: %w", err)
	}
	names := map[string]string{}
	for _, name := range []string{"etcd", "etcdctl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		names["/usr/local/bin/"+name] = "kube"
	}
	kube, err := b.FromDebian(ctx, image.Debian{
		Ref: kubeRef, Packages: []string{"nftables", "conntrack"},
		Files: []image.File{{Path: "/usr/local/bin/kube", Mode: 0o755, Source: program}}, Links: names,
		Entrypoint: []string{"/usr/local/bin/kube"},
	})
	if err != nil {
		return nil, err
	}
	images := []image.Image{kube}
	for _, binary := range []image.Binary{
		{Name: "pause", Ref: pauseRef, Path: tree.Path("pause")},
		{Name: "coredns", Ref: dnsRef, Path: tree.Path("coredns"), User: "0:0"},
		{Name: "metrics-server", Ref: metricsRef, Path: tree.Path("metrics-server")},
	} {
		img, err := b.FromBinary(ctx, binary)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return images, nil
}
