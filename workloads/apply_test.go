package workloads

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

// apiServer accepts server-side applies and notes them; it refuses the path
// that ends in refuse.
func apiServer(t *testing.T, refuse string) (*rest.Config, *[]string) {
	t.Helper()
	var applied []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodPatch, r.Method)
		assert.Contains(t, r.Header.Get("Content-Type"), "application/apply-patch+")
		assert.Equal(t, "fieldManager=squall&force=true", r.URL.RawQuery)
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		applied = append(applied, r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		if refuse != "" && strings.HasSuffix(r.URL.Path, refuse) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"exceeded quota","reason":"Forbidden","code":403}`)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}, &applied
}

func TestApplyInOrder(t *testing.T) {
	cfg, applied := apiServer(t, "")
	spec := shopSpec()
	spec.Bare = []string{"gateway"}
	require.NoError(t, Apply(t.Context(), cfg, render(t, spec)))
	assert.Equal(t, []string{
		"/api/v1/namespaces/pod-kill",
		"/api/v1/namespaces/pod-kill/serviceaccounts/shop",
		"/api/v1/namespaces/pod-kill/services/gateway",
		"/api/v1/namespaces/pod-kill/services/catalog",
		"/api/v1/namespaces/pod-kill/pods/gateway-0",
		"/apis/apps/v1/namespaces/pod-kill/deployments/catalog",
	}, *applied)
}

func TestApplyNamesWhatWasRefused(t *testing.T) {
	cfg, applied := apiServer(t, "services/gateway")
	err := Apply(t.Context(), cfg, render(t, shopSpec()))
	require.EqualError(t, err, `apply workload "shop": Service "gateway": exceeded quota`)
	assert.Len(t, *applied, 3)
}
