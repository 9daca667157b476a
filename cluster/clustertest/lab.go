package clustertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"squall/cluster"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// The size of the workers of the suite's clusters: one processor, since every
// host has that, and memory for all pods of checks that run side by side.
const (
	nodeCPU    = "1"
	nodeMemory = "2Gi"
)

// lab is a cluster that checks run on, with clients for it.
type lab struct {
	*suite
	cluster.Cluster
	spec    cluster.Spec
	timers  cluster.TimerSet
	config  *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	mapper  meta.ResettableRESTMapper
	// folder is for kubectl: the kubeconfig, and what kubectl keeps.
	folder string
	// first are the nodes that the cluster was made with, idle those workers of
	// them that no check acts on.
	first []cluster.Node
	idle  chan string
}

// up makes a cluster of the suite's node size that holds the suite's image.
func (s *suite) up(ctx context.Context, spec cluster.Spec) (*lab, error) {
	if spec.NodeCPU.IsZero() {
		spec.NodeCPU = resource.MustParse(nodeCPU)
	}
	if spec.NodeMemory.IsZero() {
		spec.NodeMemory = resource.MustParse(nodeMemory)
	}
	spec.Images = append(spec.Images, s.probe.image)
	timers, err := spec.Timers.Set()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	c, err := s.Provider.Create(ctx, spec, nil)
	if err != nil {
		return nil, err
	}
	s.Log(fmt.Sprintf("     %6.1fs  the cluster %s is up: %d control planes, %d workers",
		time.Since(began).Seconds(), spec.Name, max(spec.ControlPlanes, 1), spec.Workers))
	l := &lab{suite: s, Cluster: c, spec: spec, timers: timers, first: c.Info().Nodes, idle: make(chan string, spec.Workers)}
	for _, name := range l.workers() {
		l.idle <- name
	}
	if err := l.connect(); err != nil {
		return nil, errors.Join(err, l.down())
	}
	return l, nil
}

// connect makes the clients. They ask as often as they like.
func (l *lab) connect() error {
	text, err := l.Kubeconfig()
	if err != nil {
		return err
	}
	if l.config, err = clientcmd.RESTConfigFromKubeConfig(text); err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	l.config.QPS = -1
	l.config.WarningHandler = rest.NoWarnings{}
	if l.client, err = kubernetes.NewForConfig(l.config); err != nil {
		return err
	}
	if l.dynamic, err = dynamic.NewForConfig(l.config); err != nil {
		return err
	}
	l.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(l.client.Discovery()))
	if l.folder, err = os.MkdirTemp("", "clustertest-"); err != nil {
		return err
	}
	return os.WriteFile(l.kubeconfig(), text, 0o600)
}

func (l *lab) kubeconfig() string { return filepath.Join(l.folder, "kubeconfig") }

// emptied waits until the checks' namespaces are gone, which nothing but a
// finalizer that nobody answers can hold up.
func (l *lab) emptied(ctx context.Context) error {
	return until(ctx, time.Minute, "the namespaces of all checks to be gone", func(ctx context.Context) (string, error) {
		list, err := l.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return "", err
		}
		var left []string
		for _, n := range list.Items {
			if n.Name != metav1.NamespaceDefault && !strings.HasPrefix(n.Name, "kube-") {
				left = append(left, fmt.Sprintf("%s %+v", n.Name, n.Status.Conditions))
			}
		}
		return strings.Join(left, ", "), nil
	})
}

// down removes the cluster, sees that it is gone, and removes the folder, each
// whatever became of the other.
func (l *lab) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // whatever ended the run
	defer cancel()
	return errors.Join(l.remove(ctx), os.RemoveAll(l.folder))
}

// remove removes the cluster and sees that it is gone.
func (l *lab) remove(ctx context.Context) error {
	if err := l.Provider.Remove(ctx, l.spec.Name); err != nil {
		return fmt.Errorf("removing the cluster %q: %w", l.spec.Name, err)
	}
	if err := l.suite.gone(ctx, l.spec.Name); err != nil {
		return err
	}
	select {
	case <-l.Done():
	case <-ctx.Done():
		return fmt.Errorf("the cluster %q is removed, but Done is not closed", l.spec.Name)
	}
	if err := l.Provider.Remove(ctx, l.spec.Name); err != nil {
		return fmt.Errorf("removing the cluster %q, which is gone, must succeed: %w", l.spec.Name, err)
	}
	return nil
}

// gone checks that a provider has no such cluster.
func (s *suite) gone(ctx context.Context, name string) error {
	if _, err := s.Provider.Find(ctx, name); !errors.Is(err, cluster.ErrNotFound) {
		return fmt.Errorf("finding the cluster %q, which should not be there: wanted an error that wraps cluster.ErrNotFound, got %w", name, orNone(err))
	}
	list, err := s.Provider.List(ctx)
	if err != nil {
		return fmt.Errorf("listing the clusters: %w", err)
	}
	for _, info := range list {
		if info.Name == name {
			return fmt.Errorf("the cluster %q should not be there and is listed: %+v", name, info)
		}
	}
	return nil
}

// errNone stands for an error that did not come.
var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// workers are the names of the workers that the cluster was made with.
func (l *lab) workers() []string {
	var names []string
	for _, n := range l.first {
		if !n.ControlPlane {
			names = append(names, n.Name)
		}
	}
	return names
}
