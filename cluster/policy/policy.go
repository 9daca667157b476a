// Package policy enforces NetworkPolicy objects (networking.k8s.io/v1) on one
// node: it watches policies, pods and namespaces and keeps one table of nftables
// that drops what the policies of the node's pods do not allow.
//
// One runs on each node, in the node's network namespace. Egress is decided
// where a pod runs that sends, ingress where one runs that receives. The table
// stays in force when the process ends, however it ends, and connections that
// are established are left alone.
//
// It is not a pod network: something else gives pods their addresses and routes
// them through the node. It must be routed, not bridged, traffic: frames that a
// bridge passes on never meet the forward hook.
package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/knftables"
)

// Options say where to run.
type Options struct {
	// Client reads policies, pods and namespaces; Rules says what it must be
	// allowed to.
	Client kubernetes.Interface
	// Node is the name of the node that this process runs on.
	Node string
	// Log gets one line a change; nil logs nothing.
	Log *slog.Logger
	// CNIResults is the folder in which the container runtime keeps what its
	// network plugins answered, usually /var/lib/cni/results. With it a pod's
	// rules are there before its containers start; without it they come when the
	// API knows the pod's address. Empty means without.
	CNIResults string
}

// Run enforces policies until the context ends, and leaves the rules in force.
// It calls nft from the calling goroutine, so one that is locked to a thread
// decides the network namespace. It needs root, and nft in PATH.
func Run(ctx context.Context, o Options) error {
	if o.Client == nil || o.Node == "" {
		return errors.New("enforcing network policies: a client and the node's name are needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	nft, err := knftables.New(knftables.InetFamily, tableName)
	if err != nil {
		return fmt.Errorf("enforcing network policies: nftables cannot be used here; run as root with nft 1.0.1 or newer in PATH: %w", err)
	}
	return newController(o, nft).run(ctx)
}

// Rules are the rights that Run needs, and no others.
func Rules() []rbacv1.PolicyRule {
	readOnly := []string{"list", "watch"}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: readOnly},
		{APIGroups: []string{""}, Resources: []string{"pods", "namespaces"}, Verbs: readOnly},
	}
}
