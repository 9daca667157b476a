package run

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"
	"squall/workloads/certificates"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

// mutual is a scenario whose load shows a certificate, as tls says.
func mutual(t *testing.T, tls string) *scenarios.Scenario {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mutual.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: mutual}
spec:
  workloads: [{name: shop, shop: {services: [gateway], tls: mutual}}]
  load: [{name: browse, target: {service: gateway, port: https, scheme: https}, tls: `+tls+`, rate: 10/s, good: {within: 1s}}]
  expect: [{name: held, that: 'fault.lost == 0'}]
`), 0o600))
	f, err := scenarios.LoadFile(path)
	require.NoError(t, err)
	return f.Scenario
}

// secretsOf are a run's Secrets as the API has them.
func secretsOf(t *testing.T, rendered []workloads.Rendered) (all []runtime.Object) {
	t.Helper()
	for _, object := range rendered[0].Objects {
		if object.GetKind() != "Secret" {
			continue
		}
		var secret corev1.Secret
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &secret))
		all = append(all, &secret)
	}
	return all
}

func TestCertificatesComeFromSecrets(t *testing.T) {
	s := mutual(t, "{ca: {secret: gateway-tls}, client: {secret: shop-client-tls}, serverName: gateway}")
	c, err := newConductor(s, Options{Traffic: []string{"none"}})
	require.NoError(t, err)
	secrets := secretsOf(t, c.filled)
	require.Len(t, secrets, 2)
	for _, secret := range secretsOf(t, c.rendered) {
		assert.Empty(t, secret.(*corev1.Secret).Data, "what is kept has none")
	}
	c.client = fake.NewClientset(secrets...)
	c.loads = []*generator{{load: s.Spec.Load[0]}}
	require.NoError(t, c.secureLoads(t.Context()))
	told := c.loads[0].secure
	shown := secrets[1].(*corev1.Secret).Data
	assert.Equal(t, string(secrets[0].(*corev1.Secret).Data[certificates.KeyAuthority]), told.CA)
	assert.Equal(t, string(shown[certificates.KeyCertificate]), told.Certificate)
	assert.Equal(t, string(shown[certificates.KeyPrivate]), told.Key)
	assert.Equal(t, "gateway", told.ServerName)
	c.cluster = named{}
	spec, err := c.orders(c.loads[0])
	require.NoError(t, err)
	assert.Same(t, told, spec.TLS)
	assert.Equal(t, "https://gateway.squall.svc.cluster.local.:8443/", spec.URL)

	again, err := newConductor(s, Options{Traffic: []string{"none"}})
	require.NoError(t, err)
	assert.NotEqual(t, secrets, secretsOf(t, again.filled), "each run has its own")

	var got *trouble
	_, err = c.client.CoreV1().Secrets("squall").Patch(t.Context(), "shop-client-tls", "application/merge-patch+json", []byte(`{"data":{"tls.key":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.ErrorAs(t, c.secureLoads(t.Context()), &got)
	assert.Equal(t, reports.TroubleEnvironment, got.class)
	assert.Contains(t, got.what, `the Secret "shop-client-tls" has no tls.key`)
	require.NoError(t, c.client.CoreV1().Secrets("squall").Delete(t.Context(), "gateway-tls", metav1.DeleteOptions{}))
	require.ErrorAs(t, c.secureLoads(t.Context()), &got)
	assert.Contains(t, got.what, `load "browse": the Secret "gateway-tls" with its certificates cannot be read`)
}

func TestCertificatesComeFromFilesBesideTheScenario(t *testing.T) {
	s := mutual(t, "{ca: {file: ca.pem}, client: {file: user.pem, key: user.key}}")
	_, err := newConductor(s, Options{Traffic: []string{"none"}})
	assert.ErrorContains(t, err, `load "browse": read a certificate of the scenario`)
	assert.ErrorContains(t, err, "ca.pem: no such file", "before there is a cluster")
	for _, name := range []string{"ca.pem", "user.pem", "user.key"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.Folder, name), []byte(name+"'s text"), 0o600))
	}
	c, err := newConductor(s, Options{Traffic: []string{"none"}})
	require.NoError(t, err)
	told, err := c.secure(context.Background(), s.Spec.Load[0])
	require.NoError(t, err)
	assert.Equal(t, []string{"ca.pem's text", "user.pem's text", "user.key's text"}, []string{told.CA, told.Certificate, told.Key})
	require.NoError(t, os.WriteFile(filepath.Join(s.Folder, "ca.pem"), make([]byte, maxCertificates+1), 0o600))
	_, err = newConductor(s, Options{Traffic: []string{"none"}})
	assert.ErrorContains(t, err, "is no file of at most")
}

func TestCertificatesThatEndAreAskedForByPatches(t *testing.T) {
	s := mutual(t, "{ca: {secret: gateway-tls}, client: {secret: shop-client-tls}}")
	s.Spec.Workloads[0].Patches = []workloads.Patch{{Name: "ended", Target: workloads.PatchTarget{Kind: "Secret", Name: "gateway-tls"},
		Patch: map[string]any{"metadata": map[string]any{"annotations": map[string]any{certificates.AnnotationValid: "-1h"}}}}}
	rendered, err := s.Render()
	require.NoError(t, err)
	_, err = certify(rendered, time.Now())
	require.NoError(t, err)
	s.Spec.Workloads[0].Patches[0].Patch = map[string]any{"metadata": map[string]any{"annotations": map[string]any{certificates.AnnotationValid: "soon"}}}
	_, err = s.Render()
	assert.ErrorContains(t, err, `Secret "gateway-tls": annotation squall.dev/certificate-valid: "soon"`)
}
