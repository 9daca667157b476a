// Package certificates makes the certificates of one run: an authority of its
// own, whose key never leaves memory, and certificates for the Secrets that
// workloads ask them for.
//
// A Secret asks by its annotations: [AnnotationUse], [AnnotationNames] and, for
// one that is to end early or has ended, [AnnotationValid]. It is rendered empty,
// so that rendering stays a pure function; [Authority.Fill] puts in what
// Kubernetes expects of a Secret for TLS: tls.crt, tls.key and, of the authority,
// ca.crt.
package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What a Secret asks for by its annotations.
const (
	// AnnotationUse is [UseServer] or [UseClient].
	AnnotationUse = "squall.dev/certificate"
	// AnnotationNames are the names or addresses that it is for, separated by
	// commas. The first is its subject.
	AnnotationNames = "squall.dev/certificate-names"
	// AnnotationValid is how long it is valid from the run's start on, a day when
	// nothing is said; a negative time has passed.
	AnnotationValid = "squall.dev/certificate-valid"
)

// What a certificate is for.
const (
	UseServer = "server"
	UseClient = "client"
)

// The keys of a filled Secret.
const (
	KeyAuthority   = "ca.crt"
	KeyCertificate = "tls.crt"
	KeyPrivate     = "tls.key"
)

const (
	// validity is how long certificates are valid, far longer than any run.
	validity = 24 * time.Hour
	// before is how long before a run's start they are valid from, for clocks
	// that differ, and for those that have ended to have begun.
	before = 48 * time.Hour
)

// Authority signs the certificates of one run.
type Authority struct {
	now         time.Time
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	pem         []byte
}

// New makes an authority for a run that starts now.
func New(now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key for the run's authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "squall run"},
		NotBefore: now.Add(-before), NotAfter: now.Add(validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the run's authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("read the run's authority: %w", err)
	}
	return &Authority{now, key, certificate, block("CERTIFICATE", raw)}, nil
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return a.pem }

// Request is what a certificate is asked for.
type Request struct {
	Use   string        // [UseServer] or [UseClient]
	Names []string      // names or addresses, one at least
	Valid time.Duration // from the run's start on; zero means a day
}

// Issue makes a key and signs a certificate for it, both as PEM.
func (a *Authority) Issue(r Request) (certificate, key []byte, err error) {
	if r.Valid == 0 {
		r.Valid = validity
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for %q: %w", r.Names[0], err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: r.Names[0]},
		NotBefore: a.now.Add(-before), NotAfter: a.now.Add(r.Valid),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if r.Use == UseClient {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	for _, name := range r.Names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, private.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate for %q: %w", r.Names[0], err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("write the key of %q: %w", r.Names[0], err)
	}
	return block("CERTIFICATE", raw), block("PRIVATE KEY", encoded), nil
}

// Fill returns the objects with a copy of each Secret that asks for a
// certificate, filled. The objects themselves stay empty.
func (a *Authority) Fill(objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	filled := make([]*unstructured.Unstructured, len(objects))
	for i, object := range objects {
		filled[i] = object
		request, asks, err := asked(object)
		if err != nil {
			return nil, err
		}
		if !asks {
			continue
		}
		certificate, key, err := a.Issue(request)
		if err != nil {
			return nil, fmt.Errorf("fill Secret %q: %w", object.GetName(), err)
		}
		filled[i] = object.DeepCopy()
		data := map[string]any{}
		for name, value := range map[string][]byte{KeyAuthority: a.pem, KeyCertificate: certificate, KeyPrivate: key} {
			data[name] = base64.StdEncoding.EncodeToString(value)
		}
		filled[i].Object["data"] = data
	}
	return filled, nil
}

// Check tells what is wrong with what a Secret asks for; nil for an object that
// asks for nothing.
func Check(object *unstructured.Unstructured) error {
	_, _, err := asked(object)
	return err
}

// asked is what a Secret asks for, if it does.
func asked(object *unstructured.Unstructured) (r Request, asks bool, err error) {
	annotations := object.GetAnnotations()
	if object.GetKind() != "Secret" || annotations[AnnotationUse] == "" {
		return r, false, nil
	}
	wrong := func(annotation, problem string) (Request, bool, error) {
		return r, false, fmt.Errorf("Secret %q: annotation %s: %q %s", object.GetName(), annotation, annotations[annotation], problem)
	}
	if r.Use = annotations[AnnotationUse]; r.Use != UseServer && r.Use != UseClient {
		return wrong(AnnotationUse, "is neither "+UseServer+" nor "+UseClient)
	}
	for name := range strings.SplitSeq(annotations[AnnotationNames], ",") {
		if name = strings.TrimSpace(name); name == "" {
			return wrong(AnnotationNames, "are not names, separated by commas")
		}
		r.Names = append(r.Names, name)
	}
	text, limited := annotations[AnnotationValid]
	if !limited {
		return r, true, nil
	}
	if r.Valid, err = time.ParseDuration(text); err != nil || r.Valid == 0 || r.Valid <= -before || r.Valid > validity {
		return wrong(AnnotationValid, fmt.Sprintf("is no time from the run's start on, above %s, not 0s, and at most %s", -before, validity))
	}
	return r, true, nil
}

// serial is a random serial number.
func serial() *big.Int {
	number := make([]byte, 16)
	rand.Read(number) // it never fails
	number[0] &= 0x7f
	return new(big.Int).SetBytes(number)
}

// block is PEM.
func block(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}
