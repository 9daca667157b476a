package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/cluster/kind"
	"squall/cluster/kind/engine"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeProvider has clusters by name, each up or coming up.
type fakeProvider struct {
	up, coming, swept []string
	left              string // what a killed cluster left
	cleaned           int    // how often it was cleaned
	broken            error  // what asking for clusters ends with
}

type fakeCluster struct {
	cluster.Cluster
	info cluster.Info
}

func (f fakeCluster) Info() cluster.Info { return f.info }

func (p *fakeProvider) Create(context.Context, cluster.Spec, func(string)) (cluster.Cluster, error) {
	return nil, errors.New("a fake makes no clusters")
}

func (p *fakeProvider) Find(_ context.Context, name string) (cluster.Cluster, error) {
	switch {
	case p.broken != nil:
		return nil, p.broken
	case slices.Contains(p.coming, name):
		return nil, fmt.Errorf("the cluster %q is still coming up: %w", name, cluster.ErrNotFound)
	case !slices.Contains(p.up, name):
		return nil, cluster.ErrNotFound
	}
	return fakeCluster{info: cluster.Info{Name: name, Provider: p.up[0]}}, nil
}

func (p *fakeProvider) List(context.Context) (infos []cluster.Info, err error) {
	for _, name := range p.up {
		infos = append(infos, cluster.Info{Name: name})
	}
	return infos, p.broken
}

func (p *fakeProvider) Remove(_ context.Context, name string) error {
	p.swept = append(p.swept, name)
	p.up = slices.DeleteFunc(p.up, func(s string) bool { return s == name })
	return nil
}

func (p *fakeProvider) Living(context.Context) ([]string, error) {
	return slices.Concat(p.up, p.coming), p.broken
}
func (p *fakeProvider) Sweep(context.Context) error { p.left = ""; return nil }

func (p *fakeProvider) Leftovers(context.Context) ([]string, error) {
	return strings.Fields(p.left), p.broken
}

func (p *fakeProvider) Clean(ctx context.Context) ([]string, error) {
	found, err := p.Leftovers(ctx)
	p.left, p.cleaned = "", p.cleaned+1
	return found, err
}

// both are two providers, the first as embedded ones are seen by a user and the
// second as Docker answers.
func both(user int, docker error, first, second *fakeProvider) sources {
	return sources{
		{provider: first, name: embedded.Name, look: func(context.Context) error { return lookEmbedded("linux", user) },
			facts: func(context.Context) []embedded.Fact {
				return []embedded.Fact{{What: "root", OK: user == 0, Way: "sudo"}}
			}},
		{provider: second, name: kind.Name, look: func(context.Context) error { return lookKind(docker) },
			facts: func(context.Context) []embedded.Fact {
				return []embedded.Fact{{What: "Docker", OK: docker == nil, Way: "start it"}, {What: "speed", For: "haste"}}
			}},
	}
}

// said is the exit code and what is written of an error.
func said(t *testing.T, err error) (int, string) {
	t.Helper()
	var text strings.Builder
	code := (&cli{stderr: &text}).report(t.Context(), err)
	return code, text.String()
}

const someUser = 1000

func TestAutoTakesEmbeddedForRootOnLinux(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		on, system string
		user       int
		want       string
	}{
		{"auto", "linux", 0, embedded.Name},
		{"auto", "linux", someUser, kind.Name},
		{"auto", "darwin", someUser, kind.Name},
		{"auto", "darwin", 0, kind.Name},
		{"kind", "linux", 0, kind.Name},
		{"embedded", "linux", someUser, embedded.Name},
		{"embedded", "darwin", someUser, embedded.Name},
	} {
		assert.Equal(t, test.want, choose(test.on, test.system, test.user), "%+v", test)
	}
	for _, name := range providerNames() {
		assert.NoError(t, checkProvider(name))
	}
	assert.ErrorContains(t, checkProvider("docker"), "there are auto, embedded, kind")
}

func TestAHostThatIsUnfitForOneMaySuitTheOther(t *testing.T) {
	t.Parallel()
	none := &fakeProvider{}
	code, text := said(t, second(both(someUser, nil, none, none).maker(t.Context(), embedded.Name)))
	assert.Equal(t, exitInconclusive, code)
	assert.Equal(t, "squall: error: embedded clusters need what is not here: root\nsquall: hint: root: sudo\n"+
		"squall: hint: or let Docker carry the clusters: --on kind\n", text)

	code, text = said(t, second(both(someUser, engine.ErrStopped, none, none).maker(t.Context(), embedded.Name)))
	assert.Equal(t, exitInconclusive, code)
	assert.NotContains(t, text, "--on kind")

	code, text = said(t, second(both(0, engine.ErrStopped, none, none).maker(t.Context(), kind.Name)))
	assert.Equal(t, exitInconclusive, code)
	assert.Equal(t, "squall: error: kind clusters need what is not here: Docker\nsquall: hint: Docker: start it\n", text)

	s, err := both(someUser, nil, none, none).maker(t.Context(), kind.Name)
	require.NoError(t, err, "what is of use only is not needed")
	assert.Equal(t, kind.Name, s.name)
}

func TestKindNeedsDocker(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no docker in it
	folder := t.TempDir()
	for _, verb := range [][]string{
		{"run", "pod-kill", "--runs", folder}, {"cluster", "up", "demo"}, {"conformance"}, {"bench", "load"}, {"bench", "nodes"},
	} {
		args := append([]string{"--cache", folder}, append(verb, "--on", kind.Name)...)
		code, stdout, stderr := runApp(t, args...)
		assert.Equal(t, exitInconclusive, code, "%q", args)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, "squall: error: kind clusters need what is not here: ")
		assert.Regexp(t, "squall: hint: .*(?i)docker", stderr)
	}
}

func TestFactsOfDockerSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		engine.ErrAbsent: "program docker", engine.ErrStopped: "a Docker engine that answers", errors.New("odd"): "a Docker engine that answers",
		engine.ErrForbidden: "the right to use Docker", engine.ErrDisk: "4 GiB free on the disk of Docker",
	} {
		facts := judgeEngine(engine.Engine{}, fmt.Errorf("look: %w", err))
		for i, f := range facts {
			assert.Equal(t, i < len(facts)-1, f.OK, "%v: %s", err, f.What)
		}
		last := facts[len(facts)-1]
		assert.Equal(t, want, last.What)
		assert.Equal(t, "look: "+err.Error(), last.Way)
	}
	facts := judgeEngine(engine.Engine{Version: "20.10", Driver: "overlay2", Cgroups: "1"}, nil)
	require.Len(t, facts, 4)
	for _, f := range facts {
		assert.True(t, f.OK, f.What)
		assert.Empty(t, f.Way)
	}
	assert.Equal(t, "a Docker engine that answers (20.10, overlay2, cgroup v1)", facts[1].What)
}

func second[T any](_ T, err error) error { return err }

func TestClustersAreFoundWhateverMadeThem(t *testing.T) {
	t.Parallel()
	first, other := &fakeProvider{up: []string{"e", "twice"}, coming: []string{"soon"}}, &fakeProvider{up: []string{"k", "twice"}}
	for name, test := range map[string]struct {
		all         sources
		cluster, by string
		code        int
		says        []string
	}{
		"embedded":                {both(0, nil, first, other), "e", "e", exitDone, nil},
		"kind":                    {both(0, nil, first, other), "k", "k", exitDone, nil},
		"the first counts":        {both(0, nil, first, other), "twice", "e", exitDone, nil},
		"kind as a user":          {both(someUser, nil, first, other), "k", "k", exitDone, nil},
		"embedded, Docker wedged": {both(0, errors.New("odd"), first, other), "e", "e", exitDone, nil},
		"neither":                 {both(0, nil, first, other), "x", "", exitMisuse, []string{`no cluster named "x" is up`, `"squall cluster list"`}},
		"neither, no Docker":      {both(0, engine.ErrAbsent, first, other), "k", "", exitMisuse, []string{`no cluster named "k" is up`}},
		"coming up":               {both(0, nil, first, other), "soon", "", exitMisuse, []string{"still coming up"}},
		"hidden from a user": {both(someUser, nil, first, other), "e", "", exitInconclusive, []string{
			`error: no kind cluster named "e" is up`, "error: only root may see and touch embedded clusters", "hint: run the same command with sudo"}},
		"a user without Docker": {both(someUser, engine.ErrAbsent, first, other), "e", "", exitInconclusive, []string{"only root may"}},
		"a user whom Docker refuses": {both(someUser, engine.ErrForbidden, first, other), "e", "", exitInconclusive, []string{
			"error: only root may", "error: only who may use Docker may see and touch kind clusters", "hint: run the same command with sudo"}},
		"broken": {both(0, nil, &fakeProvider{broken: errors.New("no state")}, other), "x", "", exitError, []string{"no state"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := test.all.find(t.Context(), test.cluster)
			code, text := said(t, err)
			assert.Equal(t, test.code, code, text)
			for _, want := range test.says {
				assert.Contains(t, text, want)
			}
			if test.by != "" {
				require.NoError(t, err)
				assert.Equal(t, test.by, found.Info().Provider)
			}
		})
	}
}

func TestListShowsWhatTheUserMaySee(t *testing.T) {
	t.Parallel()
	first, other := &fakeProvider{up: []string{"e"}, left: "dead"}, &fakeProvider{up: []string{"k"}}
	names := func(all sources) (found []string, closed int, err error) {
		infos, why, err := all.list(t.Context())
		for _, info := range infos {
			found = append(found, info.Name)
		}
		return found, len(why), err
	}
	found, closed, err := names(both(someUser, nil, first, other))
	require.NoError(t, err)
	assert.Equal(t, []string{"k"}, found)
	assert.Equal(t, 1, closed)
	assert.Equal(t, "dead", first.left)

	found, closed, err = names(both(0, nil, first, other))
	require.NoError(t, err)
	assert.Equal(t, []string{"e", "k"}, found)
	assert.Zero(t, closed)
	assert.Empty(t, first.left, "what dead clusters left is removed first")

	found, _, err = names(both(0, engine.ErrStopped, first, other))
	require.NoError(t, err)
	assert.Equal(t, []string{"e"}, found, "without Docker no kind cluster is up")

	found, _, err = names(both(0, nil, &fakeProvider{broken: errors.New("no state")}, other))
	assert.ErrorContains(t, err, "no state")
	assert.Equal(t, []string{"k"}, found, "one provider's trouble hides no other's clusters")

	_, _, err = names(both(someUser, engine.ErrAbsent, first, other))
	code, text := said(t, err)
	assert.Equal(t, exitInconclusive, code)
	assert.Equal(t, "squall: error: only root may see and touch embedded clusters\nsquall: hint: run the same command with sudo\n", text)
}

func TestDownRemovesWhereTheClusterIs(t *testing.T) {
	t.Parallel()
	first, other := &fakeProvider{up: []string{"e", "twice"}}, &fakeProvider{up: []string{"k", "twice"}}
	all := both(0, nil, first, other)
	require.NoError(t, all.remove(t.Context(), "k"))
	assert.Empty(t, first.swept)
	assert.Equal(t, []string{"k"}, other.swept)
	require.NoError(t, all.remove(t.Context(), "twice"))
	assert.Equal(t, []string{"twice"}, other.up, "one name, one cluster")

	require.NoError(t, all.remove(t.Context(), "gone"), "what is not there is removed")
	assert.Equal(t, []string{"twice", "gone"}, first.swept, "what is left of it may be anywhere")
	assert.Equal(t, []string{"k", "gone"}, other.swept)

	user := both(someUser, nil, first, other)
	require.NoError(t, user.remove(t.Context(), "twice"))
	assert.Empty(t, other.up)
	code, text := said(t, user.remove(t.Context(), "e"))
	assert.Equal(t, exitInconclusive, code)
	assert.Contains(t, text, `error: no cluster named "e" was found to remove`)
	assert.Contains(t, text, "hint: run the same command with sudo")
	assert.Equal(t, []string{"e"}, first.up)

	code, text = said(t, both(0, engine.ErrStopped, first, &fakeProvider{broken: errors.New("no answer")}).remove(t.Context(), "k"))
	assert.Equal(t, exitInconclusive, code, "what is left there cannot be removed")
	assert.Contains(t, text, "no cluster can be up: "+engine.ErrStopped.Error()+": no answer")
	idle := &fakeProvider{}
	require.NoError(t, both(0, engine.ErrStopped, first, idle).remove(t.Context(), "k"))
	assert.Empty(t, idle.swept, "an idle provider with nothing to remove makes no folder")
}

func TestANameIsThatOfOneCluster(t *testing.T) {
	t.Parallel()
	first, other := &fakeProvider{up: []string{"e"}}, &fakeProvider{coming: []string{"k"}}
	all := both(0, nil, first, other)
	for _, test := range [][2]string{{"k", embedded.Name}, {"e", kind.Name}} {
		err := all.checkFree(t.Context(), test[0], test[1])
		require.ErrorIs(t, err, cluster.ErrExists)
		code, text := said(t, err)
		assert.Equal(t, exitMisuse, code)
		assert.Contains(t, text, `hint: choose another name, or remove it with "squall cluster down `+test[0])
	}
	assert.NoError(t, all.checkFree(t.Context(), "e", embedded.Name), "its own provider looks itself")
	assert.NoError(t, all.checkFree(t.Context(), "free", kind.Name))
	assert.NoError(t, both(someUser, nil, first, other).checkFree(t.Context(), "e", kind.Name), "a user cannot know")
}

func TestCleanRemovesWhatTheUserMay(t *testing.T) {
	t.Parallel()
	cleaned := func(all sources) (string, error) {
		var out strings.Builder
		open, _ := all.open(t.Context())
		err := (&cli{stdout: &out}).cleanAll(t.Context(), open, false)
		return out.String(), err
	}
	first, other := &fakeProvider{left: "a"}, &fakeProvider{left: "b"}
	out, err := cleaned(both(someUser, nil, first, other))
	require.NoError(t, err)
	assert.Equal(t, "removed b\n", out)
	out, err = cleaned(both(0, nil, first, other))
	require.NoError(t, err)
	assert.Equal(t, "removed a\n", out)
	out, err = cleaned(both(0, engine.ErrAbsent, first, other))
	require.NoError(t, err)
	assert.Equal(t, "nothing was left to remove\n", out)
	assert.Equal(t, 2, other.cleaned, "an idle provider with nothing to remove makes no folder")

	out, err = cleaned(both(0, engine.ErrStopped, &fakeProvider{left: "a"}, &fakeProvider{broken: errors.New("no answer")}))
	assert.Equal(t, "removed a\n", out)
	code, text := said(t, err)
	assert.Equal(t, exitInconclusive, code)
	assert.Contains(t, text, engine.ErrStopped.Error()+": no answer")
}

func TestTheCacheStaysWhileClustersOfAnyProviderLive(t *testing.T) {
	t.Parallel()
	for _, all := range []sources{
		both(0, nil, &fakeProvider{up: []string{"e"}}, &fakeProvider{}), both(0, nil, &fakeProvider{}, &fakeProvider{coming: []string{"e"}}),
	} {
		var out strings.Builder
		code, text := said(t, (&cli{stdout: &out}).removeCache(t.Context(), all, t.TempDir(), false))
		assert.Equal(t, exitMisuse, code)
		assert.Contains(t, text, `cluster "e" is up or coming up and uses the cache`)
		assert.Empty(t, out.String())
	}
}

func TestTheCacheIsAlsoInDocker(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		docker error
		dry    bool
		says   string
	}{
		{nil, false, "removed an image, dry: false\n"},
		{nil, true, "would remove an image, dry: true\n"},
		{engine.ErrAbsent, false, ""},
	} {
		all := both(0, test.docker, &fakeProvider{}, &fakeProvider{})
		all[1].forget = func(_ context.Context, dry bool) ([]string, error) {
			return []string{fmt.Sprintf("an image, dry: %t", dry)}, nil
		}
		open, closed := all.open(t.Context())
		require.Empty(t, closed)
		var out strings.Builder
		require.NoError(t, (&cli{stdout: &out}).removeCache(t.Context(), open, t.TempDir(), test.dry))
		assert.Equal(t, test.says, out.String())
	}
}

func TestDoctorSaysWhatEachProviderCanMake(t *testing.T) {
	t.Parallel()
	has, lacks := []embedded.Fact{{OK: true}, {For: "haste"}}, []embedded.Fact{{}, {}}
	assert.True(t, ready(has, has), "what has a purpose can be done without")
	assert.Equal(t, "all is here: kind clusters can be made", needed{kind.Name, has}.conclude(true))
	assert.Equal(t, "2 missing: no kind cluster can be made", needed{kind.Name, lacks}.conclude(false))
	assert.Contains(t, needed{kind.Name, has}.conclude(false), "neither compiled components nor Go")
}
