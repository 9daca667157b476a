// Package shop describes the sample system: its scenario settings and the
// Kubernetes objects they become. The program itself is in the folder server.
//
// It only describes; applying, waiting and explaining are in squall/workloads.
package shop

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The services of the shop, which are also its roles.
const (
	Gateway = "gateway" // answers users, asks the catalog
	Catalog = "catalog" // answers with the list of goods
)

// How the services can speak TLS.
const (
	TLSServer = "server" // they show a certificate
	TLSMutual = "mutual" // they also demand one of their clients
)

// maxReplicas is the largest number of pods of one service; more would not fit
// on the largest cluster there is.
const maxReplicas = 50

// maxStartup is the longest start-up. After three failed liveness probes, 5 s
// apart, a kubelet would kill a pod that still prepares.
const maxStartup = 10 * time.Second

// Spec is what a scenario says about the shop.
type Spec struct {
	// Services are the roles that run, from [Services].
	Services []string `yaml:"services"`
	// Replicas are the number of pods a service, default 1.
	Replicas map[string]int `yaml:"replicas,omitempty"`
	// Bare runs the services named as pods without a controller.
	Bare []string `yaml:"bare,omitempty"`
	// Startup is how long a pod of a service prepares before it listens, 0 to
	// 10 s, default 0: what a real one spends on reading its data.
	Startup map[string]time.Duration `yaml:"startup,omitempty"`
	// Cost is the processor time that each answer of a service takes besides, 0
	// to 100 ms, default 0: what a real one computes.
	Cost map[string]time.Duration `yaml:"cost,omitempty"`
	// Autoscale has an autoscaler look after the number of a service's pods.
	Autoscale map[string]Autoscale `yaml:"autoscale,omitempty"`
	// Drain is whether a pod finishes its requests at SIGTERM; default on.
	Drain *bool `yaml:"drain,omitempty"`
	// Fallback has the gateway answer with a short list of its own, and the header
	// X-Degraded, when the catalog gives it nothing.
	Fallback bool `yaml:"fallback,omitempty"`
	// TLS has all services speak TLS, one of [TLSServer] and [TLSMutual]; empty
	// has them speak plain HTTP.
	TLS string `yaml:"tls,omitempty"`
}

// Services lists the services that a shop can have, sorted.
func Services() []string { return []string{Catalog, Gateway} }

// Finding is one thing that is wrong with a [Spec].
type Finding struct {
	// Path is the field's place below the spec, for example
	// "replicas.catalog".
	Path string
	// Value is what stands there, empty when nothing does.
	Value string
	// Problem says what is wrong and, where that helps, the way out.
	Problem string
	// Allowed are the values that would be accepted, when they can be listed.
	Allowed []string
}

// String is the finding on one line.
func (f Finding) String() string {
	text := f.Path + ": "
	if f.Value != "" {
		text += f.Value + ": "
	}
	text += f.Problem
	if len(f.Allowed) > 0 {
		text += "; allowed: " + strings.Join(f.Allowed, ", ")
	}
	return text
}

// Validate returns everything that is wrong with the spec, in the order of its
// fields, or nothing.
func (s *Spec) Validate() []Finding {
	var found []Finding
	if len(s.Services) == 0 {
		found = append(found, Finding{Path: "services", Problem: "name at least one service", Allowed: Services()})
	}
	found = append(found, checkNames("services", s.Services, Services(), "is not a service of the shop")...)
	for _, service := range slices.Sorted(maps.Keys(s.Replicas)) {
		path, count := "replicas."+service, s.Replicas[service]
		if !slices.Contains(s.Services, service) {
			found = append(found, Finding{Path: path, Value: quote(service), Problem: "is not among the services that run", Allowed: s.Services})
		}
		if count < 1 || count > maxReplicas {
			found = append(found, Finding{Path: path, Value: fmt.Sprint(count), Problem: fmt.Sprintf("must be 1 to %d", maxReplicas)})
		}
	}
	found = append(found, checkNames("bare", s.Bare, s.Services, "is not among the services that run")...)
	for _, service := range slices.Sorted(maps.Keys(s.Startup)) {
		path, startup := "startup."+service, s.Startup[service]
		if !slices.Contains(s.Services, service) {
			found = append(found, Finding{Path: path, Value: quote(service), Problem: "is not among the services that run", Allowed: s.Services})
		}
		if startup < 0 || startup > maxStartup {
			found = append(found, Finding{Path: path, Value: startup.String(), Problem: fmt.Sprintf("must be 0s to %s", maxStartup)})
		}
	}
	found = append(append(found, s.costFindings()...), s.autoscaleFindings()...)
	if s.Fallback && !slices.Contains(s.Services, Gateway) {
		found = append(found, Finding{Path: "fallback", Value: "true", Problem: "is the gateway's, which is not among the services that run"})
	}
	if modes := []string{TLSServer, TLSMutual}; s.TLS != "" && !slices.Contains(modes, s.TLS) {
		found = append(found, Finding{Path: "tls", Value: quote(s.TLS), Problem: "is no way to speak TLS", Allowed: modes})
	}
	return found
}

// checkNames finds names that are not allowed and those given twice.
func checkNames(path string, names, allowed []string, problem string) []Finding {
	var found []Finding
	for i, name := range names {
		switch {
		case !slices.Contains(allowed, name):
			found = append(found, Finding{Path: path, Value: quote(name), Problem: problem, Allowed: allowed})
		case slices.Contains(names[:i], name):
			found = append(found, Finding{Path: path, Value: quote(name), Problem: "is named twice; name it once"})
		}
	}
	return found
}

// quote shortens and quotes a value for a message.
func quote(value string) string {
	const limit = 64
	if len(value) > limit {
		value = value[:limit] + "…"
	}
	return fmt.Sprintf("%q", value)
}

// replicas is the number of pods of a service.
func (s *Spec) replicas(service string) int {
	if count, ok := s.Replicas[service]; ok {
		return count
	}
	return 1
}

// drains says whether pods drain at SIGTERM.
func (s *Spec) drains() bool { return s.Drain == nil || *s.Drain }
