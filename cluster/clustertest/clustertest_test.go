package clustertest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of checks instead of comparing with it")

// table is the table of checks, as Markdown.
func table() string {
	var text strings.Builder
	text.WriteString("| check | holds when it passes | needs |\n| --- | --- | --- |\n")
	for _, c := range append(Checks(), namespacesGone(), removed()) {
		var needs []string
		for _, p := range c.Needs {
			needs = append(needs, string(p))
		}
		name := c.Name
		if c.Smoke {
			name += " ·"
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", name, c.Says, strings.Join(needs, ", "))
	}
	return text.String()
}

func TestTheTableInTheDocsIsRight(t *testing.T) {
	const file, begin = "../../docs/clustertest.md", "| check |"
	doc, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(doc), begin)
	require.True(t, found, "%s has no table of checks", file)
	_, after, _ := strings.Cut(rest, "\n\n")
	want := before + table() + "\n" + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, string(doc), "run go test ./cluster/clustertest -update")
}

func TestChecksAreWellFormed(t *testing.T) {
	names := map[string]bool{}
	smoke := 0
	for _, c := range Checks() {
		assert.False(t, names[c.Name], "%s is there twice", c.Name)
		names[c.Name] = true
		assert.Contains(t, c.Name, "/")
		assert.NotEmpty(t, c.Says, c.Name)
		assert.NotEqual(t, c.on == nil, c.with == nil, "%s runs on the shared cluster, or with its own", c.Name)
		assert.Equal(t, c.stage == making, c.with != nil, c.Name)
		if c.Smoke {
			smoke++
			assert.Equal(t, together, c.stage, "%s would act on nodes that others use", c.Name)
		}
	}
	assert.Greater(t, smoke, 3)
}

func TestRefusalIsWhatIsTestedOfWhatAProviderCannot(t *testing.T) {
	c := Check{Name: "a/b"}
	failed := errors.New("it failed")
	assert.NoError(t, judge(c, "", nil))
	assert.ErrorIs(t, judge(c, "", failed), failed)
	assert.NoError(t, judge(c, "no such thing here", fmt.Errorf("adding: %w", cluster.ErrUnsupported)))
	assert.ErrorIs(t, judge(c, "no such thing here", failed), failed)
	assert.ErrorContains(t, judge(c, "no such thing here", nil), "remove the declaration")
}

// nothing is a provider that can make no cluster.
type nothing struct{ cluster.Provider }

func (nothing) Create(context.Context, cluster.Spec, func(string)) (cluster.Cluster, error) {
	return nil, errors.New("nothing can be made")
}

func TestWithoutAClusterEveryCheckFails(t *testing.T) {
	s := &suite{Options: Options{Provider: nothing{}, Log: func(string) {}}}
	chosen := []Check{{Name: "a/b", on: deployment}, {Name: "a/c", on: powerOffAlone, stage: onNodes}}
	results := s.shared(t.Context(), chosen)
	require.Len(t, results, 2)
	for _, r := range results {
		assert.ErrorContains(t, r.Err, "nothing can be made")
		assert.Contains(t, r.String(), "FAIL")
	}
}

func TestWhatNeedsAPartThatTheProviderHasNotIsLeftOut(t *testing.T) {
	s := &suite{Options: Options{Cannot: map[string]string{string(cluster.Storage): "no disks here"}}}
	needs := Check{Name: "a/b", Needs: []cluster.Part{cluster.Storage}}
	assert.False(t, s.chooses(needs), "it would be reported as passed")
	assert.True(t, s.chooses(Check{Name: "a/c"}))
	assert.True(t, s.chooses(Check{Name: "a/d", Needs: []cluster.Part{cluster.Policy}}))
	s.Without = []cluster.Part{cluster.Storage}
	assert.False(t, s.chooses(needs), "asked to fail, it is left out all the same")

	smoke := s.smokeChecks()
	require.NotEmpty(t, smoke)
	for _, c := range smoke {
		assert.NotContains(t, c.Needs, cluster.Storage, c.Name)
	}
	s.Cannot = nil
	assert.Greater(t, len(s.smokeChecks()), len(smoke), "a smoke check needs storage")
}

func TestChoosingNothingFails(t *testing.T) {
	results := Run(t.Context(), Options{Provider: nothing{}, Cache: t.TempDir(), Only: regexp.MustCompile("^nosuch")})
	require.Len(t, results, 1)
	assert.ErrorContains(t, results[0].Err, `"^nosuch"`)
}

// found is a provider that has one cluster, and that cluster.
type found struct {
	nothing
	cluster.Cluster
	removed int
}

func (p *found) Remove(context.Context, string) error { p.removed++; return nil }

func (*found) Find(context.Context, string) (cluster.Cluster, error) { return nil, cluster.ErrNotFound }

func (*found) List(context.Context) ([]cluster.Info, error) { return nil, nil }

func (*found) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func TestAFolderThatStaysKeepsNoCluster(t *testing.T) {
	p := &found{}
	l := &lab{suite: &suite{Options: Options{Provider: p}}, Cluster: p}
	l.folder = filepath.Join(t.TempDir(), ".") + "/." // which os.RemoveAll refuses
	require.Error(t, os.RemoveAll(l.folder))
	assert.ErrorContains(t, l.down(), l.folder)
	assert.Equal(t, 2, p.removed, "removed, and removed again")
}

func powerOffAlone(context.Context, *scope) error { return nil }

func TestWaitsSayWhatTheySaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		err := until(t.Context(), time.Second, "the moon", func(context.Context) (string, error) {
			looks++
			return "a cloud", nil
		})
		assert.EqualError(t, err, "waiting for the moon: not within 1s; last seen: a cloud")
		assert.InDelta(t, 4, looks, 1)

		broken := errors.New("broken")
		err = until(t.Context(), time.Second, "the moon", func(context.Context) (string, error) { return "", broken })
		assert.ErrorIs(t, err, broken)

		assert.NoError(t, until(t.Context(), time.Second, "the moon", func(context.Context) (string, error) { return "", nil }))
	})
}

func TestStaysWatchesAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		assert.NoError(t, stays(t.Context(), time.Second, "the moon", func(context.Context) (string, error) { return "", nil }))
		assert.Equal(t, time.Second, time.Since(began))
		late := func(context.Context) (string, error) {
			if time.Since(began) > 1500*time.Millisecond {
				return "gone", nil
			}
			return "", nil
		}
		assert.EqualError(t, stays(t.Context(), time.Second, "the moon", late), "the moon: gone")
	})
}
