package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const readinessManifest = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: c, image: $PROBE, args: [serve], readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1, failureThreshold: 1}}]
`

func readiness(ctx context.Context, s *scope) error {
	ask := func(ctx context.Context) (string, error) { return s.exec(ctx, "asks", "get", "http://web/") }
	switchTo := func(path string) func() error {
		return func() error {
			_, err := s.exec(ctx, "web", "get", "http://localhost:8080"+path)
			return err
		}
	}
	ready := func(want bool) func() error {
		return func() error {
			return s.podIs(ctx, "web", 20*time.Second, fmt.Sprintf("Ready %t", want), func(p *corev1.Pod) bool { return isReady(p) == want })
		}
	}
	return steps(
		func() error { return s.apply(ctx, readinessManifest+podManifest("asks", "", "sleep")) },
		func() error { return s.podReady(ctx, "web", "asks") },
		func() error { return answers(ctx, 10*time.Second, "web to", ask) },
		switchTo("/break"),
		ready(false),
		func() error {
			return until(ctx, 10*time.Second, "the Service to refuse", func(ctx context.Context) (string, error) {
				out, err := ask(ctx)
				if err == nil {
					return "it answers: " + out, nil
				}
				return "", refused("a Service without ready pods", err, "refused")
			})
		},
		switchTo("/mend"),
		ready(true),
		func() error { return answers(ctx, 10*time.Second, "web to", ask) },
	)
}

const livenessManifest = `
apiVersion: v1
kind: Pod
metadata: {name: dies}
spec:
  containers: [{name: c, image: $PROBE, args: [serve], livenessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1, failureThreshold: 2}}]
---
apiVersion: v1
kind: Pod
metadata: {name: starts}
spec:
  volumes: [{name: d, emptyDir: {}}]
  containers:
  - name: c
    image: $PROBE
    args: [sleep]
    volumeMounts: [{name: d, mountPath: /d}]
    startupProbe: {exec: {command: [/probe, test, /d/started]}, periodSeconds: 1, failureThreshold: 60}
    livenessProbe: {exec: {command: [/probe, test, /d/alive]}, periodSeconds: 1, failureThreshold: 1}
`

func liveness(ctx context.Context, s *scope) error {
	restarted := func(pod string) func() error {
		return func() error {
			return s.podIs(ctx, pod, 30*time.Second, "restarted", func(p *corev1.Pod) bool { return restarts(p) > 0 })
		}
	}
	do := func(pod string, args ...string) func() error {
		return func() error {
			return until(ctx, podStart, pod+" to do it", func(ctx context.Context) (string, error) {
				if _, err := s.exec(ctx, pod, args...); err != nil {
					return err.Error(), nil
				}
				return "", nil
			})
		}
	}
	return steps(
		func() error { return s.apply(ctx, livenessManifest) },
		func() error { return s.podReady(ctx, "dies") },
		do("dies", "get", "http://localhost:8080/break"),
		restarted("dies"),
		// by now liveness would have failed several times
		func() error {
			return stays(ctx, 3*time.Second, "a container that has not started yet", func(ctx context.Context) (string, error) {
				p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "starts", metav1.GetOptions{})
				if err == nil && restarts(p) > 0 {
					return "liveness has restarted it", nil
				}
				return "", err
			})
		},
		do("starts", "write", "/d/started", ""),
		restarted("starts"),
	)
}

func restarts(p *corev1.Pod) int {
	n := 0
	for _, c := range p.Status.ContainerStatuses {
		n += int(c.RestartCount)
	}
	return n
}

const terminationManifest = `
apiVersion: v1
kind: Pod
metadata: {name: polite}
spec:
  terminationGracePeriodSeconds: 20
  containers: [{name: c, image: $PROBE, args: [term, 2s], lifecycle: {preStop: {exec: {command: [/probe, write, /proc/1/fd/1, "preStop ran\n"]}}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 4
  containers: [{name: c, image: $PROBE, args: [term, 60s]}]
`

func termination(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, terminationManifest); err != nil {
		return err
	}
	if err := s.podReady(ctx, "polite", "stubborn"); err != nil {
		return err
	}
	stream, err := s.client.CoreV1().Pods(s.ns).GetLogs("polite", &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	log := make(chan string, 1)
	go func() { log <- readAll(stream) }()
	took := map[string]time.Duration{}
	for _, name := range []string{"polite", "stubborn"} {
		if took[name], err = s.deletePod(ctx, name); err != nil {
			return err
		}
	}
	text := <-log
	return steps(
		func() error { return holds("the log", text, "preStop ran\nSIGTERM came\ndone") },
		func() error {
			return within("a pod that ends after 2 s", took["polite"], 2*time.Second, 15*time.Second)
		},
		func() error {
			return within("a pod that ignores SIGTERM for longer than its grace of 4 s", took["stubborn"], 4*time.Second, 15*time.Second)
		},
	)
}

func within(what string, took, least, most time.Duration) error {
	if took < least || took > most {
		return fmt.Errorf("%s took %s, wanted between %s and %s", what, took.Round(100*time.Millisecond), least, most)
	}
	return nil
}

// deletePod deletes a pod and returns how long it took to be gone.
func (s *scope) deletePod(ctx context.Context, name string) (time.Duration, error) {
	began := time.Now()
	if err := s.client.CoreV1().Pods(s.ns).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return 0, err
	}
	err := until(ctx, podStart, "pod "+name+" to be gone", func(ctx context.Context) (string, error) {
		p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return describePod(p), nil
	})
	return time.Since(began), err
}

const resourcesManifest = `
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  restartPolicy: OnFailure
  containers: [{name: c, image: $PROBE, args: [alloc, "200"], resources: {limits: {memory: 64Mi}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: busy}
spec:
  restartPolicy: Never
  containers: [{name: c, image: $PROBE, args: [burn, 4s], resources: {limits: {cpu: 100m, memory: 32Mi}}}]
`

func resources(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, resourcesManifest); err != nil {
		return err
	}
	if err := s.killedForMemory(ctx, "hungry"); err != nil {
		return err
	}
	if code, err := s.podEnded(ctx, "busy"); err != nil || code != 0 {
		return fmt.Errorf("the pod that burns: code %d, %w", code, orNone(err))
	}
	hungry, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "hungry", metav1.GetOptions{})
	if err != nil {
		return err
	}
	busy, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "busy", metav1.GetOptions{})
	if err != nil {
		return err
	}
	out, err := s.kubectl(ctx, "logs", "busy")
	if err != nil {
		return err
	}
	share, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		return err
	}
	return steps(
		func() error { return same("QoS class", hungry.Status.QOSClass, corev1.PodQOSBurstable) },
		func() error { return same("QoS class", busy.Status.QOSClass, corev1.PodQOSGuaranteed) },
		func() error {
			// a tenth is allowed; a period of the quota more on each side of 4 s
			if share > 0.15 {
				return fmt.Errorf("a container limited to 0.1 processors had %.2f", share)
			}
			return nil
		},
	)
}

// killedForMemory waits until an end of a pod's container is said to have been
// for want of memory, and fails at once when one was for anything but a SIGKILL.
// Not each end has to say so: containerd hears of the end and of its reason on
// two ways, and up to 2.2 believes the first (containerd issues 8180 and 8893,
// mended by pull request 12714).
func (s *scope) killedForMemory(ctx context.Context, pod string) error {
	const code = 128 + 9 // SIGKILL
	var other error
	err := s.podIs(ctx, pod, podStart, "OOMKilled", func(p *corev1.Pod) bool {
		for _, c := range p.Status.ContainerStatuses {
			for _, end := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
				if end == nil {
					continue
				}
				if end.ExitCode != code {
					other = fmt.Errorf("a container over its memory limit ended with code %d (%s), wanted %d", end.ExitCode, end.Reason, code)
				}
				if end.Reason == "OOMKilled" || other != nil {
					return true
				}
			}
		}
		return false
	})
	return errors.Join(err, other)
}

// readAll reads until the end or an error; what came is what counts.
func readAll(from io.Reader) string {
	text, _ := io.ReadAll(from)
	return string(text)
}
