package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// upstreamTimeout bounds one call of the catalog, body included.
	upstreamTimeout = 2 * time.Second
	// dialTimeout bounds finding and reaching the catalog, so that an address
	// which swallows packets leaves time for an answer.
	dialTimeout = time.Second
	// upstreamIdle is how long an unused connection is kept. It is shorter
	// than the drain delay: when a draining catalog closes what is idle, the
	// gateway has closed it before, and no request is caught in between.
	upstreamIdle = 2 * time.Second
	// upstreamConnections bounds how many unused connections are kept.
	upstreamConnections = 64
	// maxBody is the largest catalog that is passed on, in bytes.
	maxBody = 1 << 20
	// statusClientLeft counts requests whose client did not wait, as nginx
	// does.
	statusClientLeft = 499
)

// gateway passes requests on to the catalog, one try each.
type gateway struct {
	url      string
	fallback bool
	client   *http.Client
	log      *slog.Logger
}

// newGateway returns the gateway to the catalog that the settings name, which is
// asked as the TLS configuration says.
func newGateway(s settings, secure *tls.Config, log *slog.Logger) *gateway {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &gateway{
		url:      strings.TrimSuffix(s.Catalog, "/") + "/catalog",
		fallback: s.Fallback,
		log:      log,
		client: &http.Client{
			Timeout: upstreamTimeout,
			Transport: &http.Transport{
				DialContext:         dialer.DialContext,
				TLSClientConfig:     secure,
				TLSHandshakeTimeout: dialTimeout,
				MaxIdleConns:        upstreamConnections,
				MaxIdleConnsPerHost: upstreamConnections,
				IdleConnTimeout:     upstreamIdle,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// ServeHTTP implements http.Handler. It answers with what the catalog said,
// 504 when the catalog took too long, 502 when it could not be asked; or, where
// it has a fallback, with that instead of any of these and of the catalog's 5xx.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, _ := r.Context().Value(idKey{}).(string)
	answer, body, err := g.ask(r.Context(), id)
	var late net.Error
	switch {
	case err == nil && !(g.fallback && answer.StatusCode >= http.StatusInternalServerError):
	case r.Context().Err() != nil:
		w.WriteHeader(statusClientLeft) // for the metrics; nobody reads it
		return
	case g.fallback:
		g.log.Warn("catalog gave nothing, answering without it", "id", id)
		sayLess(w)
		return
	case errors.As(err, &late) && late.Timeout():
		g.log.Warn("catalog timed out", "id", id, "error", err.Error())
		fail(w, http.StatusGatewayTimeout, "the catalog did not answer in time")
		return
	default:
		g.log.Warn("catalog failed", "id", id, "error", err.Error())
		fail(w, http.StatusBadGateway, "the catalog could not be asked")
		return
	}
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	w.Header().Set(headerUpstreamInstance, answer.Header.Get(headerInstance))
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body)
}

// sayLess answers with what the gateway knows by itself: the goods that are
// always there, without prices.
func sayLess(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(headerDegraded, "true")
	_, _ = io.WriteString(w, `{"items":[{"id":"bread","name":"Bread"},{"id":"milk","name":"Milk"}]}`+"\n")
}

// ask calls the catalog once and reads its whole answer, so that an answer cut
// short becomes an error and not half a page.
func (g *gateway) ask(ctx context.Context, id string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url, unrepeatable{})
	if err != nil {
		return nil, nil, fmt.Errorf("make a request for the catalog: %w", err)
	}
	request.Header.Set(headerRequestID, id)
	answer, err := g.client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the catalog: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the catalog: %w", err)
	}
	if len(body) > maxBody {
		return nil, nil, fmt.Errorf("the catalog is larger than %d bytes", maxBody)
	}
	return answer, body, nil
}

// unrepeatable is an empty body that cannot be sent twice. With it net/http
// does not silently repeat a GET whose connection broke; retries, when the
// gateway gets them, are to be its own and to be counted.
type unrepeatable struct{}

// Read implements io.Reader.
func (unrepeatable) Read([]byte) (int, error) { return 0, io.EOF }
