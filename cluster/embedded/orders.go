//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"time"

	"squall/cluster"
	"squall/cluster/stoppods"
)

// obey carries out the supervisor's orders once the node is settled. The channel
// join is closed at the order to join, which may come more than once.
func (m *machine) obey(orders *json.Decoder, join chan<- struct{}) {
	<-m.settled
	known := m.Peers
	for joined := false; ; {
		var o order
		if orders.Decode(&o) != nil {
			return // the supervisor has gone, and the node goes with it
		}
		if o.Go && !joined {
			joined = true
			close(join)
		}
		if len(o.Peers) > 0 {
			if err := routePeers(m.Node, known, o.Peers); err != nil {
				m.send(event{What: whatFailed, Status: err.Error()})
			}
			known = o.Peers
		}
		if o.Stop {
			m.stop(context.Background())
			m.send(event{What: whatStopped})
		}
	}
}

// programGrace is how long a program of the node itself has to end. An API server
// uses it up: it waits for the watches of its clients, and they do not end.
const programGrace = 5 * time.Second

// stop ends what runs on the node, in order. A kubelet's own graceful shutdown
// needs systemd, so it is done here: first what would start things again ends,
// then the pods, then what they needed. Nobody tells the API.
func (m *machine) stop(ctx context.Context) {
	m.programs.close()
	m.programs.end(ctx, programGrace, "kubelet", kubeProxy, servicesName)
	stoppods.Stop(ctx, cluster.StopGrace)
	m.programs.end(ctx, programGrace, "kube-scheduler", "kube-controller-manager")
	m.programs.end(ctx, programGrace, "kube-apiserver")
	m.programs.end(ctx, programGrace, "etcd", "containerd")
}
