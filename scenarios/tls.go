package scenarios

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// TLS is how targets with the scheme https are spoken to.
type TLS struct {
	CA     *Authority   `yaml:"ca,omitempty"`
	Client *Certificate `yaml:"client,omitempty"`
	// ServerName is the name that the certificate must have; default the Service's
	// full name.
	ServerName string `yaml:"serverName,omitempty"`
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool `yaml:"insecureSkipVerify,omitempty"`
}

// Authority is who may have signed a Service's certificate: the ca.crt of a
// Secret, or a file.
type Authority struct {
	Secret string `yaml:"secret,omitempty"`
	File   string `yaml:"file,omitempty"`
}

// Certificate is what is shown to a Service that demands it: the tls.crt and
// tls.key of a Secret, or two files.
type Certificate struct {
	Secret string `yaml:"secret,omitempty"`
	File   string `yaml:"file,omitempty"`
	Key    string `yaml:"key,omitempty"` // a file
}

// schemes are how a target can be spoken to.
func schemes() []string { return []string{"http", "https"} }

// scheme checks how a target is spoken to.
func (c *checker) scheme(at, scheme string) {
	if c.sound(at) && scheme != "" && !slices.Contains(schemes(), scheme) {
		c.report(at, "is no scheme of a load", schemes()...)
	}
}

// Secure tells whether a target of the load that is switched on is spoken to by
// TLS.
func (l Load) Secure() bool {
	if len(l.Targets) == 0 {
		return l.Target.Scheme == "https"
	}
	return slices.ContainsFunc(l.TargetsOn(), func(t MixedTarget) bool { return t.Scheme == "https" })
}

// tls checks how a load's targets are spoken to.
func (c *checker) tls(at string, l Load) {
	if !c.sound(at) {
		return
	}
	const example = "{ca: {secret: gateway-tls}}"
	switch {
	case l.TLS == nil && l.Secure():
		c.report(at, "is missing; nobody whom the client host knows has signed a Service's certificate: write for example "+example)
		return
	case l.TLS == nil:
		return
	case !l.Secure():
		c.report(at, "has no use: no target that is switched on has the scheme https")
	case l.TLS.CA == nil && !l.TLS.InsecureSkipVerify:
		c.report(at, "says nobody whose signature is to be trusted: write for example "+example+", or insecureSkipVerify: true to accept any certificate", "ca", "insecureSkipVerify")
	case l.TLS.CA != nil && l.TLS.InsecureSkipVerify:
		c.report(at+".insecureSkipVerify", "accepts any certificate, so ca beside it has no use; leave one out")
	}
	if ca := l.TLS.CA; ca != nil {
		if (ca.Secret == "") == (ca.File == "") {
			c.report(at+".ca", "names a Secret, whose ca.crt it is, or a file; one of them", "secret", "file")
		}
		c.secret(at+".ca.secret", ca.Secret, l.On())
	}
	if own := l.TLS.Client; own != nil {
		inFiles := own.File != "" && own.Key != ""
		if (own.Secret != "") == inFiles || own.Secret != "" && own.File+own.Key != "" {
			c.report(at+".client", "names a Secret, whose tls.crt and tls.key it is, or two files; one of them", "secret", "file and key")
		}
		c.secret(at+".client.secret", own.Secret, l.On())
	}
	if name := l.TLS.ServerName; name != "" && !serverName(name) {
		c.report(at+".serverName", "is neither a name, such as gateway.squall.svc, nor an address")
	}
}

// serverName tells whether a certificate can have this name.
func serverName(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return len(name) <= 253 && regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$`).MatchString(name)
}

// secret checks that a Secret is rendered. It says nothing while a workload could
// not be rendered, which may be the one meant.
func (c *checker) secret(at, name string, on bool) {
	if name == "" || !c.whole || !on {
		return
	}
	var known []string
	for _, r := range c.rendered {
		for _, object := range r.Objects {
			if object.GetKind() == "Secret" {
				known = append(known, object.GetName())
			}
		}
	}
	if slices.Contains(known, name) {
		return
	}
	problem := "no workload that is switched on renders a Secret of this name"
	if len(known) == 0 {
		problem += ", nor any other; a shop does with tls: " + strings.Join([]string{"server", "mutual"}, " or ")
	}
	c.report(at, problem, known...)
}
