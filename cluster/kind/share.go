package kind

// The shares of the processors where all want them. The nodes of a cluster would
// be machines of their own. Here they and the control plane share the host's
// processors, and a service stands still when pods have to wait for the daemons
// that start and end other pods. So pods come before the daemons of their node,
// and workers before the control plane, as on embedded clusters. Shares are
// bounds, too: pods that burn all they get leave the daemons a fifth of a node
// with one processor, and two busy workers leave the control plane a fifth of the
// host.
const (
	// wholeShare is a control plane's, and what the kernel gives who says nothing:
	// cpu.shares of control groups of version 1. Engines turn it into cpu.weight by
	// formulas that differ, so nobody goes without saying.
	wholeShare  = 1024
	workerShare = 2 * wholeShare
	// daemonWeight is that of the groups of a node's daemons, where 100 is that of
	// who says nothing: of system.slice, with containerd and all else, beside
	// kubelet.slice, with the kubelet and the pods; and there of kubelet.service
	// beside the pods, which have 100 for each processor of the node.
	daemonWeight = 12
)
