package clustertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func networkChecks() []Check {
	return []Check{
		{Name: "network/pods", Says: "pods on any node reach each other by TCP and UDP, and see each other's own addresses", Smoke: true, on: podNetwork},
		{Name: "network/DNS", Says: "names of Services, headless ones and pods resolve, unknown ones are denied at once", Smoke: true, on: dns},
		{Name: "network/host ports", Says: "a hostPort answers on the pod's node", on: hostPort},
		{Name: "network/API from a pod", Says: "a pod reaches the API server by its Service, with the token and authority that it is given", on: apiFromPod},
	}
}

// web is a Deployment and a Service of the suite's server.
const webManifest = `
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}, nodeTaintsPolicy: Honor}]
      containers: [{name: c, image: $PROBE, args: [serve], readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  %s
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 81, targetPort: 8081}, {name: udp, protocol: UDP, port: 82, targetPort: 8082}]
`

// web starts so many servers behind a Service, whose spec gets some more lines.
func (s *scope) web(ctx context.Context, replicas int, service string) ([]corev1.Pod, error) {
	if err := s.apply(ctx, fmt.Sprintf(webManifest, replicas, service)); err != nil {
		return nil, err
	}
	return s.podsReady(ctx, "app=web", replicas)
}

func podNetwork(ctx context.Context, s *scope) error {
	nodes := s.Info().Nodes
	manifests := ""
	for _, n := range nodes {
		manifests += podManifest("on-"+n.Name, n.Name, "serve")
	}
	if err := s.apply(ctx, manifests); err != nil {
		return err
	}
	address := map[string]string{}
	for _, n := range nodes {
		name := "on-" + n.Name
		if err := s.podReady(ctx, name); err != nil {
			return err
		}
		p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		address[name] = p.Status.PodIP
	}
	for from, source := range address {
		for to, target := range address {
			want := to + " to " + source + " hello"
			if from == to {
				continue
			}
			for _, way := range [][2]string{{"tcp", ":8081"}, {"udp", ":8082"}} {
				out, err := s.exec(ctx, from, "dial", way[0], target+way[1])
				if err != nil {
					return err
				}
				if err := same(from+" by "+way[0], out, want); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const headlessManifest = `
apiVersion: v1
kind: Service
metadata: {name: each}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 8080}]}
`

// unknownMost is how long the answer that a name is unknown may take: a pod's
// resolver asks for four names and both families, with DNS on another node.
const unknownMost = 2 * time.Second

func dns(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, headlessManifest+podManifest("asks", "", "sleep")); err != nil {
		return err
	}
	pods, err := s.web(ctx, 2, "")
	if err != nil {
		return err
	}
	if err := s.podReady(ctx, "asks"); err != nil {
		return err
	}
	service, err := s.client.CoreV1().Services(s.ns).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	var all []string
	for _, p := range pods {
		all = append(all, p.Status.PodIP)
	}
	slices.Sort(all)
	dashed := strings.ReplaceAll(all[0], ".", "-")
	for name, want := range map[string]string{
		"web":                                   service.Spec.ClusterIP,
		"web." + s.ns:                           service.Spec.ClusterIP,
		"web." + s.ns + ".svc.cluster.local.":   service.Spec.ClusterIP,
		"each":                                  strings.Join(all, " "),
		dashed + "." + s.ns + ".pod":            all[0],
		"kubernetes.default.svc.cluster.local.": "10.",
	} {
		err := answers(ctx, 10*time.Second, want, func(ctx context.Context) (string, error) { return s.exec(ctx, "asks", "resolve", name) })
		if err != nil {
			return fmt.Errorf("resolving %s: %w", name, err)
		}
	}
	// Whether the bare name is unknown or cannot be told, lies with what is
	// outside the cluster: it is asked for as it stands, too.
	return steps(
		func() error { return s.unknownName(ctx, "absent."+s.ns+".svc.cluster.local.", "NXDOMAIN") },
		func() error { return s.unknownName(ctx, "absent", "NXDOMAIN", "FAILED") },
	)
}

// unknownName checks that the answer for a name comes soon and is one of some.
func (s *scope) unknownName(ctx context.Context, name string, allowed ...string) error {
	out, err := s.exec(ctx, "asks", "resolve", name)
	if err != nil {
		return err
	}
	verdict, after, _ := strings.Cut(out, " ")
	took, err := time.ParseDuration(after)
	if err != nil || !slices.Contains(allowed, verdict) {
		return fmt.Errorf("resolving %s: wanted one of %v, got %q", name, allowed, out)
	}
	return within("the answer that "+name+" is unknown", took, 0, unknownMost)
}

func hostPort(ctx context.Context, s *scope) error {
	const port = "18080"
	pod := strings.Replace(podManifest("door", s.workers()[0], "serve"), "image:", "ports: [{containerPort: 8080, hostPort: "+port+"}], image:", 1)
	if err := s.apply(ctx, pod); err != nil {
		return err
	}
	if err := s.podReady(ctx, "door"); err != nil {
		return err
	}
	door, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "door", metav1.GetOptions{})
	if err != nil {
		return err
	}
	return answers(ctx, 10*time.Second, "door to", func(ctx context.Context) (string, error) {
		return s.onNode(ctx, "", "get", "http://"+door.Status.HostIP+":"+port+"/")
	})
}

func apiFromPod(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, podManifest("asks", "", "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "asks"); err != nil {
		return err
	}
	return answers(ctx, 10*time.Second, s.Info().Kubernetes, func(ctx context.Context) (string, error) {
		return s.exec(ctx, "asks", "api", "/version")
	})
}
