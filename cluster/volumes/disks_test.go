package volumes_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"squall/cluster/volumes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// paperDisks are disks on paper, for what concerns Kubernetes alone.
type paperDisks struct {
	mu       sync.Mutex
	capacity int64
	sizes    map[string]int64
	// stuck is what Remove fails with.
	stuck error
	// removals counts calls of Remove.
	removals int
}

func newPaperDisks(capacity int64, names ...string) *paperDisks {
	d := &paperDisks{capacity: capacity, sizes: map[string]int64{}}
	for _, n := range names {
		d.sizes[n] = page
	}
	return d
}

func (d *paperDisks) free() int64 {
	free := d.capacity
	for _, s := range d.sizes {
		free -= s
	}
	return free
}

func (d *paperDisks) Make(_ context.Context, name string, bytes int64) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == "" {
		return "", errors.New("no name")
	}
	if more := bytes - d.sizes[name]; more > d.free() {
		return "", fmt.Errorf("not enough space: %d left", d.free()+d.sizes[name])
	}
	d.sizes[name] = max(bytes, d.sizes[name])
	return "/disks/" + name, nil
}

func (d *paperDisks) Remove(_ context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removals++
	if d.stuck != nil {
		return d.stuck
	}
	delete(d.sizes, name)
	return nil
}

func (d *paperDisks) Usage(context.Context) (volumes.Usage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return volumes.Usage{Names: slices.Sorted(maps.Keys(d.sizes)), Free: d.free()}, nil
}

// stick makes Remove fail, or not when err is nil, and returns how often it was
// called.
func (d *paperDisks) stick(err error) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stuck = err
	return d.removals
}

// size is a disk's size; zero when it is not there.
func (d *paperDisks) size(name string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sizes[name]
}

const page = 4096

// checkDisks holds disks with room for ten pages, and none made, to the
// contract.
func checkDisks(t *testing.T, d volumes.Disks) {
	usage := func() volumes.Usage {
		u, err := d.Usage(t.Context())
		require.NoError(t, err)
		return u
	}
	assert.Equal(t, int64(10*page), usage().Free)

	path, err := d.Make(t.Context(), "a", 4*page)
	require.NoError(t, err)
	again, err := d.Make(t.Context(), "a", 4*page)
	require.NoError(t, err, "making it again")
	assert.Equal(t, path, again)
	other, err := d.Make(t.Context(), "b", page)
	require.NoError(t, err)
	assert.NotEqual(t, path, other)
	assert.Equal(t, volumes.Usage{Names: []string{"a", "b"}, Free: 5 * page}, usage())

	_, err = d.Make(t.Context(), "c", 6*page)
	require.ErrorContains(t, err, "left", "more than there is")
	assert.Equal(t, []string{"a", "b"}, usage().Names, "what failed leaves nothing")

	grown, err := d.Make(t.Context(), "a", 9*page)
	require.NoError(t, err, "growing into the last page")
	assert.Equal(t, path, grown)
	assert.Zero(t, usage().Free)
	_, err = d.Make(t.Context(), "a", page)
	require.NoError(t, err, "less than it has")
	assert.Zero(t, usage().Free, "disks do not shrink")
	_, err = d.Make(t.Context(), "a", 10*page)
	require.Error(t, err, "growing into what b has")

	require.NoError(t, d.Remove(t.Context(), "a"))
	require.NoError(t, d.Remove(t.Context(), "a"), "removing it again")
	require.NoError(t, d.Remove(t.Context(), "never made"))
	assert.Equal(t, volumes.Usage{Names: []string{"b"}, Free: 9 * page}, usage())
}

func TestPaperDisks(t *testing.T) {
	checkDisks(t, newPaperDisks(10*page))
}
