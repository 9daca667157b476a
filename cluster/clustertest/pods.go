package clustertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func podChecks() []Check {
	return []Check{
		{Name: "pods/init and sidecars", Says: "init containers run in order, a sidecar serves them and ends after the main container", on: initAndSidecars},
		{Name: "pods/ephemeral containers", Says: "a debug container joins a running pod and its processes", on: ephemeral},
		{Name: "pods/privileged and host network", Says: "a pod gets the capabilities, network and processes of its node when it asks", on: privileged},
		{Name: "pods/exec, logs and attach", Says: "exec gives output and code, logs those of a dead container too, attach both ways, port-forward a port", Smoke: true, on: streams},
		{Name: "pods/readiness", Says: "a pod that is not ready gets no traffic", on: readiness},
		{Name: "pods/liveness and startup", Says: "liveness restarts a container, startup holds that back", on: liveness},
		{Name: "pods/termination", Says: "preStop, then SIGTERM, then at the end of grace SIGKILL", on: termination},
		{Name: "pods/resources", Says: "memory limits kill, CPU limits throttle, QoS classes are told apart", on: resources},
	}
}

const initManifest = `
apiVersion: v1
kind: Pod
metadata: {name: init}
spec:
  restartPolicy: Never
  volumes: [{name: d, emptyDir: {}}]
  initContainers:
  - {name: first, image: $PROBE, args: [write, /d/first, one], volumeMounts: [{name: d, mountPath: /d}]}
  - {name: sidecar, image: $PROBE, args: [serve], restartPolicy: Always, startupProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}}
  - {name: second, image: $PROBE, args: [get, "http://localhost:8080/"]}
  containers:
  - {name: main, image: $PROBE, args: [read, /d/first], volumeMounts: [{name: d, mountPath: /d}]}
`

func initAndSidecars(ctx context.Context, s *scope) error {
	return steps(
		func() error { return s.apply(ctx, initManifest) },
		func() error {
			return s.podIs(ctx, "init", podStart, "Succeeded, its sidecar ended", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded })
		},
		func() error { return s.logged(ctx, "init", "main", "one") },
		func() error { return s.logged(ctx, "init", "second", "init to ") },
		func() error { return s.logged(ctx, "init", "sidecar", "ended by a signal") },
	)
}

// logged checks that a container's log holds a text.
func (s *scope) logged(ctx context.Context, pod, container, text string) error {
	log, err := s.client.CoreV1().Pods(s.ns).GetLogs(pod, &corev1.PodLogOptions{Container: container}).DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("reading the log of %s in %s: %w", container, pod, err)
	}
	return holds("the log of "+container, string(log), text)
}

func ephemeral(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, podManifest("target", "", "serve")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "target"); err != nil {
		return err
	}
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "target", metav1.GetOptions{})
	if err != nil {
		return err
	}
	p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: probeRef, Args: []string{"sleep"}},
		TargetContainerName:      "c",
	}}
	if _, err := s.client.CoreV1().Pods(s.ns).UpdateEphemeralContainers(ctx, "target", p, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("adding an ephemeral container: %w", err)
	}
	return answers(ctx, podStart, "serve", func(ctx context.Context) (string, error) {
		// the target's first process is the first of all that the container sees
		out, err := s.execIn(ctx, "target", "debug", "read", "/proc/1/cmdline")
		return strings.ReplaceAll(out, "\x00", " "), err
	})
}

// podManifest is a pod of one container "c" that runs the suite's program, on a
// node when one is named.
func podManifest(name, node string, args ...string) string {
	quoted := ""
	for _, a := range args {
		quoted += fmt.Sprintf("%q, ", a)
	}
	return fmt.Sprintf(`
---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}}
spec:
  nodeName: %[2]q
  terminationGracePeriodSeconds: 5
  tolerations: [{operator: Exists}]
  containers: [{name: c, image: $PROBE, args: [%[3]s]}]
`, name, node, quoted)
}

const privilegedManifest = `
apiVersion: v1
kind: Pod
metadata: {name: root}
spec:
  hostNetwork: true
  hostPID: true
  containers: [{name: c, image: $PROBE, args: [sleep], securityContext: {privileged: true}}]
`

func privileged(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, privilegedManifest+podManifest("plain", "", "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "root", "plain"); err != nil {
		return err
	}
	for pod, want := range map[string]bool{"root": true, "plain": false} {
		out, err := s.exec(ctx, pod, "read", "/proc/self/status")
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(out, "CapEff:")
		var caps uint64
		if _, err := fmt.Sscanf(rest, "%x", &caps); err != nil {
			return fmt.Errorf("reading the capabilities of %s: %w", pod, err)
		}
		const sysAdmin = 21 // linux/capability.h, CAP_SYS_ADMIN
		if err := same(pod+" may administer the system", caps&(1<<sysAdmin) != 0, want); err != nil {
			return err
		}
	}
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "root", metav1.GetOptions{})
	if err != nil {
		return err
	}
	own, err := s.exec(ctx, "root", "read", "/proc/self/comm")
	if err != nil {
		return err
	}
	first, err := s.exec(ctx, "root", "read", "/proc/1/cmdline")
	return steps(
		func() error { return err },
		func() error { return same("its address", p.Status.PodIP, p.Status.HostIP) },
		func() error { return same("its own name", own, "probe") },
		func() error {
			if strings.Contains(first, "probe") {
				return fmt.Errorf("with hostPID its first process is its own: %q", first)
			}
			return nil
		},
	)
}

const streamsManifest = `
apiVersion: v1
kind: Pod
metadata: {name: dies}
spec:
  volumes: [{name: d, emptyDir: {}}]
  containers: [{name: c, image: $PROBE, args: [once, /d/file, "3", stay], volumeMounts: [{name: d, mountPath: /d}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: listens}
spec: {containers: [{name: c, image: $PROBE, args: [echo], stdin: true}]}
`

func streams(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, streamsManifest+podManifest("web", "", "serve")); err != nil {
		return err
	}
	return steps(
		func() error { return s.podReady(ctx, "web", "listens") },
		func() error { return s.execCodes(ctx) },
		func() error { return s.attach(ctx) },
		func() error { return s.portForward(ctx) },
		func() error {
			return s.podIs(ctx, "dies", podStart, "restarted", func(p *corev1.Pod) bool {
				return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].RestartCount > 0
			})
		},
		func() error {
			return answers(ctx, 10*time.Second, "the first time", func(ctx context.Context) (string, error) {
				return s.kubectl(ctx, "logs", "-p", "dies")
			})
		},
	)
}

func (s *scope) execCodes(ctx context.Context) error {
	out, err := s.kubectl(ctx, "exec", "web", "--", "/probe", "say", "from inside")
	if err != nil {
		return err
	}
	_, failed := s.kubectl(ctx, "exec", "web", "--", "/probe", "nonsense")
	return steps(
		func() error { return holds("exec", out, "from inside") },
		func() error { return refused("a program that ends with 2", failed, "exit code 2") },
	)
}

func (s *scope) attach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := s.kubectlCommand(ctx, "attach", "-i", "listens")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	if _, err := io.WriteString(in, "a word\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("reading from an attached container: %w", err)
	}
	return same("attached", strings.TrimSpace(line), "heard a word")
}

func (s *scope) portForward(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := s.kubectlCommand(ctx, "port-forward", "pod/web", "--address=127.0.0.1", ":8080")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("starting kubectl port-forward: %w", err)
	}
	_, rest, _ := strings.Cut(line, "Forwarding from ")
	address, _, _ := strings.Cut(rest, " ")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	if err != nil {
		return fmt.Errorf("understanding kubectl port-forward, which said %q: %w", line, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("a request through port-forward: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return holds("through port-forward", string(body), "web to ")
}
