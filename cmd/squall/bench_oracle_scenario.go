package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/scenarios/oracle"
)

// oracleScenario is a run of a case: a small shop, little load, and phases just so
// long that healing is over before the fault is undone. A catalog pod reads for 2 s
// before it serves, so that healing has a least time, too.
const oracleScenario = `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: oracle-%s}
spec:
  description: One reading for the bench of the oracle.
  cluster: {workers: 2, timers: %s%s}
  workloads:
    - name: shop
      shop: {services: [gateway, catalog], replicas: {gateway: 2, catalog: 2}, startup: {catalog: 2s}}
  load:
    - name: browse
      target: {service: gateway, port: http, path: /catalog}
      rate: 10/s
      good: {status: 2xx, within: 1s}
  phases: {warmup: 1s, steady: 2s, fault: %s, recovery: 30s}
  timeline:
    - name: lost
      at: fault+%s
%s
  expect:
    - {name: all is back, that: 'workload("catalog").ready == workload("catalog").desired && workload("gateway").ready == workload("gateway").desired'}
`

// oracleFaults are the timeline's faults, by kind.
func oracleFaults() map[oracle.Kind]string {
	return map[oracle.Kind]string{
		oracle.PodKill:      "{kind: PodChaos, spec: {action: pod-kill, mode: one, selector: {labelSelectors: {app: catalog}}}}",
		oracle.NodeStop:     "{kind: NodeChaos, spec: {action: stop, mode: one, selector: {roles: [worker]}}}",
		oracle.NodePowerOff: "{kind: NodeChaos, spec: {action: power-off, mode: one, selector: {roles: [worker]}}}",
	}
}

// delay draws when the fault comes after the phase begins, within the longest of
// the periods in which Kubernetes looks: how far those have come would else hang on
// when the cluster was started.
func (k oracleCase) delay(seed uint64) time.Duration {
	period := time.Second // of the kubelet's looks, and of the readiness probe
	if set, err := cluster.Timers(k.Timers).Set(); err == nil && k.Kind != string(oracle.PodKill) {
		period = max(set.NodeLease/4, set.NodeMonitorPeriod)
	}
	name := fnv.New64a()
	fmt.Fprintf(name, "%s/%s", k.Kind, k.Timers)
	draw := rand.New(rand.NewPCG(seed, name.Sum64()))
	return time.Duration(draw.Int64N(int64(period))).Truncate(time.Millisecond)
}

// lasts is how long the fault lasts, or the time in which a killed pod is replaced.
// The oracle predicts nothing that may come after a fault was undone.
func (k oracleCase) lasts() time.Duration {
	lasts := 9 * time.Second
	switch {
	case k.Kind == string(oracle.PodKill):
	case k.Timers == string(cluster.StockTimers):
		lasts = 375 * time.Second
	default:
		lasts = 37 * time.Second
	}
	if k.Shift != "" {
		if s, err := parseShift(k.Shift); err == nil {
			lasts += s.later
		}
	}
	return lasts
}

// length is about how long a run takes: besides its phases the cluster is made, the
// workloads come up, and recovery ends early.
func (k oracleCase) length() time.Duration { return k.lasts() + 22*time.Second }

// scenario is the run of a seed.
func (k oracleCase) scenario(seed uint64) (*scenarios.File, error) {
	delay, lasts, flags, length := k.delay(seed), k.lasts(), "", ""
	if k.Shift != "" {
		s, err := parseShift(k.Shift)
		if err != nil {
			return nil, err
		}
		flags = fmt.Sprintf(", flags: {%s: {%s: %q}}", shiftedComponent, s.flag, s.value)
	}
	if k.Kind != string(oracle.PodKill) { // that is instant
		length = fmt.Sprintf("      for: %s\n", lasts)
	}
	text := fmt.Sprintf(oracleScenario, k.Kind, k.Timers, flags, delay+lasts, delay,
		length+"      chaos: "+oracleFaults()[oracle.Kind(k.Kind)])
	return scenarios.Parse("bench-oracle.yaml", []byte(text), scenarios.WithChecker(judge.Check))
}

// shiftedComponent is whose flags the oracle reads.
const shiftedComponent = "kube-controller-manager"

// shift is a flag that is not what the oracle is told.
type shift struct {
	flag, value string
	later       time.Duration // by how much healing may come later for it, at most
}

func parseShift(text string) (shift, error) {
	flag, value, ok := strings.Cut(strings.TrimLeft(text, "-"), "=")
	if !ok || flag == "" || value == "" {
		return shift{}, fmt.Errorf("--shift %q is not FLAG=VALUE; for example node-monitor-grace-period=25s", text)
	}
	s := shift{flag: flag, value: value}
	if d, err := time.ParseDuration(value); err == nil && d > 0 {
		s.later = d
	}
	return s, nil
}

// told is what to say instead of the shifted flag: what the cluster would have
// without.
func (k oracleCase) told() ([]string, error) {
	if k.Shift == "" {
		return nil, nil
	}
	s, err := parseShift(k.Shift)
	if err != nil {
		return nil, err
	}
	set, err := cluster.Timers(k.Timers).Set()
	if err != nil {
		return nil, err
	}
	text := shiftedComponent + "/" + s.flag
	if value, set := set.Flags(shiftedComponent)[s.flag]; set {
		text += "=" + value
	}
	return []string{"--instead", text}, nil
}

// readingsOf are the readings of a run's only event.
func readingsOf(v reports.Verdict) ([]reports.Predicted, string) {
	if len(v.Events) != 1 {
		return nil, fmt.Sprintf("the record has %d events", len(v.Events))
	}
	return v.Events[0].Predicted, v.Events[0].Unpredicted
}
