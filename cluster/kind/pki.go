package kind

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// certificateLife is as long as kubeadm's.
const certificateLife = 365 * 24 * time.Hour

// Where kubeadm keeps the cluster's authority, on the control plane.
const (
	authorityCert = "/etc/kubernetes/pki/ca.crt"
	authorityKey  = "/etc/kubernetes/pki/ca.key"
)

// authority signs certificates that the cluster trusts.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// credential is a certificate and its key, as PEM.
type credential struct{ Cert, Key []byte }

// subject is whom a certificate is for: a user, or a server with its names.
type subject struct {
	user  string
	hosts []string
}

// authority is the cluster's, from its first control-plane node.
func (h *handle) authority(ctx context.Context) (authority, error) {
	var cert, key bytes.Buffer
	err := errors.Join(h.ask(ctx, clientHost, nil, &cert, "file", authorityCert), h.ask(ctx, clientHost, nil, &key, "file", authorityKey))
	if err != nil {
		return authority{}, fmt.Errorf("reading the cluster's authority: %w", err)
	}
	return readAuthority(cert.Bytes(), key.Bytes())
}

// readAuthority reads PEM; kubeadm's keys are RSA in PKCS #1, or ECDSA.
func readAuthority(certPEM, keyPEM []byte) (authority, error) {
	c, _ := pem.Decode(certPEM)
	k, _ := pem.Decode(keyPEM)
	if c == nil || k == nil {
		return authority{}, errors.New("the cluster's authority is not PEM")
	}
	cert, err := x509.ParseCertificate(c.Bytes)
	if err != nil {
		return authority{}, fmt.Errorf("the cluster's authority: %w", err)
	}
	switch k.Type {
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(k.Bytes)
		return authority{cert, key}, err
	case "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(k.Bytes)
		return authority{cert, key}, err
	}
	return authority{}, fmt.Errorf("the key of the cluster's authority is of the unknown form %q", k.Type)
}

// issue makes a key and its certificate.
func (a authority) issue(s subject, now time.Time) (credential, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return credential{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return credential{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: s.user},
		NotBefore:    now.Add(-time.Hour), // hosts' clocks differ a little
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:     s.hosts, BasicConstraintsValid: true,
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return credential{}, fmt.Errorf("signing the certificate of %s: %w", s.user, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return credential{}, err
	}
	return credential{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// kubeconfig reaches a server with a client certificate.
func (c credential) kubeconfig(server string, authorityPEM []byte) ([]byte, error) {
	const name = "squall"
	b, err := clientcmd.Write(api.Config{
		Clusters:       map[string]*api.Cluster{name: {Server: server, CertificateAuthorityData: authorityPEM}},
		AuthInfos:      map[string]*api.AuthInfo{name: {ClientCertificateData: c.Cert, ClientKeyData: c.Key}},
		Contexts:       map[string]*api.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	})
	if err != nil {
		return nil, fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return b, nil
}
