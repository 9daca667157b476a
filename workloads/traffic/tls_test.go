package traffic

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"squall/workloads/certificates"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority is that of a test's certificates.
func authority(t *testing.T) *certificates.Authority {
	t.Helper()
	a, err := certificates.New(time.Now())
	require.NoError(t, err)
	return a
}

// issue is a certificate and its key, as PEM.
func issue(t *testing.T, a *certificates.Authority, r certificates.Request) (certificate, key string) {
	t.Helper()
	c, k, err := a.Issue(r)
	require.NoError(t, err)
	return string(c), string(k)
}

// secure serves over TLS with a certificate that a signed.
func secure(t *testing.T, a *certificates.Authority, r certificates.Request, change func(*tls.Config)) string {
	t.Helper()
	certificate, key := issue(t, a, r)
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			w.Header().Set("X-Instance", r.TLS.PeerCertificates[0].Subject.CommonName)
		}
		w.Header().Set("X-Version", r.TLS.ServerName+" "+r.Proto)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestLoadOverTLS(t *testing.T) {
	a := authority(t)
	here := certificates.Request{Use: certificates.UseServer, Names: []string{"127.0.0.1", "gateway.squall.svc"}}
	named := secure(t, a, certificates.Request{Use: certificates.UseServer, Names: []string{"gateway.squall.svc"}}, nil)
	ended := secure(t, a, certificates.Request{Use: certificates.UseServer, Names: here.Names, Valid: -time.Second}, nil)
	client := secure(t, a, certificates.Request{Use: certificates.UseClient, Names: here.Names}, nil)
	fine := secure(t, a, here, nil)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	ca := string(a.PEM())
	for name, c := range map[string]struct {
		url  string
		tls  *TLS
		want string
	}{
		"signed":          {fine, &TLS{CA: ca}, "200"},
		"unknown":         {fine, &TLS{CA: string(authority(t).PEM())}, "tls: certificate of an unknown authority"},
		"the system's":    {fine, nil, "tls: certificate of an unknown authority"},
		"another name":    {named, &TLS{CA: ca}, "tls: certificate for another name"},
		"the right name":  {named, &TLS{CA: ca, ServerName: "gateway.squall.svc"}, "200"},
		"the wrong name":  {named, &TLS{CA: ca, ServerName: "catalog.squall.svc"}, "tls: certificate for another name"},
		"expired":         {ended, &TLS{CA: ca}, "tls: certificate expired"},
		"a client's":      {client, &TLS{CA: ca}, "tls: certificate invalid"},
		"anything":        {ended, &TLS{InsecureSkipVerify: true}, "200"},
		"without TLS":     {strings.Replace(plain.URL, "http:", "https:", 1), &TLS{CA: ca}, "tls: the server does not speak it"},
		"TLS without TLS": {strings.Replace(fine, "https:", "http:", 1), &TLS{CA: ca}, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			o := start(t, Spec{Name: "browse", URL: c.url, Rate: 100, Until: 50 * time.Millisecond, TLS: c.tls}).end()
			assert.Equal(t, map[string]int{c.want: 5}, reasons(o.results))
			if c.want == "200" {
				assert.True(t, strings.HasSuffix(o.results[0].Version, "HTTP/1.1"), o.results[0].Version)
				assert.Contains(t, o.results[0].Version, c.tls.ServerName)
			}
		})
	}
}

// future is an authority of a run that has not begun.
func future(t *testing.T) *certificates.Authority {
	t.Helper()
	a, err := certificates.New(time.Now().Add(100 * time.Hour))
	require.NoError(t, err)
	return a
}

func TestACertificateThatIsNotValidYet(t *testing.T) {
	a := future(t)
	url := secure(t, a, certificates.Request{Use: certificates.UseServer, Names: []string{"127.0.0.1"}}, nil)
	o := start(t, Spec{Name: "browse", URL: url, Rate: 100, Until: 20 * time.Millisecond, TLS: &TLS{CA: string(a.PEM())}}).end()
	assert.Equal(t, map[string]int{"tls: certificate not valid yet": 2}, reasons(o.results))
}

func TestMutualTLS(t *testing.T) {
	a, stranger := authority(t), authority(t)
	demands := func(version uint16) string {
		return secure(t, a, certificates.Request{Use: certificates.UseServer, Names: []string{"127.0.0.1"}}, func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs, c.MaxVersion = tls.RequireAndVerifyClientCert, x509.NewCertPool(), version
			c.ClientCAs.AppendCertsFromPEM(a.PEM())
		})
	}
	mine := TLS{CA: string(a.PEM())}
	mine.Certificate, mine.Key = issue(t, a, certificates.Request{Use: certificates.UseClient, Names: []string{"user"}})
	others := TLS{CA: string(a.PEM())}
	others.Certificate, others.Key = issue(t, stranger, certificates.Request{Use: certificates.UseClient, Names: []string{"user"}})
	ended := TLS{CA: string(a.PEM())}
	ended.Certificate, ended.Key = issue(t, a, certificates.Request{Use: certificates.UseClient, Names: []string{"user"}, Valid: -time.Second})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		url := demands(version)
		o := start(t, Spec{Name: "browse", URL: url, Rate: 100, Until: 50 * time.Millisecond, TLS: &mine}).end()
		assert.Equal(t, map[string]int{"200": 5}, reasons(o.results))
		assert.Equal(t, "user", o.results[0].Instance)
		for _, shown := range []*TLS{{CA: string(a.PEM())}, &others, &ended} {
			o = start(t, Spec{Name: "browse", URL: url, Rate: 100, Until: 50 * time.Millisecond, TLS: shown}).end()
			for _, r := range o.results {
				assert.Zero(t, r.Code)
				// With TLS 1.3 a server refuses after the client has sent its request,
				// and may close before its alert is read.
				if version == tls.VersionTLS12 || r.Error != "connection reset" {
					assert.Contains(t, r.Error, "tls: the server refused: ", tls.VersionName(version))
				}
			}
		}
	}
}

func TestAServerThatNeverShakesHands(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	a := authority(t)
	o := start(t, Spec{Name: "browse", URL: "https://" + listener.Addr().String(), Rate: 100, Until: 10 * time.Millisecond, TLS: &TLS{CA: string(a.PEM())}}).end()
	assert.Equal(t, map[string]int{"tls: handshake timeout": 1}, reasons(o.results))
}

func TestTLSOfSeveralTargets(t *testing.T) {
	a := authority(t)
	fine := secure(t, a, certificates.Request{Use: certificates.UseServer, Names: []string{"127.0.0.1"}}, nil)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	o := start(t, Spec{Name: "mix", Rate: 1000, Until: 50 * time.Millisecond, TLS: &TLS{CA: string(a.PEM())}, Targets: []Target{
		{Name: "secure", Weight: 1, URL: fine}, {Name: "plain", Weight: 1, URL: plain.URL},
	}}).end()
	assert.Equal(t, map[string]int{"200": 50}, reasons(o.results))
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	a := authority(t)
	certificate, key := issue(t, a, certificates.Request{Use: certificates.UseClient, Names: []string{"user"}})
	_, other := issue(t, a, certificates.Request{Use: certificates.UseClient, Names: []string{"user"}})
	body := strings.Split(other, "\n")[1]
	require.Greater(t, len(body), 40)
	for want, one := range map[string]*TLS{
		"the authorities hold no certificate":                {CA: key},
		"private key does not match":                         {CA: string(a.PEM()), Certificate: certificate, Key: other},
		"the client's certificate and key: tls: failed to ":  {Certificate: certificate},
		"failed to find certificate PEM data in certificate": {Certificate: other, Key: other},
	} {
		spec := Spec{Name: "browse", URL: "https://localhost", Rate: 1, Until: time.Second, TLS: one}.withDefaults()
		err := spec.check()
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), body, "no message holds a key")
	}
	secret := &TLS{CA: "ca", Certificate: certificate, Key: other}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(format, *secret), body)
		assert.NotContains(t, fmt.Sprintf(format, secret), body)
	}
	text, err := json.Marshal(Spec{TLS: secret})
	require.NoError(t, err)
	assert.Contains(t, string(text), body, "the generator is told")
}

func TestReasonsOfTLSAreOfTLSAlone(t *testing.T) {
	for err, want := range map[error]string{
		&url.Error{Op: "Get", Err: net.ErrClosed}: "",
		fmt.Errorf("remote error: %w", &net.OpError{Op: "local error", Err: fmt.Errorf("tls: no application protocol")}): "tls: no application protocol",
	} {
		assert.Equal(t, want, secureReason(err))
	}
}
