package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"squall/reports"
	"squall/scenarios"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// keepLimit bounds what is kept at the end of a run, which needs the API: it may
// be down, or the nodes that have the logs.
const keepLimit = 5 * time.Second

// startKeeping begins to keep what explains a run: logs, what was applied, and
// notices that still wait. It goes on while the run ends; the first call counts.
func (c *conductor) startKeeping(ctx context.Context) {
	c.keeping.once.Do(func() {
		// What ended the run is no reason to know less of it.
		ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), keepLimit, fmt.Errorf("no end within %s", keepLimit))
		c.keeping.running.Go(func() {
			defer cancel()
			select {
			case <-c.cluster.Done():
				cancel()
			case <-ctx.Done():
			}
		})
		c.keeping.running.Go(func() {
			defer cancel()
			c.keepLogs(ctx)
			c.keepWorkloads()
		})
	})
}

// kept waits until all is kept, and records the notices that could not be.
func (c *conductor) kept(ctx context.Context) {
	c.startKeeping(ctx)
	c.keeping.running.Wait()
	c.recorder.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), secretsLook)
	defer cancel()
	if !c.recorder.recordNotices(ctx, c.recorder.secretSource(c.client)) {
		c.recorder.withholdNotices()
	}
}

// keepLogs keeps the logs and records what became of each.
func (c *conductor) keepLogs(ctx context.Context) {
	pods, err := c.client.CoreV1().Pods(scenarios.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		pods = &corev1.PodList{} // those that were seen to go are there all the same
		c.addLog(reports.LogEntry{Pod: scenarios.Namespace + "/", Unread: fmt.Sprintf("the API did not list the pods: %v", err)})
	}
	c.logs.all(ctx, pods.Items)
	var all []reports.LogEntry
	for _, entry := range c.logs.kept {
		all = append(all, entry)
	}
	slices.SortFunc(all, func(a, b reports.LogEntry) int {
		return strings.Compare(fmt.Sprint(a.Pod, "/", a.Container, a.Previous, a.File), fmt.Sprint(b.Pod, "/", b.Container, b.Previous, b.File))
	})
	for _, entry := range all {
		c.addLog(entry)
	}
}

func (c *conductor) addLog(entry reports.LogEntry) {
	entry.Unread = bounded(entry.Unread, maxMessage)
	c.add(reports.Entry{At: c.clock.now(), Kind: reports.KindLog, Log: &entry})
}

// keepWorkloads keeps what was applied. A disk that takes no more is said by the
// record itself.
func (c *conductor) keepWorkloads() {
	var all strings.Builder
	for _, r := range c.rendered {
		for _, object := range r.Objects {
			content, secret := object.DeepCopy().Object, object.GetKind() == "Secret"
			text, err := yaml.Marshal(c.recorder.secrets.tree(content, "", secret))
			if err != nil {
				text = fmt.Appendf(nil, "# %s %s cannot be written: %v\n", object.GetKind(), object.GetName(), err)
			}
			fmt.Fprintf(&all, "---\n# workload %q\n%s", r.Name, text)
		}
	}
	if err := reports.Keep(c.dir, reports.FileWorkloads, []byte(all.String())); err != nil {
		c.show.say("%v", err)
	}
}

// tree is part of an object without what is secret: of a Secret all that it
// holds, of any other what Secrets are known to hold. The part is changed.
func (r *redactor) tree(part any, key string, secret bool) any {
	switch part := part.(type) {
	case map[string]any:
		inside := secret && (key == "data" || key == "stringData")
		for name, value := range part {
			if inside {
				part[name] = redacted
				continue
			}
			part[name] = r.tree(value, name, secret)
		}
	case []any:
		for i, value := range part {
			part[i] = r.tree(value, "", secret)
		}
	case string:
		return r.text(part)
	}
	return part
}
