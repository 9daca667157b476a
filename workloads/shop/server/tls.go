package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// secrets are the files of certificates: folders that hold tls.crt and tls.key, as
// Secrets are mounted, and bundles of authorities. They are read at the start.
type secrets struct {
	Server    string // folder: the server's own; empty serves without TLS
	Clients   string // bundle: who signs clients' certificates; empty asks for none
	Authority string // bundle: who signs the catalog's; empty trusts whom the system does
	Client    string // folder: what the gateway shows the catalog; empty shows nothing
}

// serving is the listener with TLS, where there is to be TLS.
func (s secrets) serving(listener net.Listener) (net.Listener, error) {
	if s.Server == "" {
		return listener, nil
	}
	own, err := pair(s.Server)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	if s.Clients != "" {
		if config.ClientCAs, err = bundle(s.Clients); err != nil {
			return nil, err
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return tls.NewListener(listener, config), nil
}

// asking is how the gateway asks the catalog.
func (s secrets) asking() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if s.Authority != "" {
		if config.RootCAs, err = bundle(s.Authority); err != nil {
			return nil, err
		}
	}
	if s.Client != "" {
		own, err := pair(s.Client)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// pair reads a certificate and its key.
func pair(dir string) (tls.Certificate, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		return own, fmt.Errorf("read the certificate in %s: %w", dir, err)
	}
	return own, nil
}

// bundle reads the certificates of authorities.
func bundle(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read the authorities: %s holds no certificate", path)
	}
	return pool, nil
}

// health answers on an address of its own without TLS, since a kubelet has no
// certificate to show. The caller closes it; an empty address serves nothing.
func health(address string, handler http.Handler) (*http.Server, error) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	if address == "" {
		return server, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for questions about health: %w", err)
	}
	go func() { _ = server.Serve(listener) }() // its end is the process's
	return server, nil
}

// check says what does not go together.
func (s secrets) check() error {
	if s.Clients != "" && s.Server == "" {
		return errors.New("-clients needs -tls: without TLS nobody shows a certificate")
	}
	return nil
}
