// Package mirror passes on what container registries say to nodes that cannot
// reach them: the pulling half of the OCI distribution API, over HTTP, for the
// registries that are named and for no others.
//
// It keeps nothing, pushes nothing, and is no cache; containerd has one. It logs
// in with the credentials that "docker login" saved on the host, so nodes hold
// none.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Handler answers for registries. The zero value is not usable; see [New].
type Handler struct {
	registries []string

	mu      sync.Mutex
	clients map[string]*http.Client // by repository
}

// New returns a handler for registries, each written as in an image's
// reference: "docker.io", "registry.example:5000". It says which of them cannot
// be one.
func New(registries []string) (*Handler, error) {
	var errs []error
	for _, r := range registries {
		if _, err := name.NewRegistry(r, name.StrictValidation); err != nil || !hostForm.MatchString(r) {
			errs = append(errs, fmt.Errorf("%q is no registry; write its host, and a port where it has one: docker.io, registry.example:5000", r))
		}
	}
	return &Handler{registries: registries, clients: map[string]*http.Client{}}, errors.Join(errs...)
}

// asked is the path of a request that a pull makes, with the grammar of names,
// tags and digests of the OCI distribution specification 1.1, "Pull". None of
// them can be "." or "..".
var asked = regexp.MustCompile(`^/v2/(` + part + `(?:/` + part + `)*)/(?:manifests|blobs)/(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+)$`)

// part is one part of a repository's name.
const part = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`

// hostForm is the form of a registry: a host, and a port where it has one.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9]+(?:(?:\.|-+)[A-Za-z0-9]+)*(?::[0-9]+)?$`)

// ServeHTTP implements [http.Handler]. The registry is named by the parameter
// "ns", as containerd does for mirrors (docs/hosts.md of containerd).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "images can only be pulled here", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/v2/" {
		return // yes, this is version 2 of the API
	}
	path := asked.FindStringSubmatch(r.URL.Path)
	registry := r.URL.Query().Get("ns")
	switch {
	case path == nil:
		http.Error(w, "images can only be pulled here", http.StatusNotFound)
		return
	case !slices.Contains(h.registries, registry):
		http.Error(w, fmt.Sprintf("the registry %q is not among those of this cluster: %s", registry, strings.Join(h.registries, ", ")), http.StatusForbidden)
		return
	}
	if err := h.pass(w, r, registry+"/"+path[1]); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// pass asks the registry and copies its answer. An error means that nothing was
// answered yet.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, repository string) error {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return err
	}
	client, err := h.client(r.Context(), repo)
	if err != nil {
		return fmt.Errorf("reaching the registry %s: %w", repo.RegistryStr(), err)
	}
	// Docker's own repositories have a first part that references leave out.
	path := strings.Replace(r.URL.Path, strings.TrimPrefix(repository, repository[:strings.Index(repository, "/")+1]), repo.RepositoryStr(), 1)
	out, err := http.NewRequestWithContext(r.Context(), r.Method, fmt.Sprintf("%s://%s%s", repo.Scheme(), repo.RegistryStr(), path), nil)
	if err != nil {
		return err
	}
	for _, field := range []string{"Accept", "Range"} {
		out.Header[field] = r.Header[field]
	}
	answer, err := client.Do(out)
	if err != nil {
		return fmt.Errorf("asking the registry %s: %w", repo.RegistryStr(), err)
	}
	defer answer.Body.Close()
	for _, field := range []string{"Content-Type", "Content-Length", "Content-Range", "Docker-Content-Digest", "Etag"} {
		if values := answer.Header[field]; len(values) > 0 {
			w.Header()[field] = values
		}
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // a client that sees too few bytes asks again
	return nil
}

// client is logged in to a repository.
func (h *Handler) client(ctx context.Context, repo name.Repository) (*http.Client, error) {
	h.mu.Lock()
	known := h.clients[repo.Name()]
	h.mu.Unlock()
	if known != nil {
		return known, nil
	}
	who, err := authn.Resolve(ctx, authn.DefaultKeychain, repo.Registry)
	if err != nil {
		return nil, err
	}
	t, err := transport.NewWithContext(ctx, repo.Registry, who, remote.DefaultTransport, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	c := &http.Client{Transport: t}
	h.mu.Lock()
	h.clients[repo.Name()] = c // another request may have been first; theirs is as good
	h.mu.Unlock()
	return c, nil
}
