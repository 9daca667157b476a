package traffic

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// TLS is how targets with https are spoken to. Certificates and keys are PEM; the
// generator gets them on its standard input and writes them nowhere.
type TLS struct {
	// CA are the authorities that may have signed servers' certificates.
	CA string `json:"ca,omitempty"`
	// Certificate and Key are what is shown to servers that ask for it.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
	// ServerName is the name that a server's certificate must have; default the
	// host of its URL.
	ServerName string `json:"serverName,omitempty"`
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// String says what there is and shows nothing of it, so that no message holds a
// key.
func (s TLS) String() string {
	return fmt.Sprintf("TLS with %d bytes of authorities, %d of a certificate", len(s.CA), len(s.Certificate))
}

// GoString is String: no message shows a key.
func (s TLS) GoString() string { return s.String() }

// config is the configuration of connections. A nil TLS trusts whom the system
// trusts. Sessions are not resumed: each new connection shows that certificates
// are in order.
func (s *TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	if s == nil {
		return config, nil
	}
	config.ServerName, config.InsecureSkipVerify = s.ServerName, s.InsecureSkipVerify
	var wrong []error
	if s.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(s.CA)) {
			wrong = append(wrong, errors.New("tls: the authorities hold no certificate in PEM"))
		}
	}
	if s.Certificate != "" || s.Key != "" {
		pair, err := tls.X509KeyPair([]byte(s.Certificate), []byte(s.Key))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("tls: the client's certificate and key: %w", err))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, errors.Join(wrong...)
}

// The reasons that TLS gives for a request that failed begin with this.
const tlsReason = "tls: "

// secureReason is why TLS failed, in a few fixed words; empty when it is not TLS
// that failed.
func secureReason(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert *net.OpError
	switch {
	case errors.As(err, &authority):
		return tlsReason + "certificate of an unknown authority"
	case errors.As(err, &name):
		return tlsReason + "certificate for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && time.Now().Before(invalid.Cert.NotBefore):
		return tlsReason + "certificate not valid yet"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return tlsReason + "certificate expired"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return tlsReason + "certificate invalid"
	case errors.As(err, new(tls.RecordHeaderError)), errors.Is(err, http.ErrSchemeMismatch):
		return tlsReason + "the server does not speak it"
	case errors.As(err, &alert) && alert.Op == "remote error": // the name that crypto/tls gives an alert
		return tlsReason + "the server refused: " + strings.TrimPrefix(alert.Err.Error(), tlsReason)
	case strings.Contains(err.Error(), "TLS handshake timeout"): // net/http does not export it
		return tlsReason + "handshake timeout"
	}
	if at := strings.Index(err.Error(), tlsReason); at >= 0 {
		return err.Error()[at:]
	}
	return ""
}
