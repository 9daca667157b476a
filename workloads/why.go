package workloads

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	logLines = 10               // how many of a container's last lines are shown
	logWidth = 300              // how much of a line is shown
	logBytes = 64 << 10         // how much of a log is read for that
	logLimit = 5 * time.Second  // how long reading it may take
	askLimit = 10 * time.Second // how long asking for the state may take
)

// Why says in one sentence why a workload is not ready, followed by the last
// lines of the container that has the answer. It is empty when the workload is
// ready.
func Why(ctx context.Context, client kubernetes.Interface, r Rendered) string {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	now, err := look(ctx, client, namespacesOf(r))
	if err != nil {
		return fmt.Sprintf("the cluster does not say: %v", err)
	}
	missing := now.missing(r)
	if len(missing) == 0 {
		return ""
	}
	reason := strings.Join(missing, ", ")
	found := troubles(r, now)
	if len(found) == 0 {
		return reason
	}
	explained := explain(ctx, client, r, found[0])
	explained.Reason = reason + "; " + explained.Reason
	return explained.explanation()
}

// look takes a snapshot once.
func look(ctx context.Context, client kubernetes.Interface, namespaces []string) (snapshot, error) {
	var s snapshot
	for _, namespace := range namespaces {
		pods, podsErr := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		deployments, deploymentsErr := client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		endpoints, endpointsErr := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{})
		if err := errors.Join(podsErr, deploymentsErr, endpointsErr); err != nil {
			return s, fmt.Errorf("list what is in namespace %q: %w", namespace, err)
		}
		for i := range pods.Items {
			s.pods = append(s.pods, &pods.Items[i])
		}
		for i := range deployments.Items {
			s.deployments = append(s.deployments, &deployments.Items[i])
		}
		for i := range endpoints.Items {
			s.slices = append(s.slices, &endpoints.Items[i])
		}
	}
	return s, nil
}

// explain adds the log that goes with a trouble.
func explain(ctx context.Context, client kubernetes.Interface, r Rendered, t trouble) *NotReadyError {
	e := &NotReadyError{Workload: r.Name, Reason: t.reason}
	if t.pod == nil {
		return e
	}
	e.Source = fmt.Sprintf("last lines of pod %s, container %s", t.pod.Name, t.container)
	if t.previous {
		e.Source += ", the run that crashed"
	}
	// The wait may have ended with its context; the log is read regardless.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logLimit)
	defer cancel()
	lines, err := tail(ctx, client, t)
	switch {
	case err != nil:
		e.Log = []string{fmt.Sprintf("(the log could not be read: %v)", err)}
	case len(lines) == 0:
		e.Log = []string{"(the log is empty)"}
	default:
		e.Log = lines
	}
	return e
}

// tail reads the last lines of a container.
func tail(ctx context.Context, client kubernetes.Interface, t trouble) ([]string, error) {
	count := int64(logLines)
	options := &corev1.PodLogOptions{Container: t.container, Previous: t.previous, TailLines: &count}
	stream, err := client.CoreV1().Pods(t.pod.Namespace).GetLogs(t.pod.Name, options).Stream(ctx)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(stream, logBytes))
	if err := errors.Join(err, stream.Close()); err != nil {
		return nil, err
	}
	text = bytes.TrimRight(text, "\n")
	if len(text) == 0 {
		return nil, nil
	}
	var lines []string
	for line := range strings.SplitSeq(string(text), "\n") {
		lines = append(lines, printable(line))
	}
	return lines[max(0, len(lines)-logLines):], nil
}

// printable shortens a line and takes out what could steer a terminal.
func printable(line string) string {
	line = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\t' {
			return -1
		}
		return c
	}, line)
	if runes := []rune(line); len(runes) > logWidth {
		return string(runes[:logWidth]) + "…"
	}
	return line
}
