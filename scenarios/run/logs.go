package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"squall/reports"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	// maxLog is how much of a log is kept, its end; maxLogs of all together.
	maxLog  = 1 << 20
	maxLogs = 64 << 20
	// readLimit bounds the reading of one log that does not go on.
	readLimit = 3 * time.Second
	// readers is how many logs are read at once, and read as they go on.
	readers = 8
)

// logKeeper keeps the containers' logs in the record's folder: those of pods
// that are about to be gone as they go, the others at the end.
type logKeeper struct {
	dir     string
	client  kubernetes.Interface
	secrets *redactor
	// learn learns the Secrets that there are now.
	learn func(context.Context) error

	running sync.WaitGroup
	slots   chan struct{} // holds an element a log that is being read
	// ends is when nothing is followed any more, rest when nothing is read.
	ends, rest context.Context
	end, stop  context.CancelFunc

	mu      sync.Mutex
	closed  bool
	asked   map[string]bool      // what was read because it was about to be gone
	folders map[string]types.UID // whose they are
	kept    map[logID]reports.LogEntry
	runs    map[logID]int32 // after how many restarts the log that is kept was written
	bytes   int             // of all files
}

// logID names a log.
type logID struct {
	pod       types.UID
	container string
	previous  bool
}

func newLogKeeper(dir string, client kubernetes.Interface, r *recorder) *logKeeper {
	k := &logKeeper{
		dir: dir, client: client, secrets: r.secrets, slots: make(chan struct{}, readers),
		learn: func(ctx context.Context) error { _, err := r.secretSource(client).look(ctx); return err },
		asked: map[string]bool{}, folders: map[string]types.UID{}, kept: map[logID]reports.LogEntry{}, runs: map[logID]int32{},
	}
	k.rest, k.stop = context.WithCancel(context.Background())
	k.ends, k.end = context.WithCancel(k.rest)
	return k
}

// seePod reads the logs of a pod that is about to be gone, and of its containers
// that have ended. It does not wait.
func (k *logKeeper) seePod(pod *corev1.Pod) {
	for _, status := range statusesOf(pod) {
		id := logID{pod: pod.UID, container: status.Name}
		switch {
		case pod.DeletionTimestamp != nil && status.State.Running != nil:
			k.readOnce(pod, id, status.RestartCount, true)
		case status.State.Terminated != nil:
			k.readOnce(pod, id, status.RestartCount, false)
		case status.RestartCount > 0:
			id.previous = true
			k.readOnce(pod, id, status.RestartCount, false)
		}
	}
}

// statusesOf are those of a pod's containers, in the order of their starts.
func statusesOf(pod *corev1.Pod) []corev1.ContainerStatus {
	return append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...)
}

// readOnce reads a log of one run of a container in the background, if that
// is not done already and there is room.
func (k *logKeeper) readOnce(pod *corev1.Pod, id logID, run int32, follow bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := fmt.Sprint(id, run, follow)
	if k.closed || k.asked[key] {
		return
	}
	select {
	case k.slots <- struct{}{}:
	default:
		return // too many go at once; the next change of the pod asks again
	}
	k.asked[key] = true
	k.running.Go(func() {
		defer func() { <-k.slots }()
		k.read(k.rest, pod, id, follow)
	})
}

// all reads the logs of all pods, until ctx ends, and waits for those that are
// being read.
func (k *logKeeper) all(ctx context.Context, pods []corev1.Pod) {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.end()
	defer context.AfterFunc(ctx, k.stop)()
	k.running.Wait()
	for i := range pods {
		for _, status := range statusesOf(&pods[i]) {
			id := logID{pod: pods[i].UID, container: status.Name}
			k.oneOf(ctx, &pods[i], id)
			if status.RestartCount > 0 {
				id.previous = true
				k.oneOf(ctx, &pods[i], id)
			}
		}
	}
	k.running.Wait()
}

// oneOf reads a log once there is a slot for it.
func (k *logKeeper) oneOf(ctx context.Context, pod *corev1.Pod, id logID) {
	select {
	case k.slots <- struct{}{}:
		k.running.Go(func() {
			defer func() { <-k.slots }()
			k.read(ctx, pod, id, false)
		})
	case <-ctx.Done():
		k.note(pod, id, reports.LogEntry{Unread: fmt.Sprintf("the end of the run did not wait for it: %v", context.Cause(ctx))})
	}
}

// read reads a log, as it goes on where it is followed, and keeps it.
func (k *logKeeper) read(ctx context.Context, pod *corev1.Pod, id logID, follow bool) {
	reading, cancel := context.WithTimeoutCause(ctx, readLimit, fmt.Errorf("no end within %s", readLimit))
	if follow {
		cancel()
		reading, cancel = context.WithCancel(k.ends)
	}
	defer cancel()
	end, err := k.tail(reading, pod, id, follow)
	if err == nil {
		learning, cancel := context.WithTimeout(ctx, secretsLook) // only now all is there that it may hold
		err = k.learn(learning)
		cancel()
		if err != nil {
			err = fmt.Errorf("withheld: the API did not tell its Secrets, so that it could not be looked through for their values: %w", err)
		}
	}
	if err != nil {
		k.note(pod, id, reports.LogEntry{Unread: err.Error()})
		return
	}
	k.keep(pod, id, k.secrets.text(end.text), end.cut)
}

// tail reads the end of a log.
func (k *logKeeper) tail(ctx context.Context, pod *corev1.Pod, id logID, follow bool) (logEnd, error) {
	lines := int64(maxLog / 4)
	stream, err := k.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: id.container, Previous: id.previous, Follow: follow, TailLines: &lines, Timestamps: true,
	}).Stream(ctx)
	if err != nil {
		return logEnd{}, errors.Join(err, context.Cause(ctx))
	}
	defer stream.Close()
	end, err := endOf(stream)
	// The kubelet says it like this, with success, when the file is gone.
	if err == nil && strings.HasPrefix(end.text, "unable to retrieve container logs for ") && !strings.Contains(end.text, "\n") {
		err = errors.New(end.text)
	}
	return end, err
}

// keep writes a log, if there is room for it.
func (k *logKeeper) keep(pod *corev1.Pod, id logID, text string, cut bool) {
	k.mu.Lock()
	if !id.previous {
		k.age(pod, id)
	}
	had := k.kept[id].Bytes // it is replaced
	if k.bytes-had+len(text) > maxLogs {
		k.mu.Unlock()
		k.note(pod, id, reports.LogEntry{Unread: fmt.Sprintf("the logs of this run have %d MiB already", maxLogs>>20)})
		return
	}
	k.bytes += len(text) - had
	name := path.Join(reports.FolderLogs, k.folder(pod), id.container+".log")
	k.mu.Unlock()
	if id.previous {
		name = strings.TrimSuffix(name, ".log") + ".previous.log"
	}
	if err := reports.Keep(k.dir, name, []byte(text)); err != nil {
		k.note(pod, id, reports.LogEntry{Unread: err.Error()})
		return
	}
	k.note(pod, id, reports.LogEntry{File: name, Bytes: len(text), Cut: cut})
}

// age makes the log of an earlier run of a container the previous one, since
// one of a later run is about to be kept: the kubelet may have removed it by the
// time that it is asked for. The caller holds the lock.
func (k *logKeeper) age(pod *corev1.Pod, id logID) {
	run := int32(0)
	for _, status := range statusesOf(pod) {
		if status.Name == id.container {
			run = status.RestartCount
		}
	}
	entry, before := k.kept[id], k.runs[id]
	k.runs[id] = run
	if entry.File == "" || before >= run {
		return
	}
	old := entry.File
	entry.File, entry.Previous = strings.TrimSuffix(old, ".log")+".previous.log", true
	if os.Rename(filepath.Join(k.dir, old), filepath.Join(k.dir, entry.File)) != nil {
		return // it is replaced then
	}
	delete(k.kept, id)
	id.previous = true
	k.bytes -= k.kept[id].Bytes // one that was there is replaced
	k.kept[id] = entry
}

// folder is the folder of a pod's logs: its name and, for another pod of the same
// name, a number. The caller holds the lock.
func (k *logKeeper) folder(pod *corev1.Pod) string {
	for n := 1; ; n++ {
		name := pod.Name
		if n > 1 {
			name = fmt.Sprintf("%s~%d", pod.Name, n)
		}
		if owner, taken := k.folders[name]; !taken || owner == pod.UID {
			k.folders[name] = pod.UID
			return name
		}
	}
}

// note notes what became of a log. One that was read stays read.
func (k *logKeeper) note(pod *corev1.Pod, id logID, entry reports.LogEntry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if entry.Unread != "" && k.kept[id].File != "" {
		return
	}
	entry.Pod, entry.Container, entry.Previous = pod.Namespace+"/"+pod.Name, id.container, id.previous
	k.kept[id] = entry
}
