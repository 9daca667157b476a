package clustertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"squall/cluster"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	exitcode "k8s.io/client-go/util/exec"
)

// scope is what one check works in: a lab and a namespace of its own.
type scope struct {
	*lab
	ns string
	// global are objects outside the namespace, to be deleted.
	global []func(context.Context) error
}

// enter makes a check's namespace, and waits for the ServiceAccount without
// which no pod can be made there.
func (l *lab) enter(ctx context.Context, check string) (*scope, error) {
	name := strings.NewReplacer("/", "-", " ", "-", ",", "", "'", "").Replace(strings.ToLower(check))
	if len(name) > 50 {
		name = name[:50]
	}
	s := &scope{lab: l}
	made, err := l.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("making a namespace: %w", err)
	}
	s.ns = made.Name
	return s, until(ctx, 20*time.Second, "the namespace's default ServiceAccount", func(ctx context.Context) (string, error) {
		_, err := l.client.CoreV1().ServiceAccounts(s.ns).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "not there", nil
		}
		return "", err
	})
}

// leave asks for the removal of all that the check has made. Nobody waits here;
// one check at the end sees that all of it is gone.
func (s *scope) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // the check's own may have ended
	defer cancel()
	var errs []error
	for _, remove := range s.global {
		errs = append(errs, remove(ctx))
	}
	now := int64(0)
	return errors.Join(append(errs,
		s.client.CoreV1().Pods(s.ns).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}),
		s.client.CoreV1().Namespaces().Delete(ctx, s.ns, metav1.DeleteOptions{}))...)
}

// apply applies manifests, server-side. $PROBE in them stands for the suite's
// image and $NS for the namespace, which makes names unique that must be.
func (s *scope) apply(ctx context.Context, manifests string) error {
	manifests = strings.NewReplacer("$PROBE", probeRef, "$NS", s.ns).Replace(manifests)
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading a manifest: %w", err)
		}
		if len(object.Object) == 0 {
			continue // nothing between two separators
		}
		if err := s.applyOne(ctx, object); err != nil {
			return fmt.Errorf("applying %s %q: %w", object.GetKind(), object.GetName(), err)
		}
	}
}

func (s *scope) applyOne(ctx context.Context, object *unstructured.Unstructured) error {
	client, err := s.resource(object.GetAPIVersion(), object.GetKind())
	if err != nil {
		return err
	}
	made, err := client.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "clustertest", Force: true})
	if err == nil && made.GetNamespace() == "" {
		s.global = append(s.global, func(ctx context.Context) error {
			err := client.Delete(ctx, made.GetName(), metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	return err
}

// resource is a client for objects of a kind, in the check's namespace when the
// kind has namespaces.
func (s *scope) resource(version, kind string) (dynamic.ResourceInterface, error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(version)
	object.SetKind(kind)
	gvk := object.GroupVersionKind()
	mapping, err := s.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	client := s.dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return client, nil
	}
	return client.Namespace(s.ns), nil
}

// exec runs the suite's program in a pod's container "c" and returns what it
// prints.
func (s *scope) exec(ctx context.Context, pod string, args ...string) (string, error) {
	return s.execIn(ctx, pod, "c", args...)
}

func (s *scope) execIn(ctx context.Context, pod, container string, args ...string) (string, error) {
	request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.ns).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: append([]string{"/probe"}, args...), Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(s.config, "GET", request.URL().String())
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		return strings.TrimSpace(stdout.String()), fmt.Errorf("in pod %s, %s: %w: %s", pod, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// ended tells whether a program ran and ended with a code, which is its own
// answer; any other error is about running it.
func ended(err error) bool {
	var code exitcode.CodeExitError
	return errors.As(err, &code)
}

// onNode runs the suite's program on a node, in its network.
func (l *lab) onNode(ctx context.Context, node string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	err := l.Exec(ctx, cluster.Exec{Node: node, Argv: append([]string{l.probe.path}, args...), Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		return strings.TrimSpace(stdout.String()), fmt.Errorf("on node %q, %s: %w: %s", node, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// kubectl runs kubectl in the check's namespace, as a user would.
func (s *scope) kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := s.kubectlCommand(ctx, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func (s *scope) kubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.Kubectl, append([]string{"--namespace=" + s.ns, "--kubeconfig=" + s.kubeconfig(), "--cache-dir=" + filepath.Join(s.folder, "cache")}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECTL_KUBERC=false")
	return cmd
}

// trouble describes the namespace's pods and its last events, for a failure.
func (s *scope) trouble() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the check's own may have ended
	defer cancel()
	var text strings.Builder
	if pods, err := s.client.CoreV1().Pods(s.ns).List(ctx, metav1.ListOptions{}); err == nil {
		for _, p := range pods.Items {
			fmt.Fprintf(&text, "\n    pod %s on %q: %s", p.Name, p.Spec.NodeName, describePod(&p))
		}
	}
	if events, err := s.client.CoreV1().Events(s.ns).List(ctx, metav1.ListOptions{}); err == nil {
		for _, e := range events.Items {
			if e.Type == corev1.EventTypeWarning {
				fmt.Fprintf(&text, "\n    event %s %s: %s", e.InvolvedObject.Name, e.Reason, e.Message)
			}
		}
	}
	return text.String()
}
