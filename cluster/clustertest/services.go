package clustertest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"squall/cluster"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func serviceChecks() []Check {
	return []Check{
		{Name: "services/ClusterIP", Says: "every node and a pod reach a Service, by name, by TCP and UDP, whatever node its pods are on", Smoke: true, on: clusterIP},
		{Name: "services/to itself", Says: "a pod reaches itself through its Service", on: toItself},
		{Name: "services/NodePort", Says: "every node answers on the port, also for pods elsewhere", on: nodePort},
		{Name: "services/LoadBalancer", Says: "a Service gets an address that pods and nodes reach", Needs: []cluster.Part{cluster.LoadBalancers}, on: loadBalancer},
		{Name: "services/affinity", Says: "one client stays with one pod when asked, and not otherwise", on: affinity},
		{Name: "services/externalTrafficPolicy", Says: "Local keeps the client's address and answers only where pods are", on: localTraffic},
	}
}

func clusterIP(ctx context.Context, s *scope) error {
	if _, err := s.web(ctx, 2, ""); err != nil {
		return err
	}
	if err := s.apply(ctx, podManifest("asks", "", "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "asks"); err != nil {
		return err
	}
	fromPod := func(ctx context.Context) (string, error) { return s.exec(ctx, "asks", "dial", "udp", "web:82") }
	if err := answers(ctx, 10*time.Second, "web-", fromPod); err != nil {
		return err
	}
	for _, n := range s.Info().Nodes {
		address := ""
		err := until(ctx, 10*time.Second, "the Service's name on "+n.Name, func(ctx context.Context) (string, error) {
			out, err := s.onNode(ctx, n.Name, "resolve", "web."+s.ns+".svc.cluster.local.", s.Info().DNS)
			if err != nil || net.ParseIP(out) == nil {
				return fmt.Sprintf("%q, %v", out, err), nil
			}
			address = out
			return "", nil
		})
		if err != nil {
			return err
		}
		for _, way := range [][2]string{{"tcp", ":81"}, {"udp", ":82"}} {
			err := answers(ctx, 10*time.Second, "web-", func(ctx context.Context) (string, error) {
				return s.onNode(ctx, n.Name, "dial", way[0], address+way[1])
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func toItself(ctx context.Context, s *scope) error {
	pods, err := s.web(ctx, 1, "")
	if err != nil {
		return err
	}
	return answers(ctx, 15*time.Second, pods[0].Name+" to", func(ctx context.Context) (string, error) {
		return s.exec(ctx, pods[0].Name, "get", "http://web/")
	})
}

func nodePort(ctx context.Context, s *scope) error {
	if _, err := s.web(ctx, 1, "type: NodePort"); err != nil {
		return err
	}
	if err := s.apply(ctx, podManifest("asks", "", "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "asks"); err != nil {
		return err
	}
	service, err := s.client.CoreV1().Services(s.ns).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, n := range s.Info().Nodes {
		url := "http://" + net.JoinHostPort(n.Address, strconv.Itoa(int(service.Spec.Ports[0].NodePort))) + "/"
		fromNode := func(ctx context.Context) (string, error) { return s.onNode(ctx, "", "get", url) }
		fromPod := func(ctx context.Context) (string, error) { return s.exec(ctx, "asks", "get", url) }
		for _, ask := range []func(context.Context) (string, error){fromNode, fromPod} {
			if err := answers(ctx, 10*time.Second, "web-", ask); err != nil {
				return fmt.Errorf("the NodePort of %s: %w", n.Name, err)
			}
		}
	}
	return nil
}

func loadBalancer(ctx context.Context, s *scope) error {
	if _, err := s.web(ctx, 2, "type: LoadBalancer"); err != nil {
		return err
	}
	if err := s.apply(ctx, podManifest("asks", "", "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "asks"); err != nil {
		return err
	}
	address := ""
	err := until(ctx, 30*time.Second, "the Service's address", func(ctx context.Context) (string, error) {
		service, err := s.client.CoreV1().Services(s.ns).Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		for _, in := range service.Status.LoadBalancer.Ingress {
			address = in.IP
		}
		if address == "" {
			return "none", nil
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	asks := map[string]func(context.Context) (string, error){
		"a pod": func(ctx context.Context) (string, error) { return s.exec(ctx, "asks", "get", "http://"+address+"/") },
	}
	for _, n := range s.Info().Nodes {
		asks[n.Name] = func(ctx context.Context) (string, error) { return s.onNode(ctx, n.Name, "get", "http://"+address+"/") }
	}
	for from, ask := range asks {
		if err := answers(ctx, 10*time.Second, "web-", ask); err != nil {
			return fmt.Errorf("from %s: %w", from, err)
		}
	}
	return nil
}

func affinity(ctx context.Context, s *scope) error {
	if _, err := s.web(ctx, 4, "sessionAffinity: ClientIP"); err != nil {
		return err
	}
	if err := s.apply(ctx, podManifest("asks", "", "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "asks"); err != nil {
		return err
	}
	// kube-proxy programs each endpoint as it becomes known
	err := answers(ctx, 10*time.Second, "web-", func(ctx context.Context) (string, error) { return s.exec(ctx, "asks", "get", "http://web/") })
	if err != nil {
		return err
	}
	sticky, err := s.answerers(ctx, 10)
	if err != nil {
		return err
	}
	if err := same("pods that answered one client", len(sticky), 1); err != nil {
		return err
	}
	if _, err := s.web(ctx, 4, "sessionAffinity: None"); err != nil {
		return err
	}
	return until(ctx, 20*time.Second, "more than one pod to answer", func(ctx context.Context) (string, error) {
		// 10 answers by one of four pods alone: once in 4^9 times
		spread, err := s.answerers(ctx, 10)
		if len(spread) > 1 {
			return "", err
		}
		return fmt.Sprint(spread), err
	})
}

// answerers are the pods that answer so many requests.
func (s *scope) answerers(ctx context.Context, requests int) (map[string]bool, error) {
	who := map[string]bool{}
	for range requests {
		out, err := s.exec(ctx, "asks", "get", "http://web/")
		if err != nil {
			return nil, err
		}
		who[out] = true
	}
	return who, nil
}

func localTraffic(ctx context.Context, s *scope) error {
	pods, err := s.web(ctx, 1, "type: NodePort\n  externalTrafficPolicy: Local")
	if err != nil {
		return err
	}
	service, err := s.client.CoreV1().Services(s.ns).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	var client cluster.Node
	for _, n := range s.Info().Nodes {
		if n.ControlPlane {
			client = n
		}
	}
	port := ":" + strconv.Itoa(int(service.Spec.Ports[0].NodePort))
	ask := func(address string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			return s.onNode(ctx, client.Name, "get", "http://"+address+port+"/", "1s")
		}
	}
	if err := answers(ctx, 10*time.Second, "to "+client.Address, ask(pods[0].Status.HostIP)); err != nil {
		return fmt.Errorf("the node with the pod: %w", err)
	}
	for _, n := range s.Info().Nodes {
		if n.ControlPlane || n.Address == pods[0].Status.HostIP {
			continue
		}
		if out, err := ask(n.Address)(ctx); err == nil || !strings.Contains(err.Error(), "timeout:") && !strings.Contains(err.Error(), "refused:") {
			return fmt.Errorf("%s has no pod of the Service: wanted a timeout or a refusal, got %q, %w", n.Name, out, orNone(err))
		}
	}
	return nil
}
