//go:build linux

package capability

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhetherScoresCanBeSet(t *testing.T) {
	for host, want := range map[string]bool{
		"full": true, "no-sys-resource": false, "unbounded": false, "user": false, "container": false,
	} {
		b, err := os.ReadFile("testdata/" + host + ".status")
		require.NoError(t, err)
		assert.Equal(t, want, mayRaise(b), host)
	}
	assert.False(t, mayRaise(nil), "nothing is known")
}
