//go:build linux

package embedded

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"

	"squall/cluster/addons"

	clientcmd "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"
)

// certificateLife is how long certificates live. Prepared state that holds
// certificates in their last tenth is made anew.
const certificateLife = 365 * 24 * time.Hour

// pki holds every key and certificate of a cluster, by the file name that
// kubeadm would give it.
type pki map[string]credential

// credential is a certificate and its key, PEM encoded.
type credential struct {
	Cert []byte
	Key  []byte
}

// request says what a certificate is for.
type request struct {
	file      string
	authority string // file of the signer
	user      string // common name
	groups    []string
	addresses []string
	hosts     []string
	root      bool // an authority, signed by itself
}

// newPKI makes the keys and certificates for a cluster with the largest number
// of nodes, so that one prepared state serves every size.
func newPKI(now time.Time) (pki, error) {
	k := pki{}
	for _, r := range requests() {
		if err := k.issue(r, now); err != nil {
			return nil, fmt.Errorf("issuing the certificate %q: %w", r.file, err)
		}
	}
	return k, nil
}

// requests lists every certificate of a cluster, signers first. Users and
// groups are those that Kubernetes' RBAC knows.
func requests() []request {
	members, nodes := []string{"127.0.0.1"}, []nodeConfig{}
	for i := 1; i <= maxControlPlanes; i++ {
		nodes = append(nodes, controlPlaneNode(i))
		members = append(members, controlPlaneNode(i).address())
	}
	for i := 1; i <= MaxWorkers; i++ {
		nodes = append(nodes, nodeConfig{Name: workerName(i), Index: i})
	}
	rs := []request{
		{file: "ca", user: "squall-ca", root: true},
		{file: "front-proxy-ca", user: "squall-front-proxy-ca", root: true},
		{file: "etcd-ca", user: "squall-etcd-ca", root: true},
		{file: "front-proxy-client", authority: "front-proxy-ca", user: "front-proxy-client"},
		{file: "sa", authority: "ca", user: "service-accounts"},
		{file: "apiserver", authority: "ca", user: "kube-apiserver",
			addresses: slices.Concat(members, []string{apiServiceIP, bridgeAddress}),
			hosts: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc.cluster.local"}},
		{file: "etcd-member", authority: "etcd-ca", user: "etcd", addresses: members, hosts: []string{"localhost"}},
		{file: "apiserver-etcd-client", authority: "etcd-ca", user: "kube-apiserver-etcd-client"},
		{file: "node-services", authority: "ca", user: servicesUser},
		{file: metricsCertificate, authority: "ca", user: addons.MetricsHost, hosts: []string{addons.MetricsHost}},
		{file: "apiserver-kubelet-client", authority: "ca", user: kubeletClientUser},
		{file: "admin", authority: "ca", user: "squall-admin", groups: []string{"system:masters"}},
		{file: "controller-manager", authority: "ca", user: "system:kube-controller-manager"},
		{file: "scheduler", authority: "ca", user: "system:kube-scheduler"},
		{file: "kube-proxy", authority: "ca", user: "system:kube-proxy"},
	}
	for _, n := range nodes {
		rs = append(rs, nodeRequests(n)...)
	}
	return rs
}

// nodeRequests lists the certificates of a node's kubelet.
func nodeRequests(n nodeConfig) []request {
	user, groups := "system:node:"+n.Name, []string{"system:nodes"}
	return []request{
		{file: "kubelet-client-" + n.Name, authority: "ca", user: user, groups: groups},
		{file: "kubelet-server-" + n.Name, authority: "ca", user: user, groups: groups,
			addresses: []string{n.address()}, hosts: []string{n.Name}},
	}
}

// kubeletClientUser is the user as which the API server calls kubelets.
const kubeletClientUser = "kube-apiserver-kubelet-client"

// metricsCertificate is the file of metrics-server's serving certificate.
const metricsCertificate = "metrics-server"

// servicesUser is the user as which a node's own services call the API.
const servicesUser = "squall:node-services"

// issue makes one key and certificate and stores them.
func (k pki) issue(r request, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	cert := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: r.user, Organization: r.groups},
		NotBefore:             now.Add(-time.Hour), // hosts' clocks differ a little
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:              r.hosts,
		BasicConstraintsValid: true,
	}
	for _, a := range r.addresses {
		cert.IPAddresses = append(cert.IPAddresses, net.ParseIP(a))
	}
	signer, signerKey := cert, key
	if r.root {
		cert.IsCA = true
		cert.KeyUsage |= x509.KeyUsageCertSign
		cert.ExtKeyUsage = nil
	} else if signer, signerKey, err = k.signer(r.authority); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, signer, &key.PublicKey, signerKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	k[r.file] = credential{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}
	return nil
}

// signer returns the parsed certificate and key of an authority.
func (k pki) signer(file string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	cert, err := k.parse(file)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(k[file].Key)
	if block == nil {
		return nil, nil, fmt.Errorf("the key of %q is not PEM", file)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("the key of %q: %w", file, err)
	}
	return cert, key, nil
}

// parse returns a certificate.
func (k pki) parse(file string) (*x509.Certificate, error) {
	block, _ := pem.Decode(k[file].Cert)
	if block == nil {
		return nil, fmt.Errorf("the certificate %q is missing or not PEM", file)
	}
	return x509.ParseCertificate(block.Bytes)
}

// fresh reports whether every certificate is there and far from its end.
func (k pki) fresh(now time.Time) bool {
	for _, r := range requests() {
		cert, err := k.parse(r.file)
		if err != nil || now.After(cert.NotAfter.Add(-certificateLife/10)) {
			return false
		}
	}
	return true
}

// kubeconfig returns a kubeconfig that reaches server as the user of a client
// certificate.
func (k pki) kubeconfig(context, server, file string) ([]byte, error) {
	c := clientcmd.Config{
		APIVersion: "v1",
		Kind:       "Config",
		Clusters: []clientcmd.NamedCluster{{Name: context, Cluster: clientcmd.Cluster{
			Server: server, CertificateAuthorityData: k["ca"].Cert}}},
		AuthInfos: []clientcmd.NamedAuthInfo{{Name: context, AuthInfo: clientcmd.AuthInfo{
			ClientCertificateData: k[file].Cert, ClientKeyData: k[file].Key}}},
		Contexts: []clientcmd.NamedContext{{Name: context, Context: clientcmd.Context{
			Cluster: context, AuthInfo: context}}},
		CurrentContext: context,
	}
	b, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing the kubeconfig of %q: %w", file, err)
	}
	return b, nil
}
