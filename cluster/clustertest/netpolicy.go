package clustertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"squall/cluster"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func networkPolicyChecks() []Check {
	policy := []cluster.Part{cluster.Policy}
	return []Check{
		{Name: "policy/default deny", Says: "denies every pod, on this node and others, and not the kubelet's probes", Needs: policy, on: defaultDeny},
		{Name: "policy/allow", Says: "allows by pod, namespace, address and port, and no more", Needs: policy, on: allows},
		{Name: "policy/egress", Says: "holds back what a pod sends, but what is allowed, DNS for one", Needs: policy, on: egress},
		{Name: "policy/established", Says: "leaves established connections alone, denies new ones", Needs: policy, on: established},
		{Name: "policy/selects nothing", Says: "a policy that selects no pod harms none", Needs: policy, on: selectsNothing},
	}
}

// quick is how long a denied connection is waited for. A denied one is dropped,
// or refused, so there is nothing to see.
const quick = "700ms"

// policyMost is how long a policy may take to be in force everywhere.
const policyMost = 20 * time.Second

// field is where policies are tried: a server and four pods that call it, one of
// them in another namespace.
type field struct {
	*scope
	other  *scope
	server string // its address
	pods   map[string]*scope
}

// field starts the pods: the neighbour on the node of the server, the others on
// another when there is one.
func (s *scope) field(ctx context.Context) (*field, error) {
	f := &field{scope: s, other: &scope{lab: s.lab, ns: s.ns + "-other"}}
	f.pods = map[string]*scope{"friend": s, "neighbour": s, "stranger": s, "foreigner": f.other}
	workers := s.workers()
	here, there := workers[0], workers[len(workers)-1]
	server := strings.Replace(podManifest("server", here, "serve"), "image:", "readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1, failureThreshold: 2}, image:", 1)
	if err := s.apply(ctx, "{apiVersion: v1, kind: Namespace, metadata: {name: $NS-other, labels: {side: other-$NS}}}\n"+
		server+podManifest("neighbour", here, "sleep")+podManifest("friend", there, "sleep")+podManifest("stranger", there, "sleep")); err != nil {
		return nil, err
	}
	err := until(ctx, 20*time.Second, "a pod in another namespace", func(ctx context.Context) (string, error) {
		if err := f.other.apply(ctx, podManifest("foreigner", there, "sleep")); err != nil {
			return err.Error(), nil // its ServiceAccount is not there yet
		}
		return "", nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.podReady(ctx, "server"); err != nil {
		return nil, err
	}
	for name, in := range f.pods {
		if err := in.podReady(ctx, name); err != nil {
			return nil, err
		}
	}
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "server", metav1.GetOptions{})
	f.server = p.Status.PodIP
	return f, err
}

// reach waits until exactly the pods named reach the server on a port.
func (f *field) reach(ctx context.Context, port string, want ...string) error {
	slices.Sort(want)
	return until(ctx, policyMost, fmt.Sprintf("only %v to reach the server on %s", want, port), func(ctx context.Context) (string, error) {
		var lock sync.Mutex
		var all sync.WaitGroup
		var failed error
		got := map[string]bool{}
		for name, in := range f.pods {
			all.Go(func() {
				_, err := in.exec(ctx, name, "dial", "tcp", f.server+port, quick)
				lock.Lock()
				defer lock.Unlock()
				got[name] = err == nil
				if err != nil && !ended(err) {
					failed = errors.Join(failed, err)
				}
			})
		}
		all.Wait()
		if failed != nil {
			return failed.Error(), nil // it says nothing about the policy
		}
		maps.DeleteFunc(got, func(_ string, reached bool) bool { return !reached })
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
			return fmt.Sprint(names), nil
		}
		return "", nil
	})
}

const everybody = "friend neighbour stranger foreigner"

// ingress is a policy for the server with an ingress rule, in YAML.
func ingress(rules string) string {
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: rules}
spec: {podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress], ingress: [%s]}
`, rules)
}

func defaultDeny(ctx context.Context, s *scope) error {
	f, err := s.field(ctx)
	if err != nil {
		return err
	}
	return steps(
		func() error { return f.reach(ctx, ":8081", strings.Fields(everybody)...) },
		func() error {
			return s.apply(ctx, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}, spec: {podSelector: {}, policyTypes: [Ingress]}}")
		},
		func() error { return f.reach(ctx, ":8081") },
		func() error {
			return stays(ctx, 4*time.Second, "the server under a policy", func(ctx context.Context) (string, error) {
				p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "server", metav1.GetOptions{})
				if err == nil && !isReady(p) {
					return "the kubelet's probe no longer reaches it", nil
				}
				return "", err
			})
		},
		func() error {
			return s.client.NetworkingV1().NetworkPolicies(s.ns).Delete(ctx, "deny", metav1.DeleteOptions{})
		},
		func() error { return f.reach(ctx, ":8081", strings.Fields(everybody)...) },
	)
}

func allows(ctx context.Context, s *scope) error {
	f, err := s.field(ctx)
	if err != nil {
		return err
	}
	stranger, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "stranger", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range []struct {
		rules     string
		tcp, http []string
	}{
		{"{from: [{podSelector: {matchLabels: {app: friend}}}]}", []string{"friend"}, []string{"friend"}},
		{"{from: [{namespaceSelector: {matchLabels: {side: other-$NS}}}]}", []string{"foreigner"}, []string{"foreigner"}},
		{"{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: In, values: [foreigner, neighbour]}]}}]}",
			[]string{"foreigner", "neighbour"}, []string{"foreigner", "neighbour"}},
		{"{from: [{ipBlock: {cidr: " + stranger.Status.PodIP + "/32}}]}", []string{"stranger"}, []string{"stranger"}},
		{"{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [" + stranger.Status.PodIP + "/32]}}]}",
			[]string{"friend", "neighbour", "foreigner"}, []string{"friend", "neighbour", "foreigner"}},
		{"{ports: [{port: 8081}]}, {from: [{podSelector: {matchLabels: {app: friend}}}], ports: [{port: 8080}]}",
			strings.Fields(everybody), []string{"friend"}},
	} {
		err := steps(
			func() error { return s.apply(ctx, ingress(c.rules)) },
			func() error { return f.reach(ctx, ":8081", c.tcp...) },
			func() error { return f.reach(ctx, ":8080", c.http...) },
		)
		if err != nil {
			return fmt.Errorf("with the rules %s: %w", c.rules, err)
		}
	}
	return nil
}

const egressManifest = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out}
spec:
  podSelector: {matchLabels: {app: friend}}
  policyTypes: [Egress]
  egress:
  - {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}
`

func egress(ctx context.Context, s *scope) error {
	f, err := s.field(ctx)
	if err != nil {
		return err
	}
	return steps(
		func() error { return s.apply(ctx, egressManifest) },
		func() error { return f.reach(ctx, ":8081", "neighbour", "stranger", "foreigner") },
		func() error {
			return answers(ctx, 10*time.Second, "10.", func(ctx context.Context) (string, error) {
				return s.exec(ctx, "friend", "resolve", "kubernetes.default.svc.cluster.local.")
			})
		},
		func() error {
			return s.apply(ctx, egressManifest+"  - {to: [{podSelector: {matchLabels: {app: server}}}]}\n")
		},
		func() error { return f.reach(ctx, ":8081", strings.Fields(everybody)...) },
	)
}

func established(ctx context.Context, s *scope) error {
	f, err := s.field(ctx)
	if err != nil {
		return err
	}
	return steps(
		func() error { return s.apply(ctx, never(podManifest("holds", "", "hold", f.server+":8081", "12s"))) },
		func() error { return s.says(ctx, "holds", "open") },
		func() error { return s.apply(ctx, ingress("")) },
		func() error { return f.reach(ctx, ":8081") },
		func() error { return s.says(ctx, "holds", "alive") },
	)
}

// says waits until a pod's log holds a text.
func (s *scope) says(ctx context.Context, pod, text string) error {
	return answers(ctx, podStart, text, func(ctx context.Context) (string, error) {
		log, err := s.client.CoreV1().Pods(s.ns).GetLogs(pod, &corev1.PodLogOptions{}).DoRaw(ctx)
		return string(log), err
	})
}

// never is a pod's manifest for one that is not started again.
func never(manifest string) string {
	return strings.Replace(manifest, "spec:", "spec:\n  restartPolicy: Never", 1)
}

func selectsNothing(ctx context.Context, s *scope) error {
	f, err := s.field(ctx)
	if err != nil {
		return err
	}
	nothing := strings.NewReplacer("app: server", "app: nobody", "name: rules", "name: nothing").Replace(ingress(""))
	return steps(
		func() error { return s.apply(ctx, nothing) },
		// in force at the same time, so that the other would be, too
		func() error { return s.apply(ctx, ingress("{from: [{podSelector: {matchLabels: {app: friend}}}]}")) },
		func() error { return f.reach(ctx, ":8081", "friend") },
		func() error {
			return s.client.NetworkingV1().NetworkPolicies(s.ns).Delete(ctx, "rules", metav1.DeleteOptions{})
		},
		func() error { return f.reach(ctx, ":8081", strings.Fields(everybody)...) },
		func() error {
			return stays(ctx, 2*time.Second, "under a policy for nobody", func(ctx context.Context) (string, error) {
				out, err := s.exec(ctx, "stranger", "dial", "tcp", f.server+":8081")
				if err != nil {
					return fmt.Sprintf("%q, %v", out, err), nil
				}
				return "", nil
			})
		},
	)
}
