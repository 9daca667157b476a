package addons

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// BindDNS gives the pod of CoreDNS its node before there is a scheduler. The pod
// is then in the prepared state with its node, whose kubelet starts it at once.
// A scheduler could only find that one node, and every cluster waits for DNS.
func BindDNS(ctx context.Context, client *rest.RESTClient, node string) error {
	const pods = "/api/v1" + systemPath + "/pods"
	b, err := client.Get().AbsPath(pods).Param("labelSelector", "k8s-app=kube-dns").Do(ctx).Raw()
	if err != nil {
		return fmt.Errorf("finding the pod of CoreDNS: %w", err)
	}
	var list corev1.PodList
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("finding the pod of CoreDNS: %w", err)
	}
	for _, pod := range list.Items {
		err := client.Post().AbsPath(pods, pod.Name, "binding").Body(&corev1.Binding{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Binding"},
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
			Target:     corev1.ObjectReference{Kind: "Node", Name: node},
		}).Do(ctx).Error()
		if err != nil {
			return fmt.Errorf("giving the pod of CoreDNS its node: %w", err)
		}
	}
	return nil
}

// dnsReady is the port and path of CoreDNS' readiness.
const (
	dnsReadyPort = 8181
	dnsReadyPath = "/ready"
)

// HastenDNS has the kubelet probe CoreDNS the moment that it is ready. The
// kubelet asks when it sees the container run, which is too early by a tenth of
// a second, and then only at the next whole second. A change of the pod makes it
// look again. Where anything fails, that next second comes.
func HastenDNS(ctx context.Context, client *rest.RESTClient) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	pod, err := runningDNS(ctx, client)
	if err != nil || waitDNSReady(ctx, pod.Status.PodIP) != nil {
		return
	}
	_ = client.Patch(types.MergePatchType).AbsPath("/api/v1"+systemPath+"/pods", pod.Name).
		Body([]byte(`{"metadata":{"annotations":{"squall.dev/answers":"true"}}}`)).Do(ctx).Error()
}

// runningDNS waits until the pod of CoreDNS has an address.
func runningDNS(ctx context.Context, client *rest.RESTClient) (*corev1.Pod, error) {
	w, err := client.Get().AbsPath("/api/v1"+systemPath+"/pods").Param("labelSelector", "k8s-app=kube-dns").Param("watch", "true").Watch(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		if pod, ok := e.Object.(*corev1.Pod); ok && pod.Status.PodIP != "" && e.Type != watch.Deleted {
			return pod, nil
		}
	}
	return nil, errors.Join(errors.New("the API server ended the watch of CoreDNS' pod"), context.Cause(ctx))
}

// waitDNSReady waits until the CoreDNS at an address says that it is ready.
func waitDNSReady(ctx context.Context, address string) error {
	url := fmt.Sprintf("http://%s%s", net.JoinHostPort(address, strconv.Itoa(dnsReadyPort)), dnsReadyPath)
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond): // it announces nothing
		}
	}
}
