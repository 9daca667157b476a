package conformance

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// observeTimeout bounds each question to the API server.
const observeTimeout = 30 * time.Second

// Observe asks the cluster of a kubeconfig file what it is. It returns an error
// when the cluster does not answer.
func Observe(ctx context.Context, kubeconfig string) (Facts, error) {
	facts := Facts{Tests: Version, Date: time.Now().UTC().Truncate(time.Second)}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return facts, fmt.Errorf("read the kubeconfig %s: %w", kubeconfig, err)
	}
	config.Timeout = observeTimeout
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return facts, fmt.Errorf("read the kubeconfig %s: %w", kubeconfig, err)
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return facts, fmt.Errorf("ask the cluster of %s for its version: %w; is it up?", kubeconfig, err)
	}
	facts.Kubernetes = version.GitVersion
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return facts, fmt.Errorf("ask the cluster of %s for its nodes: %w", kubeconfig, err)
	}
	for _, n := range nodes.Items {
		facts.Nodes = append(facts.Nodes, Node{
			Name: n.Name,
			CPU:  n.Status.Capacity.Cpu().String(), Memory: n.Status.Capacity.Memory().String(),
			Kernel: n.Status.NodeInfo.KernelVersion, Runtime: n.Status.NodeInfo.ContainerRuntimeVersion,
		})
	}
	return facts, nil
}
