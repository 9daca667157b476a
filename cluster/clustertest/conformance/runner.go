package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Runner runs conformance tests against a cluster.
type Runner struct {
	// Programs are those of [Build].
	Programs Programs
	// Kubeconfig and Kubectl are paths.
	Kubeconfig, Kubectl string
	// Parallel is how many tests run at once, besides those that must have the
	// cluster for themselves.
	Parallel int
	// Folder is where reports and output of the tests go. It must exist.
	Folder string
	// Progress, when not nil, is told how far it is. It is called from several
	// goroutines, one at a time.
	Progress func(string)
}

// largestBatch is how many tests one process runs: starting one and reading its
// report takes a second of processor time.
const largestBatch = 8

// fewestSilent is how many processes, at the least, must have ended before any
// test was reported, for the run to be given up. One test can take its process
// along.
const fewestSilent = 3

// Run runs the tests and returns a result for each, in their order. What happened
// so far is also returned with an error, which means that the tests could not be
// run; tests that fail are no error, and neither are some of which nothing is
// reported.
func (r Runner) Run(ctx context.Context, tests []Test) ([]Result, error) {
	var slow, shared, serial []int
	for i, t := range tests {
		switch {
		case t.Serial():
			serial = append(serial, i)
		case t.slow():
			slow = append(slow, i)
		default:
			shared = append(shared, i)
		}
	}
	j := &job{Runner: r, tests: tests, results: make([]Result, len(tests))}
	for i, t := range tests {
		j.results[i] = Result{Name: t.Name, Area: t.Area, State: Unfinished, Message: "not started"}
	}
	err := j.all(ctx, append(slow, shared...), max(r.Parallel, 1))
	if err == nil {
		err = j.all(ctx, serial, 1)
	}
	return j.results, err
}

// job is one call of [Runner.Run].
type job struct {
	Runner
	tests []Test

	mu      sync.Mutex
	queue   []int // tests that no batch has yet
	batches int   // started so far
	done    int   // tests with a result
	silent  int   // batches before any test was reported
	heard   bool  // a test was reported
	results []Result
}

// all runs the tests of those numbers in so many processes at once. The first
// error ends them all.
func (j *job) all(ctx context.Context, numbers []int, workers int) error {
	j.queue = numbers
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				batch, name := j.take(workers)
				if len(batch) == 0 {
					return
				}
				if err := j.batch(ctx, name, batch); err != nil {
					stop(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// take takes the next batch off the queue. Slow tests are alone, and batches get
// smaller towards the end, so that all workers end at about the same time.
func (j *job) take(workers int) ([]int, string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(largestBatch, max(1, len(j.queue)/(2*workers)), len(j.queue))
	if n > 0 && j.tests[j.queue[0]].slow() {
		n = 1
	}
	batch := j.queue[:n]
	j.queue = j.queue[n:]
	j.batches++
	return batch, fmt.Sprintf("batch-%03d", j.batches)
}

// batch runs some tests in one process and keeps their results.
func (j *job) batch(ctx context.Context, name string, numbers []int) error {
	folder := filepath.Join(j.Folder, name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		return fmt.Errorf("make a folder for the tests' output: %w", err)
	}
	var tests []Test
	for _, i := range numbers {
		tests = append(tests, j.tests[i])
	}
	began := time.Now()
	e := ending{err: j.start(ctx, folder, tests)}
	e.outcomes, e.unread = readReport(filepath.Join(folder, reportFile))
	e.output = lastOutput(filepath.Join(folder, outputFile))
	j.keep(numbers, e)
	j.tell(name, numbers, time.Since(began))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return j.hear(e)
}

// ending is how a batch ended.
type ending struct {
	err      error              // the process'
	outcomes map[string]outcome // what was reported
	unread   error              // why nothing can be read in the report
	output   string             // the last of it
}

// hear counts the batches of which no test was reported. It returns an error when
// there were no others at the beginning: nothing runs at all.
func (j *job) hear(e ending) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.heard {
		return nil
	}
	j.silent++
	if j.silent < max(fewestSilent, j.Parallel) {
		return nil
	}
	return fmt.Errorf("run the tests: the first %d processes reported none, the last: %s", j.silent, e.unreported())
}

// keep stores the results of a batch.
func (j *job) keep(numbers []int, e ending) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range numbers {
		result := Result{Name: j.tests[i].Name, Area: j.tests[i].Area}
		o, reported := e.outcomes[result.Name]
		if reported {
			j.heard = true
			result.State, result.Seconds, result.Message = o.state, o.took.Seconds(), o.message
		} else {
			result.State, result.Message = Unfinished, e.unreported()
		}
		j.results[i] = result
	}
	j.done += len(numbers)
}

// unreported says why a test has no result: the suite's own failure when there is
// one, else how its process ended.
func (e ending) unreported() string {
	for _, node := range []string{"[SynchronizedBeforeSuite]", "[BeforeSuite]"} {
		if o, found := e.outcomes[node]; found {
			return node + ": " + o.message
		}
	}
	why, ended := "no report of it", "exit status 0"
	if e.err != nil {
		ended = e.err.Error()
	}
	if e.unread != nil && !errors.Is(e.unread, os.ErrNotExist) {
		why = e.unread.Error()
	}
	return fmt.Sprintf("%s; its process ended: %s; %s", why, ended, e.output)
}

// tell tells how a batch went.
func (j *job) tell(name string, numbers []int, took time.Duration) {
	if j.Progress == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var batch Results
	for _, i := range numbers {
		batch.Results = append(batch.Results, j.results[i])
	}
	j.Progress(fmt.Sprintf("%s: %d of %d passed in %s; %d of %d tests done",
		name, batch.Count(Passed), len(numbers), took.Round(time.Second), j.done, len(j.tests)))
	for _, bad := range batch.Bad() {
		j.Progress(fmt.Sprintf("  %s: %s", bad.State, bad.Name))
	}
}
