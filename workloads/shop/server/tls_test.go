package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"squall/workloads/certificates"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folder is what a mounted Secret holds.
func folder(t *testing.T, a *certificates.Authority, use string, names ...string) string {
	t.Helper()
	certificate, key, err := a.Issue(certificates.Request{Use: use, Names: names})
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range map[string][]byte{certificates.KeyAuthority: a.PEM(), certificates.KeyCertificate: certificate, certificates.KeyPrivate: key} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	return dir
}

// secured starts a role and returns its address.
func secured(t *testing.T, args ...string) string {
	t.Helper()
	s, err := parse(args, func(string) string { return args[0] + "-0" })
	require.NoError(t, err)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, s, listener, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-done)
	})
	return listener.Addr().String()
}

// free is an address that nothing listens at.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// ask asks for the goods as a client that shows what is in the folder, if one is
// named.
func ask(t *testing.T, a *certificates.Authority, address, dir string) (int, error) {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	require.True(t, config.RootCAs.AppendCertsFromPEM(a.PEM()))
	if dir != "" {
		own, err := pair(dir)
		require.NoError(t, err)
		config.Certificates = []tls.Certificate{own}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	answer, err := client.Get("https://" + address + "/catalog")
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

func TestMutualTLSFromTheUserToTheCatalog(t *testing.T) {
	a, err := certificates.New(time.Now())
	require.NoError(t, err)
	server, client := folder(t, a, certificates.UseServer, "127.0.0.1"), folder(t, a, certificates.UseClient, "user")
	authorities := filepath.Join(server, certificates.KeyAuthority)
	probes := free(t)
	catalog := secured(t, "catalog", "-drain=false", "-tls", server, "-clients", authorities)
	gateway := secured(t, "gateway", "-drain=false", "-tls", server, "-clients", authorities, "-catalog", "https://"+catalog,
		"-ca", authorities, "-client", client, "-health", probes)

	status, err := ask(t, a, gateway, client)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)
	_, err = ask(t, a, gateway, "")
	assert.Error(t, err, "it demands a certificate")
	_, err = ask(t, a, gateway, server)
	assert.Error(t, err, "a server's certificate is no client's")
	stranger, err := certificates.New(time.Now())
	require.NoError(t, err)
	_, err = ask(t, a, gateway, folder(t, stranger, certificates.UseClient, "user"))
	assert.Error(t, err)

	answer, err := http.Get("http://" + probes + "/readyz")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode, "a kubelet asks without TLS")

	// A gateway that shows the catalog nothing gets nothing from it.
	bare := secured(t, "gateway", "-drain=false", "-tls", server, "-catalog", "https://"+catalog, "-ca", authorities)
	status, err = ask(t, a, bare, "")
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadGateway, status)
}

func TestCertificatesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	a, err := certificates.New(time.Now())
	require.NoError(t, err)
	server := folder(t, a, certificates.UseServer, "127.0.0.1")
	for want, args := range map[string][]string{
		"read the certificate in " + dir:    {"catalog", "-tls", dir},
		"holds no certificate":              {"catalog", "-tls", server, "-clients", empty},
		"read the authorities: open":        {"gateway", "-ca", filepath.Join(dir, "absent")},
		"read the certificate in " + empty:  {"gateway", "-client", empty},
		"listen for questions about health": {"catalog", "-health", "127.0.0.1:99999"},
	} {
		var stdout strings.Builder
		assert.Equal(t, 1, run(t.Context(), append(args, "-listen", "127.0.0.1:0"), &stdout, io.Discard), want)
		assert.Contains(t, stdout.String(), want)
	}
}
