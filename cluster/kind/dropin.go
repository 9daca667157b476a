package kind

import "fmt"

// dropIn is a file that adds to what systemd in a node knows of a unit. Nodes
// mount it, so that it is the same whatever image they are made of.
type dropIn struct {
	Name string // in the folder of the nodes' programs
	Path string // in a node
	Text string
}

// dropIns are those that every node has.
func dropIns() []dropIn {
	var all []dropIn
	for _, unit := range loggedUnits() {
		all = append(all, dropIn{unit + ".conf", "/etc/systemd/system/" + unit + ".service.d/90-squall-log.conf", logging(unit)})
	}
	return append(all, dropIn{"system.slice.conf", "/etc/systemd/system/system.slice.d/90-squall-share.conf",
		fmt.Sprintf("[Slice]\nCPUWeight=%d\n", daemonWeight)})
}

// loggedUnits are the units of a node whose output goes to files that outlive
// the node's power-off; the journal does not.
func loggedUnits() []string { return []string{"kubelet", "containerd", nodeName, prepareName} }

func logging(unit string) string {
	return fmt.Sprintf("[Service]\nLogsDirectory=squall\nStandardOutput=append:%[1]s/%[2]s.log\nStandardError=append:%[1]s/%[2]s.log\n", logDir, unit)
}
