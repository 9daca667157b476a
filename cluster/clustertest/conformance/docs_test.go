package conformance

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The results in docs/conformance.md are those that were kept, and good enough:
// at least 150 tests, of which 95 % pass, and a reason for each that did not.
func TestDocumentedResults(t *testing.T) {
	results, err := Load("../../../docs/conformance.json")
	require.NoError(t, err)
	var want bytes.Buffer
	require.NoError(t, results.WriteMarkdown(&want))
	page, err := os.ReadFile("../../../docs/conformance.md")
	require.NoError(t, err)
	assert.Contains(t, string(page), want.String(), `print it with "squall conformance --show docs/conformance.json"`)

	assert.Equal(t, Version, results.Facts.Tests, "the results are of another release: run the tests again")
	assert.GreaterOrEqual(t, results.Count(Passed)+len(results.Bad()), 150)
	assert.GreaterOrEqual(t, results.Share(), 0.95)
	for _, bad := range results.Bad() {
		assert.Contains(t, Known(), bad.Name, "why did it not pass?")
	}
}
