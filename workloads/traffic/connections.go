package traffic

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	// connectLimit bounds finding and reaching the target. An address that
	// swallows packets then costs one request, not the whole timeout of many.
	connectLimit = 2 * time.Second
	// lookupLimit bounds asking for an address.
	lookupLimit = time.Second
	// idleConnections is how many unused connections are kept; enough for
	// those that a stall of half a second leaves at 1 000 requests a second.
	idleConnections = 512
	// idleLimit is how long an unused connection is kept: shorter than any
	// sensible server does, so that no request meets a connection that the
	// server is just closing.
	idleLimit = 2 * time.Second
)

// newConnections returns the transport that makes connections. Every new one
// asks for the address again.
func newConnections(nameserver string, secure *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: connectLimit}
	dial := dialer.DialContext
	if nameserver != "" {
		dial = resolving(dialer, resolverAt(nameserver))
	}
	return &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: connectLimit,
		MaxIdleConns:        idleConnections,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleLimit,
		DisableCompression:  true,
		Protocols:           http1(),
	}
}

// http1 is HTTP/1 alone: with one connection for all, HTTP/2 would turn the
// loss of a connection into the loss of everything in flight.
func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// resolverAt asks one name server only, whatever the system's files say.
func resolverAt(nameserver string) *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, nameserver)
		},
	}
}

// resolving dials after asking the resolver for the host's IPv4 addresses. The
// name is asked for as it stands, never with a search suffix.
func resolving(dialer *net.Dialer, resolver *net.Resolver) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return dialer.DialContext(ctx, network, address)
		}
		asked, cancel := context.WithTimeout(ctx, lookupLimit)
		defer cancel()
		if host[len(host)-1] != '.' {
			host += "."
		}
		found, err := resolver.LookupNetIP(asked, "ip4", host)
		if err != nil {
			return nil, err
		}
		return dialAny(ctx, dialer, found, port)
	}
}

// dialAny returns the first connection that one of the addresses accepts. Found
// is not empty: a lookup without an answer is an error.
func dialAny(ctx context.Context, dialer *net.Dialer, found []netip.Addr, port string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	var last error
	for _, address := range found {
		conn, err := dialer.DialContext(ctx, "tcp4", net.JoinHostPort(address.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}
