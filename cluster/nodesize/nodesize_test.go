//go:build linux

package nodesize

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCutMemory(t *testing.T) {
	const before = "MemTotal:       24599036 kB\nMemFree:        20000000 kB\nMemAvailable:     500000 kB\nBuffers:           1234 kB\nSwapTotal:        999 kB\nSwapFree:         999 kB\n"
	const after = "MemTotal:        2097152 kB\nMemFree:         2097152 kB\nMemAvailable:     500000 kB\nBuffers:           1234 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n"
	assert.Equal(t, after, string(cutMemory([]byte(before), 2<<20)))
}
