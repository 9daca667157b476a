package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

func apiEvent(uid string, last time.Time, count int32, message string) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Namespace: "squall"}, Reason: "BackOff", Type: "Warning", Message: message,
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "a"}, Source: corev1.EventSource{Component: "kubelet"},
		LastTimestamp: metav1.NewTime(last), Count: count,
	}
}

// known is a source of Secrets that tells of one, or fails.
func (r *recorder) known(value string, err error) source {
	return source{
		list: func(context.Context, metav1.ListOptions) (runtime.Object, error) { return &corev1.SecretList{}, err },
		replace: func(runtime.Object) {
			if value != "" {
				r.secrets.learn(value)
			}
		},
	}
}

func noticesOf(record *tape) (all []string) {
	for _, e := range record.all() {
		n := e.Notice
		all = append(all, fmt.Sprintf("%s %s %s %d %s %s", n.Type, n.Object, n.Reason, n.Count, n.From, n.Message))
	}
	return all
}

func TestNoticesOfTheRun(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	now := r.clock.began
	r.seeNotice(apiEvent("old", now.Add(-2*time.Second), 1, "of the prepared state"), false)
	r.seeNotice(apiEvent("a", now.Truncate(time.Second), 1, "first"), false)
	r.seeNotice(apiEvent("a", now, 1, "first"), false)
	r.seeNotice(apiEvent("a", now, 4, "first"), false)
	r.seeNotice(apiEvent("a", now, 3, "late"), false)
	r.seeNotice(apiEvent("a", now, 5, "first"), true) // the API forgets it
	series := apiEvent("b", time.Time{}, 0, "by the other API")
	series.EventTime, series.ReportingController, series.Source.Component = metav1.NewMicroTime(now.Add(-time.Minute)), "default-scheduler", ""
	r.seeNotice(series.DeepCopy(), false)
	series.Series = &corev1.EventSeries{Count: 3, LastObservedTime: metav1.NewMicroTime(now)}
	r.seeNotice(series, false)
	assert.Empty(t, record.all(), "they wait for a look at the Secrets")
	assert.True(t, r.recordNotices(t.Context(), r.known("", nil)))
	assert.True(t, r.recordNotices(t.Context(), r.known("", errors.New("unasked"))))
	assert.Equal(t, []string{
		"Warning Pod/a BackOff 1 kubelet first", "Warning Pod/a BackOff 4 kubelet first", "Warning Pod/a BackOff 3 default-scheduler by the other API",
	}, noticesOf(&record))
}

func TestNoticesHoldNoSecretsAndAreBounded(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	// The bound would leave half of the secret.
	r.seeNotice(apiEvent("a", r.clock.began, 1, strings.Repeat("é", maxMessage-4)+"hunter2 and more"), false)
	assert.True(t, r.recordNotices(t.Context(), r.known("hunter2", nil)), "the Secret is newer than the watch")
	got := record.all()[0].Notice.Message
	assert.Equal(t, strings.Repeat("é", maxMessage-4)+"[re…", got)

	refused := errors.New("connection refused")
	r.seeNotice(apiEvent("b", r.clock.began, 1, "hunter3"), false)
	assert.False(t, r.recordNotices(t.Context(), r.known("", refused)))
	assert.Len(t, record.all(), 1)
	r.withholdNotices()
	r.withholdNotices()
	assert.Len(t, record.all(), 2)
	assert.Contains(t, record.all()[1].Notice.Message, "(withheld: the API did not tell its Secrets")
}

func TestTooManyNotices(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	for i := range maxNotices + 100 {
		r.seeNotice(apiEvent(fmt.Sprint(i), r.clock.began, 1, "again"), false)
	}
	r.recordNotices(t.Context(), r.known("", nil))
	all := record.all()
	assert.Len(t, all, maxNotices+1)
	assert.Equal(t, "TooManyEvents", all[maxNotices].Notice.Reason)
}

func TestNoticesComeWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var record tape
		r := newRecorder(newClock(), record.add, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.tellNotices(ctx, r.known("", nil))
		time.Sleep(10*time.Second + time.Millisecond)
		r.seeNotice(apiEvent("a", time.Now(), 1, "now"), false)
		time.Sleep(noticeEvery)
		synctest.Wait()
		all := record.all()
		if assert.Len(t, all, 1) {
			assert.Equal(t, 10*time.Second+time.Millisecond, all[0].At, "when it was seen")
		}
	})
}

func TestBlindnessForWhatNoVerdictRestsOnIsNoTrouble(t *testing.T) {
	var record tape
	r := newRecorder(newClock(), record.add, nil)
	since := reports.Offset(0)
	r.clock.began = r.clock.began.Add(-blindLimit - time.Second)
	r.regained(source{what: "events", aside: true}, &since, errors.New("connection refused"))
	if assert.Empty(t, record.troubles()) && assert.Len(t, record.all(), 1) {
		assert.Equal(t, reports.KindNotice, record.all()[0].Kind)
		assert.Contains(t, record.all()[0].Notice.Message, "the cluster's API told nothing of its events for")
	}
}
