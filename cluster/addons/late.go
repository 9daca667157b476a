package addons

import (
	"context"
	"errors"
	"fmt"
	"time"

	"squall/cluster"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// LateOptions are what [Late] creates.
type LateOptions struct {
	// Without are the parts that the cluster does without.
	Without map[cluster.Part]bool
	// Metrics are how metrics-server is run.
	Metrics MetricsOptions
	// Authority is the certificate, in PEM, of who signed metrics-server's.
	Authority []byte
}

// lateDeadline bounds the late add-ons. They take some 20 s, nearly all of it
// metrics-server's first two rounds; the bound only has to catch what will never
// end.
const lateDeadline = 5 * time.Minute

// Late creates what every cluster has soon after it is ready: nothing waits for
// it. A fault of a scenario may hit the API server meanwhile, so what fails is
// tried again.
func Late(ctx context.Context, client *rest.RESTClient, o LateOptions) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lateDeadline, fmt.Errorf("not done within %s", lateDeadline))
	defer cancel()
	for {
		err := tryLate(ctx, client, o)
		if err == nil || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(time.Second): // an API server is back within seconds
		}
	}
}

// tryLate creates what is absent. The metrics API is announced once
// metrics-server is ready: with an API that nobody serves, discovery and the
// deletion of namespaces fail.
func tryLate(ctx context.Context, client *rest.RESTClient, o LateOptions) error {
	if o.Without[cluster.Metrics] {
		return nil
	}
	if err := Apply(ctx, client, Metrics(o.Metrics)); err != nil {
		return err
	}
	if err := waitServed(ctx, client, metav1.NamespaceSystem, metricsName); err != nil {
		return err
	}
	return Apply(ctx, client, []Object{MetricsAPI(o.Authority)})
}
