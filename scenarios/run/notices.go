package run

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"squall/reports"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxNotices bounds how many are recorded of one run, maxMessage the
	// characters of each. A run has dozens.
	maxNotices = 5000
	maxMessage = 1024
	// noticeEvery is how long notices wait for one another, and then for a look
	// at the Secrets: what they tell may hold the value of one that is new.
	noticeEvery = time.Second
	// secretsLook bounds that look.
	secretsLook = 2 * time.Second
)

// notices are the API's Events on their way to the record.
type notices struct {
	seen    map[types.UID]int32 // the count that was seen last
	waiting []reports.Entry
	total   int
}

// seeNotice takes an Event, unless it is of the time before the run, which
// prepared clusters are made with, or is known. That one is forgotten again after
// an hour says nothing.
func (r *recorder) seeNotice(event *corev1.Event, deleted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, count := lastSeen(event)
	// The API tells whole seconds.
	if deleted || last.Before(r.clock.began.Truncate(time.Second)) || r.notices.seen[event.UID] >= count {
		return
	}
	r.notices.seen[event.UID] = count
	switch r.notices.total++; {
	case r.notices.total > maxNotices+1:
		return
	case r.notices.total == maxNotices+1:
		r.wait(reports.NoticeEntry{Object: "Namespace/" + event.Namespace, Reason: "TooManyEvents", Type: corev1.EventTypeWarning, Count: 1, From: "squall",
			Message: fmt.Sprintf("the cluster told more than %d events: what came after is not recorded", maxNotices)})
		return
	}
	r.wait(reports.NoticeEntry{
		Object: bounded(event.InvolvedObject.Kind+"/"+event.InvolvedObject.Name, maxMessage), Reason: bounded(event.Reason, maxMessage),
		Type: bounded(event.Type, maxMessage), Message: event.Message, Count: count,
		From: bounded(cmp.Or(event.Source.Component, event.ReportingController), maxMessage),
	})
}

// wait lets a notice wait; the caller holds the lock.
func (r *recorder) wait(notice reports.NoticeEntry) {
	r.notices.waiting = append(r.notices.waiting, reports.Entry{At: r.clock.now(), Kind: reports.KindNotice, Notice: &notice})
}

// tellNotices records the notices as they come, until ctx ends.
func (r *recorder) tellNotices(ctx context.Context, secrets source) {
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.recordNotices(ctx, secrets)
		}
	}
}

// recordNotices records those that wait, once every Secret that they may tell of
// is known. It returns whether that is so; else they go on waiting.
func (r *recorder) recordNotices(ctx context.Context, secrets source) bool {
	r.mu.Lock()
	waiting := r.notices.waiting
	r.mu.Unlock()
	if len(waiting) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, secretsLook)
	defer cancel()
	if _, err := secrets.look(ctx); err != nil {
		return false
	}
	// Together: nothing comes between a pod's entry and that of its workload.
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices.waiting = r.notices.waiting[len(waiting):]
	for _, e := range waiting {
		// First the whole, so that no part of a secret is left at the bound.
		e.Notice.Message = bounded(r.secrets.text(e.Notice.Message), maxMessage)
		r.add(e)
	}
	return true
}

// withholdNotices records the notices that still wait without what they say.
func (r *recorder) withholdNotices() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.notices.waiting {
		e.Notice.Message = "(withheld: the API did not tell its Secrets, so that it could not be looked through for their values)"
		r.add(e)
	}
	r.notices.waiting = nil
}

// lastSeen is when an Event happened last, and how often it has. Which fields
// say so depends on who wrote it.
func lastSeen(event *corev1.Event) (time.Time, int32) {
	last, count := event.LastTimestamp.Time, max(event.Count, 1)
	if event.Series != nil {
		count = max(count, event.Series.Count)
		last = later(last, event.Series.LastObservedTime)
	}
	last = later(last, event.EventTime)
	if last.IsZero() {
		last = event.CreationTimestamp.Time
	}
	return last, count
}

func later(one time.Time, other metav1.MicroTime) time.Time {
	if other.After(one) {
		return other.Time
	}
	return one
}

// bounded is at most so many characters of a text.
func bounded(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}
