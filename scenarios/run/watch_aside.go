package run

import (
	"context"
	"fmt"

	"squall/reports"
	"squall/scenarios"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// secretSource is where the values come from that must not be written. Nothing
// of a Secret is recorded.
func (r *recorder) secretSource(client kubernetes.Interface) source {
	secrets := client.CoreV1().Secrets(scenarios.Namespace)
	return source{
		what: "Secrets", aside: true,
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return secrets.List(ctx, o) },
		watch: secrets.Watch,
		see:   seeing(r.secrets.seeSecret),
		replace: func(list runtime.Object) {
			for _, secret := range items[*corev1.Secret](list) {
				r.secrets.seeSecret(secret, false)
			}
		},
	}
}

// noticeSources are the Events of the scenario's namespace, and those of nodes,
// which the API keeps in the namespace "default".
func (r *recorder) noticeSources(client kubernetes.Interface) []source {
	ofNodes := fields.OneTermEqualSelector("involvedObject.kind", "Node").String()
	return []source{
		r.noticeSource(client, "events", scenarios.Namespace, ""),
		r.noticeSource(client, "events of nodes", metav1.NamespaceDefault, ofNodes),
	}
}

func (r *recorder) noticeSource(client kubernetes.Interface, what, namespace, selector string) source {
	events := client.CoreV1().Events(namespace)
	return source{
		what: what, aside: true,
		list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector
			return events.List(ctx, o)
		},
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector
			return events.Watch(ctx, o)
		},
		see: seeing(r.seeNotice),
		replace: func(list runtime.Object) {
			for _, event := range items[*corev1.Event](list) {
				r.seeNotice(event, false)
			}
		},
	}
}

// blind tells that a source told nothing for longer than matters. Of what the
// verdict rests on that is a trouble; of the rest it is said beside it.
func (r *recorder) blind(s source, what string) {
	e := reports.Entry{At: r.clock.now(), Kind: reports.KindTrouble, Trouble: &reports.TroubleEntry{Class: reports.TroubleEnvironment, What: what}}
	if s.aside {
		e = reports.Entry{At: r.clock.now(), Kind: reports.KindNotice, Notice: &reports.NoticeEntry{
			Object: fmt.Sprintf("Namespace/%s", scenarios.Namespace), Reason: "WatchWasBlind", Type: corev1.EventTypeWarning,
			Message: what, Count: 1, From: "squall",
		}}
	}
	r.add(e)
}
