//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"squall/cluster"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// lateDeadline bounds the late add-ons. They take some 20 s, nearly all of it
// metrics-server's first two rounds; the bound only has to catch what will never
// end.
const lateDeadline = 5 * time.Minute

// lateAddons are what every cluster has soon after it is ready: nothing waits
// for them, so they are not in prepared state either.
func (m *machine) lateAddons() []addon {
	if m.Settings.Without[cluster.Metrics] {
		return nil
	}
	return metrics(m.PKI[metricsCertificate], m.Settings.Timers)
}

// finish creates the late add-ons and reports when that fails.
func (m *machine) finish(ctx context.Context) {
	defer giveBack()
	if err := m.applyLateAddons(ctx); err != nil {
		m.send(event{What: whatExited, Program: "late add-ons", Status: err.Error()})
	}
}

// applyLateAddons creates the late add-ons. A fault of a scenario may hit the
// API server meanwhile, so what fails is tried again.
func (m *machine) applyLateAddons(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lateDeadline, fmt.Errorf("not done within %s", lateDeadline))
	defer cancel()
	client, err := m.adminClient()
	if err != nil {
		return err
	}
	for {
		err := m.tryLateAddons(ctx, client)
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

// tryLateAddons creates what is absent. The metrics API is announced once
// metrics-server is ready: with an API that nobody serves, discovery and the
// deletion of namespaces fail.
func (m *machine) tryLateAddons(ctx context.Context, client *rest.RESTClient) error {
	if err := applyAddons(ctx, client, m.lateAddons()); err != nil {
		return err
	}
	if m.Settings.Without[cluster.Metrics] {
		return nil
	}
	if err := waitServed(ctx, client, metav1.NamespaceSystem, metricsName); err != nil {
		return err
	}
	return applyAddons(ctx, client, []addon{metricsAPI(m.PKI["ca"].Cert)})
}

// waitServed waits until a Service has an endpoint that is ready.
func waitServed(ctx context.Context, client *rest.RESTClient, namespace, service string) error {
	w, err := client.Get().AbsPath("/apis/discovery.k8s.io/v1/namespaces", namespace, "endpointslices").
		Param("watch", "true").Param("labelSelector", discoveryv1.LabelServiceName+"="+service).Watch(ctx)
	if err != nil {
		return fmt.Errorf("watching the endpoints of the Service %s/%s: %w", namespace, service, err)
	}
	defer w.Stop()
	seen := "none was declared"
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return fmt.Errorf("watching the endpoints of the Service %s/%s: the API server ended the watch", namespace, service)
			}
			slice, ok := e.Object.(*discoveryv1.EndpointSlice)
			if !ok {
				return fmt.Errorf("watching the endpoints of the Service %s/%s: %w", namespace, service, apierrors.FromObject(e.Object))
			}
			for _, endpoint := range slice.Endpoints {
				if ready := endpoint.Conditions.Ready; ready != nil && *ready {
					return nil
				}
			}
			seen = fmt.Sprintf("%d are declared", len(slice.Endpoints))
		case <-ctx.Done():
			return fmt.Errorf("no endpoint of the Service %s/%s is ready, %s; look at its pods: %w",
				namespace, service, seen, context.Cause(ctx))
		}
	}
}
