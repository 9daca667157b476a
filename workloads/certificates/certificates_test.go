package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// secret asks for a certificate.
func secret(annotations map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "gateway-tls", "annotations": annotations},
	}}
}

// read is the certificate of a filled Secret, and whom it may be trusted by.
func read(t *testing.T, object *unstructured.Unstructured) (*x509.Certificate, *x509.CertPool) {
	t.Helper()
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	require.NoError(t, err)
	get := func(key string) []byte {
		value, err := base64.StdEncoding.DecodeString(data[key])
		require.NoError(t, err)
		return value
	}
	pair, err := tls.X509KeyPair(get(KeyCertificate), get(KeyPrivate))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(get(KeyAuthority)))
	return pair.Leaf, pool
}

func TestSecretsAreFilled(t *testing.T) {
	now := time.Now()
	a, err := New(now)
	require.NoError(t, err)
	server := secret(map[string]any{AnnotationUse: UseServer, AnnotationNames: "gateway.squall.svc, gateway,10.0.0.1"})
	client := secret(map[string]any{AnnotationUse: UseClient, AnnotationNames: "shop"})
	ended := secret(map[string]any{AnnotationUse: UseServer, AnnotationNames: "gateway", AnnotationValid: "-1s"})
	plain := secret(nil)
	other := &unstructured.Unstructured{Object: map[string]any{"kind": "Service", "metadata": map[string]any{"annotations": map[string]any{AnnotationUse: UseServer}}}}
	filled, err := a.Fill([]*unstructured.Unstructured{server, client, ended, plain, other})
	require.NoError(t, err)

	leaf, pool := read(t, filled[0])
	for _, name := range []string{"gateway.squall.svc", "gateway", "10.0.0.1"} {
		_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now})
		assert.NoError(t, err, name)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "catalog", CurrentTime: now})
	assert.ErrorAs(t, err, new(x509.HostnameError))
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	assert.Error(t, err, "a server's certificate is no client's")

	leaf, _ = read(t, filled[1])
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	assert.NoError(t, err)
	assert.Equal(t, "shop", leaf.Subject.CommonName)

	leaf, _ = read(t, filled[2])
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now.Add(time.Minute)})
	var invalid x509.CertificateInvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, x509.Expired, invalid.Reason)

	assert.Same(t, plain, filled[3])
	assert.Same(t, other, filled[4])
	assert.NotContains(t, server.Object, "data", "what was rendered stays empty")
}

func TestAuthoritiesOfTwoRunsDiffer(t *testing.T) {
	one, err := New(time.Now())
	require.NoError(t, err)
	other, err := New(time.Now())
	require.NoError(t, err)
	filled, err := one.Fill([]*unstructured.Unstructured{secret(map[string]any{AnnotationUse: UseServer, AnnotationNames: "gateway"})})
	require.NoError(t, err)
	leaf, _ := read(t, filled[0])
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(other.PEM()))
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool})
	assert.Error(t, err)
}

func TestWhatASecretCannotAskFor(t *testing.T) {
	for want, annotations := range map[string]map[string]any{
		`certificate: "both" is neither server nor client`: {AnnotationUse: "both"},
		`certificate-names: "" are not names`:              {AnnotationUse: UseServer},
		`certificate-names: "a,,b" are not names`:          {AnnotationUse: UseServer, AnnotationNames: "a,,b"},
		`certificate-valid: "soon" is no time`:             {AnnotationUse: UseServer, AnnotationNames: "a", AnnotationValid: "soon"},
		`certificate-valid: "25h" is no time`:              {AnnotationUse: UseServer, AnnotationNames: "a", AnnotationValid: "25h"},
		`certificate-valid: "-48h" is no time`:             {AnnotationUse: UseServer, AnnotationNames: "a", AnnotationValid: "-48h"},
		`certificate-valid: "0s" is no time`:               {AnnotationUse: UseServer, AnnotationNames: "a", AnnotationValid: "0s"},
	} {
		assert.ErrorContains(t, Check(secret(annotations)), want)
		a, err := New(time.Now())
		require.NoError(t, err)
		_, err = a.Fill([]*unstructured.Unstructured{secret(annotations)})
		assert.ErrorContains(t, err, want)
	}
	assert.NoError(t, Check(secret(nil)))
}
