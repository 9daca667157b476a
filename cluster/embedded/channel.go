//go:build linux

package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"squall/cluster/settings"
)

// The file descriptors that the parts of a cluster are started with.
const (
	fdConfig   = 3 // a pipe with the configuration, read to its end
	fdEvents   = 4 // a pipe for events, one JSON object a line
	fdOwner    = 5 // janitor: a pipe whose other end the creator holds
	fdListener = 5 // supervisor: the API's listener on the host's loopback
	fdLife     = 6 // supervisor: a socket whose other end the janitor holds, see [lifeline]
	fdControl  = 7 // supervisor: the control socket
	fdNode     = 3 // node: a socket to the supervisor
)

// event tells the creator how a cluster comes up.
type event struct {
	Node string `json:",omitempty"`
	What what
	// Program, Status and Tail describe a program that ended: how, and the
	// last lines of its log.
	Program string `json:",omitempty"`
	Status  string `json:",omitempty"`
	Tail    string `json:",omitempty"`
}

// what says what an event tells.
type what string

const (
	whatLaunched   what = "launched"           // the supervisor was cloned
	whatReady      what = "ready"              // the janitor says so to everybody
	whatContainerd what = "containerd listens" // on a node
	whatOpen       what = "nodes may join"     // on the control plane
	whatAPI        what = "API ready"          // on the control plane
	whatStarted    what = "kubelet started"    // on a node
	whatDNS        what = "DNS answers"        // on a node, through the Service
	whatStopped    what = "stopped"            // on a node, in order
	whatTakesPods  what = "nodes take pods"    // every node is Ready
	whatDeployed   what = "workloads applied"  // the early work is done
	whatExited     what = "exited"             // a program ended
	whatFailed     what = "failed"             // a part gave up, Status says why
)

// order is what the supervisor tells a node.
type order struct {
	Setup *nodeSetup `json:",omitempty"` // first
	Go    bool       `json:",omitempty"` // join the cluster
	Stop  bool       `json:",omitempty"` // end what runs here, in order
	// Peers are all nodes, when they have changed.
	Peers []nodeConfig `json:",omitempty"`
}

// nodeSetup is what a node must know. It holds the node's own keys only.
type nodeSetup struct {
	Node        nodeConfig
	Peers       []nodeConfig
	Groups      groups
	SysResource bool // OOM scores and limits can be set
	PKI         pki
	Store       string // the name of the image store
	Prepared    bool   // an etcd data folder to start from is there
	// SaveTo and SaveTemp are the names, in the folder bound at saveDir, of the
	// prepared state that this start saves; empty when it saves none.
	SaveTo, SaveTemp string
	APIServer        string // where workers reach the API
	Settings         settings.Settings
	VolumeSpace      int64 // bytes that the node's volumes may have together
}

// eventWriter writes events as lines. Writers in several processes may share a
// pipe: a line is one write, which the kernel keeps whole up to PIPE_BUF bytes.
type eventWriter struct {
	mu   sync.Mutex
	file *os.File
}

// maxTail bounds the log excerpt in an event, so that an event stays below
// PIPE_BUF (4096 bytes on Linux).
const maxTail = 1500

func (w *eventWriter) send(e event) {
	if len(e.Tail) > maxTail {
		e.Tail = e.Tail[len(e.Tail)-maxTail:]
	}
	b, err := json.Marshal(e)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// The creator may be gone; then nobody wants to know.
	_, _ = w.file.Write(append(b, '\n'))
}

// readConfig reads a configuration from the pipe that this process was started
// with.
func readConfig(into any) error {
	f := os.NewFile(fdConfig, "config")
	defer f.Close()
	if err := json.NewDecoder(f).Decode(into); err != nil {
		return fmt.Errorf("reading the configuration from the starting process: %w", err)
	}
	return nil
}
