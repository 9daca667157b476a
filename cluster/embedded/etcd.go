//go:build linux

package embedded

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Where etcd is reached. As kubeadm lays it out, each API server asks the
// member on its own node; only members talk across nodes.
const (
	etcdLocal      = "127.0.0.1:2379"
	etcdClientPort = "2379"
	etcdPeerPort   = "2380"
	etcdData       = "/var/lib/etcd/data"
)

// etcdPeer is the URL under which the members know a node's etcd.
func etcdPeer(n nodeConfig) string {
	return "https://" + net.JoinHostPort(n.address(), etcdPeerPort)
}

// etcdCluster is etcd's list of initial members.
func etcdCluster(members []nodeConfig) string {
	var list []string
	for _, n := range members {
		list = append(list, n.Name+"="+etcdPeer(n))
	}
	return strings.Join(list, ",")
}

// certificate and key are the paths of a credential on the node.
func certificate(file string) string { return filepath.Join(pkiDir, file+".crt") }
func key(file string) string         { return filepath.Join(pkiDir, file+".key") }

// startEtcd starts etcd: from its own data when the node was up before, else
// from prepared state where there is one.
func (m *machine) startEtcd() error {
	_, err := os.Stat(etcdData)
	if errors.Is(err, fs.ErrNotExist) && m.Prepared {
		err = m.fillEtcd()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("giving etcd the prepared state: %w", err)
	}
	m.programs.keep(program{Name: "etcd", Args: m.arguments("etcd", m.etcdArgs())})
	return nil
}

// fillEtcd gives etcd the prepared state. A data folder belongs to one member of
// one set of members, so that of a single member is copied and several members
// are each restored from the snapshot.
func (m *machine) fillEtcd() error {
	members := controlPlanes(m.Peers)
	if len(members) == 1 {
		return copyTree(filepath.Join(preparedDir, preparedEtcd), etcdData, nil)
	}
	return m.restore(filepath.Join(preparedDir, preparedSnapshot), etcdData, members)
}

// restore makes this node's data folder of a set of members from a snapshot.
func (m *machine) restore(snapshot, to string, members []nodeConfig) error {
	return m.programs.run(program{Name: "etcdutl", Args: []string{
		"snapshot", "restore", snapshot, "--data-dir=" + to,
		"--name=" + m.Node.Name, "--initial-cluster=" + etcdCluster(members),
		"--initial-advertise-peer-urls=" + etcdPeer(m.Node),
	}})
}

func (m *machine) etcdArgs() map[string]string {
	return map[string]string{
		"name": m.Node.Name, "data-dir": etcdData, "log-level": "warn",
		"listen-client-urls":          "https://" + etcdLocal + ",https://" + net.JoinHostPort(m.Node.address(), etcdClientPort),
		"advertise-client-urls":       "https://" + net.JoinHostPort(m.Node.address(), etcdClientPort),
		"listen-peer-urls":            etcdPeer(m.Node),
		"initial-advertise-peer-urls": etcdPeer(m.Node),
		"initial-cluster":             etcdCluster(controlPlanes(m.Peers)),
		"client-cert-auth":            "true",
		"trusted-ca-file":             certificate("etcd-ca"), "cert-file": certificate("etcd-member"), "key-file": key("etcd-member"),
		"peer-client-cert-auth": "true",
		"peer-trusted-ca-file":  certificate("etcd-ca"), "peer-cert-file": certificate("etcd-member"), "peer-key-file": key("etcd-member"),
		// The data lives on a tmpfs: there is nothing to sync to.
		"unsafe-no-fsync": "true",
	}
}

// etcdctl runs etcd's client against this node's member.
func (m *machine) etcdctl(args ...string) error {
	return m.programs.run(program{Name: "etcdctl", Args: append([]string{
		"--endpoints=https://" + etcdLocal, "--cacert=" + certificate("etcd-ca"),
		"--cert=" + certificate("apiserver-etcd-client"), "--key=" + key("apiserver-etcd-client"),
	}, args...)})
}

// Where the etcd listens that only trims a snapshot.
const (
	trimClient = "127.0.0.1:12379"
	trimPeer   = "127.0.0.1:12380"
)

// trim removes from the etcd data in a folder what belongs to the processes
// that wrote it, and saves a snapshot of what is left. With their Leases, the
// next controller manager and scheduler would wait for leaders that are long
// dead; with the API servers' own, pods would be sent to servers that are gone.
func (m *machine) trim(ctx context.Context, data, snapshot string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("not done within a minute"))
	defer cancel()
	stop, err := m.programs.serve(program{Name: "etcd", Log: "etcd-trim", Args: []string{
		"--name=" + m.Node.Name, "--data-dir=" + data, "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls=http://" + trimClient, "--advertise-client-urls=http://" + trimClient,
		"--listen-peer-urls=http://" + trimPeer,
	}})
	if err != nil {
		return err
	}
	defer stop()
	if err := waitListening(ctx, "tcp4", trimClient); err != nil {
		return err
	}
	for _, prefix := range []string{"/registry/leases/", "/registry/masterleases/"} {
		if err := deletePrefix(ctx, "http://"+trimClient, prefix); err != nil {
			return err
		}
	}
	return m.programs.run(program{Name: "etcdctl", Args: []string{
		"--endpoints=http://" + trimClient, "snapshot", "save", snapshot}})
}

// deletePrefix removes every key that begins with a prefix, through the JSON
// gateway that etcd has on its client address.
func deletePrefix(ctx context.Context, endpoint, prefix string) error {
	end := []byte(prefix)
	end[len(end)-1]++ // prefixes are deleted as a range that ends before the next one
	encode := base64.StdEncoding.EncodeToString
	body := fmt.Sprintf(`{"key":%q,"range_end":%q}`, encode([]byte(prefix)), encode(end))
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/v3/kv/deleterange", bytes.NewBufferString(body))
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing %s from etcd: %w, last seen: %w", prefix, context.Cause(ctx), err)
		case <-time.After(10 * time.Millisecond): // it listens before it has a leader
		}
	}
}
