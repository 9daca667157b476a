package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"
	"squall/workloads/certificates"
	"squall/workloads/traffic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxCertificates is the most that is read of a file of certificates, in bytes.
const maxCertificates = 256 << 10

// certify returns the workloads as they are applied: with certificates of this
// run alone in the Secrets that ask for them. What was rendered, which is kept
// with the record, stays without.
func certify(rendered []workloads.Rendered, now time.Time) ([]workloads.Rendered, error) {
	authority, err := certificates.New(now)
	if err != nil {
		return nil, err
	}
	filled := make([]workloads.Rendered, len(rendered))
	for i, r := range rendered {
		filled[i] = r
		if filled[i].Objects, err = authority.Fill(r.Objects); err != nil {
			return nil, fmt.Errorf("make the certificates of workload %q: %w", r.Name, err)
		}
	}
	return filled, nil
}

// secureLoads reads the certificates of every load, once the Secrets are there.
func (c *conductor) secureLoads(ctx context.Context) (err error) {
	for _, g := range c.loads {
		if g.secure, err = c.secure(ctx, g.load); err != nil {
			return err
		}
	}
	return nil
}

// secure is how a load's targets are spoken to, with the certificates themselves.
// They go to the generator on its input, and to no file.
func (c *conductor) secure(ctx context.Context, load scenarios.Load) (*traffic.TLS, error) {
	asked := load.TLS
	if asked == nil {
		return nil, nil
	}
	told := &traffic.TLS{ServerName: asked.ServerName, InsecureSkipVerify: asked.InsecureSkipVerify}
	from := certificateSource{c, ctx, load.Name, nil}
	if ca := asked.CA; ca != nil {
		told.CA = from.read(ca.Secret, certificates.KeyAuthority, ca.File)
	}
	if own := asked.Client; own != nil {
		told.Certificate = from.read(own.Secret, certificates.KeyCertificate, own.File)
		told.Key = from.read(own.Secret, certificates.KeyPrivate, own.Key)
	}
	return told, from.err
}

// certificateSource reads certificates, up to the first that cannot be read.
type certificateSource struct {
	conductor *conductor
	ctx       context.Context
	load      string
	err       error
}

// read reads a key of a Secret, or a file.
func (s *certificateSource) read(secret, key, file string) string {
	if s.err != nil {
		return ""
	}
	if secret == "" {
		text, err := s.conductor.fileOf(file)
		s.err = err
		return text
	}
	found, err := s.conductor.client.CoreV1().Secrets(scenarios.Namespace).Get(s.ctx, secret, metav1.GetOptions{})
	switch {
	case err != nil:
		s.err = troubled(reports.TroubleEnvironment, "load %q: the Secret %q with its certificates cannot be read: %v", s.load, secret, err)
	case len(found.Data[key]) == 0:
		s.err = troubled(reports.TroubleEnvironment, "load %q: the Secret %q has no %s; look at what fills it", s.load, secret, key)
	}
	if s.err != nil {
		return ""
	}
	return string(found.Data[key])
}

// fileOf reads a file that the scenario names.
func (c *conductor) fileOf(name string) (string, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.scenario.Folder, name)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("read a certificate of the scenario: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxCertificates:
		return "", fmt.Errorf("read a certificate of the scenario: %s is no file of at most %d bytes", path, maxCertificates)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a certificate of the scenario: %w", err)
	}
	return string(text), nil
}

// checkFiles reads the files that the scenario's loads name, so that one that is
// missing is told before there is a cluster.
func (c *conductor) checkFiles() error {
	for _, load := range c.scenario.Spec.Load {
		if !load.On() || load.TLS == nil {
			continue
		}
		var names []string
		if ca := load.TLS.CA; ca != nil {
			names = append(names, ca.File)
		}
		if own := load.TLS.Client; own != nil {
			names = append(names, own.File, own.Key)
		}
		for _, name := range names {
			if name == "" {
				continue
			}
			if _, err := c.fileOf(name); err != nil {
				return fmt.Errorf("load %q: %w", load.Name, err)
			}
		}
	}
	return nil
}
