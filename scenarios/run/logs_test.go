package run

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

func jsonEntry(e reports.Entry) string {
	text, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestEndOfALog(t *testing.T) {
	line := strings.Repeat("x", 1023) + "\n"
	broken := errors.New("connection lost")
	for name, c := range map[string]struct {
		log  io.Reader
		want string
		cut  bool
		err  error
	}{
		"empty":                       {strings.NewReader(""), "", false, nil},
		"short":                       {iotest.OneByteReader(strings.NewReader("a\nb")), "a\nb", false, nil},
		"just what fits":              {strings.NewReader(strings.Repeat(line, 1024)), strings.Repeat(line, 1024), false, nil},
		"a line more":                 {strings.NewReader("first\n" + strings.Repeat(line, 1024)), strings.Repeat(line, 1024), true, nil},
		"half a line goes":            {strings.NewReader(strings.Repeat(line, 1024) + "last\n"), strings.Repeat(line, 1023) + "last\n", true, nil},
		"much more":                   {strings.NewReader(strings.Repeat(line, 5000) + "last\n"), strings.Repeat(line, 1023) + "last\n", true, nil},
		"one line that is too long":   {strings.NewReader(strings.Repeat("x", 3*maxLog)), "", false, errLongLine},
		"and one that ends":           {strings.NewReader(strings.Repeat("x", 3*maxLog) + "\n"), "", false, errLongLine},
		"broken off":                  {io.MultiReader(strings.NewReader("a\nb\nhunt"), iotest.ErrReader(broken)), "a\nb\n", false, nil},
		"broken off in the first":     {io.MultiReader(strings.NewReader("hunt"), iotest.ErrReader(broken)), "", false, broken},
		"broken off with an end said": {iotest.DataErrReader(strings.NewReader("a\nb")), "a\nb", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := endOf(c.log)
			require.ErrorIs(t, err, c.err)
			if c.err == nil {
				assert.Equal(t, len(c.want), len(got.text))
				assert.True(t, c.want == got.text)
				assert.Equal(t, c.cut, got.cut)
			}
		})
	}
}

// keeperOf is a keeper whose API has every log hold "fake logs".
func keeperOf(t *testing.T) *logKeeper {
	t.Helper()
	k := newLogKeeper(t.TempDir(), fake.NewClientset(), newRecorder(newClock(), nil, nil))
	t.Cleanup(k.end)
	return k
}

// withStatus is a pod with one container.
func withStatus(name, uid string, status corev1.ContainerStatus) corev1.Pod {
	status.Name = "shop"
	p := pod("catalog", name, 0, "w1")
	p.UID += types.UID(uid)
	p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	return p
}

func TestLogsAreKept(t *testing.T) {
	k := keeperOf(t)
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	gone := withStatus("gone", "", corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}})
	leaving := withStatus("leaving", "", corev1.ContainerStatus{State: runs})
	leaving.DeletionTimestamp = new(metav1.Now())
	calm := withStatus("calm", "", corev1.ContainerStatus{State: runs})
	for _, p := range []*corev1.Pod{&gone, &leaving, &calm} {
		k.seePod(p)
		k.seePod(p)
	}
	assert.Len(t, k.asked, 2, "of what goes, once")
	k.running.Wait()
	restarted := withStatus("restarted", "", corev1.ContainerStatus{State: runs, RestartCount: 2})
	namesake := withStatus("gone", "another", corev1.ContainerStatus{State: runs})
	k.all(t.Context(), []corev1.Pod{calm, restarted, namesake})
	k.seePod(&restarted) // too late
	var files []string
	require.NoError(t, filepath.WalkDir(k.dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(k.dir, path)
			files = append(files, name)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "fake logs", string(text))
		}
		return err
	}))
	assert.ElementsMatch(t, []string{
		"logs/calm/shop.log", "logs/gone/shop.log", "logs/gone~2/shop.log", "logs/leaving/shop.log",
		"logs/restarted/shop.log", "logs/restarted/shop.previous.log",
	}, files)
	assert.Len(t, k.kept, len(files))
	assert.Equal(t, reports.LogEntry{Pod: "squall/calm", Container: "shop", File: "logs/calm/shop.log", Bytes: 9}, k.kept[logID{calm.UID, "shop", false}])
}

func TestLogsThatAreNotKeptSayWhy(t *testing.T) {
	one := withStatus("a", "", corev1.ContainerStatus{})
	id := logID{one.UID, "shop", false}

	k := keeperOf(t)
	k.learn = func(context.Context) error { return errors.New("connection refused") }
	k.all(t.Context(), []corev1.Pod{one})
	assert.Contains(t, k.kept[id].Unread, "withheld: the API did not tell its Secrets")
	assert.Contains(t, k.kept[id].Unread, "connection refused")
	assert.NoDirExists(t, filepath.Join(k.dir, "logs"))

	k = keeperOf(t)
	k.bytes = maxLogs - 8
	k.all(t.Context(), []corev1.Pod{one})
	assert.Contains(t, k.kept[id].Unread, "the logs of this run have 64 MiB already")

	k = keeperOf(t)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no end within 5s"))
	for range readers {
		k.slots <- struct{}{}
	}
	k.all(ended, []corev1.Pod{one})
	assert.Contains(t, k.kept[id].Unread, "the end of the run did not wait for it: no end within 5s")

	k = keeperOf(t)
	k.note(&one, id, reports.LogEntry{File: "logs/a/shop.log", Bytes: 9})
	k.note(&one, id, reports.LogEntry{Unread: "it is gone"})
	assert.Equal(t, 9, k.kept[id].Bytes, "what was read stays")
}

func TestAnEarlierRunsLogBecomesThePreviousOne(t *testing.T) {
	k := keeperOf(t)
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}
	first := withStatus("a", "", corev1.ContainerStatus{State: ended})
	second := withStatus("a", "", corev1.ContainerStatus{State: ended, RestartCount: 1})
	third := withStatus("a", "", corev1.ContainerStatus{State: ended, RestartCount: 2})
	id := logID{first.UID, "shop", false}
	was := id
	was.previous = true
	k.keep(&first, id, "first run", false)
	k.keep(&first, id, "first run, all of it", false)
	assert.Len(t, k.kept, 1, "the same run")
	k.keep(&second, id, "2nd", false)
	k.keep(&third, id, "third", true)
	for file, want := range map[string]string{"shop.log": "third", "shop.previous.log": "2nd"} {
		text, err := os.ReadFile(filepath.Join(k.dir, "logs", "a", file))
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
	}
	assert.Equal(t, reports.LogEntry{Pod: "squall/a", Container: "shop", Previous: true, File: "logs/a/shop.previous.log", Bytes: 3}, k.kept[was])
	assert.Equal(t, 8, k.bytes, "of what is there")
}
