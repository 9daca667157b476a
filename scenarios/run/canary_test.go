package run

import (
	"bytes"
	"context"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/workloads/certificates"
	"squall/workloads/sample"
	"squall/workloads/shop"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	bird  = "squall-canary-5f1d09c2e7" // a Secret's value
	token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmVkLWJ5LW5vYm9keQ"
)

// leaky is a provider in whose clusters a pod has a Secret, and tells it.
type leaky struct {
	*provider
	t *testing.T
	// keys gets lines of the private keys that the run made.
	keys *[]string
}

func (l leaky) Create(ctx context.Context, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	early := spec.Early
	spec.Early = func(ctx context.Context, kubeconfig []byte) error {
		if err := early(ctx, kubeconfig); err != nil {
			return err
		}
		config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
		require.NoError(l.t, err)
		client, err := kubernetes.NewForConfig(config)
		require.NoError(l.t, err)
		l.leak(ctx, client)
		return nil
	}
	return l.provider.Create(ctx, spec, progress)
}

// leak makes the Secret, a pod that crashes with its value in the log (the shop
// tells of a role that it does not know), and an Event that names it.
func (l leaky) leak(ctx context.Context, client kubernetes.Interface) {
	made, err := client.CoreV1().Secrets(scenarios.Namespace).List(ctx, metav1.ListOptions{})
	require.NoError(l.t, err)
	for _, secret := range made.Items {
		lines := strings.Split(string(secret.Data[certificates.KeyPrivate]), "\n")
		require.Greater(l.t, len(lines), 3, secret.Name)
		*l.keys = append(*l.keys, lines[1], lines[2])
	}
	meta := metav1.ObjectMeta{Name: "leak", Namespace: scenarios.Namespace}
	_, err = client.CoreV1().Secrets(meta.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: meta, StringData: map[string]string{"password": bird},
	}, metav1.CreateOptions{})
	require.NoError(l.t, err)
	from := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "leak"}, Key: "password"}}
	_, err = client.CoreV1().Pods(meta.Namespace).Create(ctx, &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
		ServiceAccountName: "shop",
		Containers: []corev1.Container{{
			Name: "leak", Image: shop.Program().Ref, Env: []corev1.EnvVar{{Name: "PASSWORD", ValueFrom: from}},
			Args: []string{"$(PASSWORD) " + base64.StdEncoding.EncodeToString([]byte(bird)) + " " + token + " Authorization: Basic bm9ib2R5"},
		}},
	}}, metav1.CreateOptions{})
	require.NoError(l.t, err)
	_, err = client.CoreV1().Events(meta.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta: meta, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: meta.Namespace, Name: "leak"},
		Reason: "Leaking", Type: corev1.EventTypeWarning, Message: "the probe said: " + bird, LastTimestamp: metav1.Now(),
	}, metav1.CreateOptions{})
	require.NoError(l.t, err)
}

func TestNoSecretReachesTheDisk(t *testing.T) {
	p := newProvider(t)
	// The first restart comes after a back-off of 10 s.
	var keys []string
	o, s := options(t, leaky{p, t, &keys}, &screen{}), podKill(t, "{warmup: 1s, steady: 1s, fault: 14s, recovery: 4s}")
	secured(s)
	dir, v, err := Run(within(t), s, o)
	require.NoError(t, err)
	p.requireNothingLeft(t)
	t.Log(v.Outcome, v.Reasons)
	rec := open(t, s, dir, v)
	requireSecured(t, rec)
	require.Len(t, keys, 6, "the gateway's, the catalog's and the client's")

	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		files[name] = string(text)
		for _, secret := range append([]string{bird, base64.StdEncoding.EncodeToString([]byte(bird)), token, "bm9ib2R5"}, keys...) {
			assert.False(t, bytes.Contains(text, []byte(secret)), "%s holds %q", name, secret)
		}
		if info, err := entry.Info(); assert.NoError(t, err) && filepath.Dir(name) != "." {
			assert.Equal(t, fs.FileMode(0o600), info.Mode(), name)
		}
		return nil
	}))
	for _, log := range []string{"logs/leak/leak.log", "logs/leak/leak.previous.log"} {
		assert.Regexp(t, `^20\S+Z shop: .*\[redacted\] \[redacted\] \[redacted\] Authorization: \[redacted\]`, files[log], log)
	}
	assert.Contains(t, files[reports.FileWorkloads], "kind: Deployment")
	requireTold(t, rec, files)
}

// requireTold holds that the record tells of the nodes, of the leak's end, of
// what the cluster told, and of every log that is there.
func requireTold(t *testing.T, rec *reports.Record, files map[string]string) {
	t.Helper()
	nodes, logs := map[string]bool{}, 0
	var leak reports.PodEntry
	reasons := map[string]string{}
	for _, e := range rec.Entries {
		switch {
		case e.Node != nil:
			nodes[e.Node.Name] = e.Node.Ready
		case e.Pod != nil && e.Pod.Name == "squall/leak":
			leak = *e.Pod
		case e.Notice != nil:
			reasons[e.Notice.Reason] = e.Notice.Message
		case e.Log != nil && e.Log.File != "":
			logs++
			assert.Len(t, files[e.Log.File], e.Log.Bytes, e.Log.File)
		case e.Log != nil:
			// The pod that was killed without grace took its log along: the API has
			// it no more, or its kubelet has not.
			assert.Regexp(t, "not found|could not find", e.Log.Unread, "%+v", *e.Log)
			assert.NotEqual(t, "squall/leak", e.Log.Pod)
		}
	}
	assert.Equal(t, map[string]bool{"control-plane-1": true, "worker-1": true, "worker-2": true}, nodes)
	if assert.Len(t, leak.Containers, 1) {
		assert.Equal(t, &reports.ContainerEnd{Code: 2, Reason: "Error"}, leak.Containers[0].Ended)
		assert.GreaterOrEqual(t, leak.Containers[0].Restarts, int32(1))
	}
	assert.Equal(t, "the probe said: [redacted]", reasons["Leaking"])
	assert.Contains(t, reasons, "Scheduled")
	assert.Contains(t, reasons, "BackOff")
	assert.GreaterOrEqual(t, logs, 5, "two of the leak, and of each pod of the shop")
}

// secured has the shop demand certificates, of which one load has one, and
// another has not. All answers count as degraded, to see that they are classed.
func secured(s *scenarios.Scenario) {
	s.Spec.Workloads[0].Shop.TLS = shop.TLSMutual
	load := &s.Spec.Load[0]
	load.Target.Port, load.Target.Scheme = "https", "https"
	load.Classes = &scenarios.Classes{Degraded: &scenarios.Answer{Header: map[string]string{"X-Version": shop.Version}}}
	load.TLS = &scenarios.TLS{CA: &scenarios.Authority{Secret: shop.SecretOf(shop.Gateway)}}
	stranger := *load
	load.TLS = &scenarios.TLS{CA: load.TLS.CA, Client: &scenarios.Certificate{Secret: shop.ClientSecret("shop")}}
	stranger.Name, stranger.Rate.Rate = "stranger", 5
	s.Spec.Load = append(s.Spec.Load, stranger)
}

// requireSecured holds that the shop answered the load that has a certificate,
// and refused the other.
func requireSecured(t *testing.T, rec *reports.Record) {
	t.Helper()
	_, at := phasesOf(rec)
	answered, refused, told := 0, 0, 0
	rec.EachRequest(func(load string, one sample.Sample) {
		switch {
		case one.Due < at["steady"] || one.Due >= at["fault"]:
		case load == "stranger":
			refused++
			assert.Zero(t, one.Code)
			assert.Equal(t, sample.Failed, one.Class)
			if one.Error != "connection reset" { // which may overtake the alert
				assert.Equal(t, "tls: the server refused: certificate required", one.Error)
			}
		default:
			answered++
			assert.Equal(t, 200, one.Code, one.Error)
			assert.Equal(t, sample.Degraded, one.Class)
		}
	})
	assert.Equal(t, []int{200, 5}, []int{answered, refused})
	for _, e := range rec.Entries {
		if e.Generator != nil {
			told++
		}
	}
	assert.Greater(t, told, 20, "two generators tell of themselves each second")
}
