package cluster

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesOfClusters(t *testing.T) {
	for _, name := range []string{"demo", "a", "slice-1", "my-scope", strings.Repeat("n", MaxName)} {
		assert.NoError(t, CheckName(name))
	}
	for name, why := range map[string]string{
		"": "not usable", "Demo": "not usable", "a.b": "not usable", "../x": "not usable",
		strings.Repeat("n", MaxName+1): "at most 20",
		"slice":                        "squall.slice", "scope": "squall.scope", "service": "squall.service",
		"socket": "squall.socket", "mount": "squall.mount", "swap": "squall.swap",
	} {
		assert.ErrorContains(t, CheckName(name), why, name)
	}
}
