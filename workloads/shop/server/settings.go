package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"
)

// The roles.
const (
	roleGateway = "gateway"
	roleCatalog = "catalog"
)

// settings is what one process was told to be.
type settings struct {
	Role       string // roleGateway or roleCatalog
	Listen     string // host:port
	Health     string // host:port of probes and metrics, without TLS; empty: they are at Listen alone
	TLS        secrets
	Catalog    string        // base URL of the catalog, for the gateway
	Startup    time.Duration // how long it takes before it listens
	Cost       time.Duration // processor time that an answer takes besides
	Drain      bool          // whether SIGTERM lets requests finish
	DrainDelay time.Duration // how long requests are still accepted after SIGTERM
	Fallback   bool          // whether the gateway answers when the catalog does not
	LogAll     bool          // log every request, not just failed and slow ones
	Instance   string        // the pod's name
	Version    string        // the image's version
}

// parse reads the arguments and, for the identity, the environment: INSTANCE is
// the pod's name (the host's when absent), SHOP_VERSION the image's version.
func parse(args []string, getenv func(string) string) (settings, error) {
	s := settings{Instance: getenv("INSTANCE"), Version: getenv("SHOP_VERSION")}
	if len(args) == 0 {
		return s, errors.New(`no role given; use "shop gateway" or "shop catalog"`)
	}
	s.Role = args[0]
	if s.Role != roleGateway && s.Role != roleCatalog {
		return s, fmt.Errorf(`unknown role %q; use "gateway" or "catalog"`, s.Role)
	}
	flags := flag.NewFlagSet("shop "+s.Role, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.Listen, "listen", ":8080", "address to listen on")
	flags.StringVar(&s.Catalog, "catalog", "http://catalog:8080", "base URL of the catalog")
	flags.StringVar(&s.Health, "health", "", "further address for probes and metrics, without TLS")
	flags.StringVar(&s.TLS.Server, "tls", "", "folder with tls.crt and tls.key; serve with TLS")
	flags.StringVar(&s.TLS.Clients, "clients", "", "bundle of authorities; demand clients' certificates")
	flags.StringVar(&s.TLS.Authority, "ca", "", "bundle of authorities for the catalog's certificate")
	flags.StringVar(&s.TLS.Client, "client", "", "folder with tls.crt and tls.key to show the catalog")
	flags.DurationVar(&s.Startup, "startup", 0, "how long to prepare before listening")
	flags.DurationVar(&s.Cost, "cost", 0, "processor time that each answer takes besides")
	flags.BoolVar(&s.Drain, "drain", true, "finish requests at SIGTERM")
	flags.DurationVar(&s.DrainDelay, "drain-delay", 3*time.Second, "how long to accept requests after SIGTERM")
	flags.BoolVar(&s.Fallback, "fallback", false, "as a gateway, answer with a short list when the catalog gives nothing")
	flags.BoolVar(&s.LogAll, "log-all", false, "log every request")
	if err := flags.Parse(args[1:]); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("argument %q is not understood", flags.Arg(0))
	}
	if u, err := url.Parse(s.Catalog); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return s, fmt.Errorf("-catalog %q is not an http URL such as http://catalog:8080", s.Catalog)
	}
	if err := s.TLS.check(); err != nil {
		return s, err
	}
	return s, s.identify()
}

// identify fills in the identity that the environment did not give.
func (s *settings) identify() error {
	if s.Version == "" {
		s.Version = "dev"
	}
	if s.Instance != "" {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("the host has no name and INSTANCE is not set: %w", err)
	}
	s.Instance = name
	return nil
}
