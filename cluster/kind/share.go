package kind

// The shares of the processors where all want them. The nodes of a cluster would
// be machines of their own. Here they and the control plane share the host's
// processors, and a service stands still when pods have to wait for the daemons
// that start and end other pods. So pods come before the daemons of their node,
// and workers before the control plane, as on embedded clusters. Shares are
// bounds, too: pods that burn all they get leave containerd and what it starts a
// ninth of a node, and two busy workers leave the control plane a fifth of the
// host.
const (
	// wholeShare is a control plane's, and what the kernel gives who says nothing:
	// cpu.shares of control groups of version 1. Engines turn it into cpu.weight by
	// formulas that differ, so nobody goes without saying.
	wholeShare  = 1024
	workerShare = 2 * wholeShare
	// daemonWeight is that of system.slice, where containerd is and all that it
	// starts. The kubelet and the pods are beside it in kubelet.slice, which has 100
	// as who says nothing. The kubelet burns little and has to be prompt: with a
	// weight as low its probes came too late where three clusters shared two cores.
	daemonWeight = 12
)
