package reports_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsKeptIsTheOwnersAlone(t *testing.T) {
	dir := write(t, nil)
	for _, text := range []string{"one", "two"} { // it is replaced
		require.NoError(t, reports.Keep(dir, filepath.Join(reports.FolderLogs, "a", "shop.log"), []byte(text)))
		got, err := os.ReadFile(filepath.Join(dir, "logs", "a", "shop.log"))
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	for name, mode := range map[string]fs.FileMode{"logs": 0o700, "logs/a": 0o700, "logs/a/shop.log": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), name)
	}
	for _, name := range []string{"../x", "/x", "a/../../x", ""} {
		assert.ErrorContains(t, reports.Keep(dir, name, nil), "leads out of its folder", name)
	}
	_, err := reports.Open(dir)
	assert.NoError(t, err)
}
