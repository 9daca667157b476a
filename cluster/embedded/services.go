//go:build linux

package embedded

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"squall/cluster/nodeservices"
	"squall/cluster/volumes"
)

// cniResults is where a node's CNI keeps the addresses that it has given.
const cniResults = "/var/lib/cni/results"

// startServices keeps the node's services running.
func (m *machine) startServices() error {
	arg, err := nodeservices.Order{
		Node: m.Node.Name, ControlPlane: m.Node.ControlPlane, Kubeconfig: m.kubeconfigPath("node-services"),
		VolumeSpace: m.VolumeSpace, Without: m.Settings.Without,
	}.Argument()
	if err != nil {
		return err
	}
	m.programs.keep(program{Name: servicesName, Path: "/proc/self/exe", Args: []string{arg}})
	return nil
}

// services is the process. It has the supervisor mount its disks.
func services(args []string) error {
	o, err := nodeservices.Read(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return nodeservices.Run(ctx, o, nodeservices.Options{
		Disks: &volumes.Folder{
			Root:     nodeVolumes(o.Node),
			Mount:    func(path string, bytes int64) error { return askDisk(diskOrder{Path: path, Bytes: bytes}) },
			Unmount:  func(path string) error { return askDisk(diskOrder{Path: path, Unmount: true}) },
			Capacity: o.VolumeSpace,
		},
		CNIResults: cniResults,
		Pool:       netip.MustParsePrefix(balancerAddresses),
		Log:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
}
