package cluster

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// WaitNodesReady waits until every node named is Ready by the API's word. When
// ctx ends first, the error says which node was last seen how.
func WaitNodesReady(ctx context.Context, kubeconfig []byte, names []string) error {
	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	waiting := map[string]string{}
	for _, n := range names {
		waiting[n] = "not registered"
	}
	note := func(n *corev1.Node) {
		if _, asked := waiting[n.Name]; !asked {
			return
		}
		why := notReady(n)
		if waiting[n.Name] = why; why == "" {
			delete(waiting, n.Name)
		}
	}
	for {
		err := followNodes(ctx, client, note, func() bool { return len(waiting) == 0 })
		if len(waiting) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for nodes to be Ready: %w; last seen: %s", errors.Join(context.Cause(ctx), err), describeNodes(waiting))
		case <-time.After(followPause): // a server that fails may be one of several, or about to be back
		}
	}
}

// followPause is the pause after a list or a watch that failed or was ended.
const followPause = 50 * time.Millisecond

// followNodes lists the nodes and watches them until done says so or the watch
// ends, which a server may do at any time.
func followNodes(ctx context.Context, client kubernetes.Interface, note func(*corev1.Node), done func() bool) error {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		note(&list.Items[i])
	}
	if done() {
		return nil
	}
	w, err := client.CoreV1().Nodes().Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return err
	}
	defer w.Stop()
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return ctx.Err()
			}
			if n, ok := e.Object.(*corev1.Node); ok {
				note(n)
			}
			if done() {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// notReady says why a node does not take pods; empty when it does.
func notReady(n *corev1.Node) string {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			if c.Status == corev1.ConditionTrue {
				return stillTainted(n)
			}
			return fmt.Sprintf("%s: %s", c.Reason, c.Message)
		}
	}
	return "no Ready condition"
}

// stillTainted says that a node that is Ready has not been rid of the taint that
// it was registered with; a pod that meets it is not tried again for a second.
func stillTainted(n *corev1.Node) string {
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeNotReady {
			return "has the taint " + t.Key
		}
	}
	return ""
}

func describeNodes(waiting map[string]string) string {
	var parts []string
	for name, why := range waiting {
		parts = append(parts, fmt.Sprintf("%s (%s)", name, why))
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}
