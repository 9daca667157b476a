package chaos_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"squall/chaos"
	"squall/chaos/chaostest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// These tests are about pod-kill's logic, on a cluster in memory and a clock
// that does not wait. That it bites on real Kubernetes is tested by
// scenarios/run.

func killer(t *testing.T, grace string) chaos.Fault {
	t.Helper()
	object := decode(t, `{"kind":"PodChaos","spec":{"action":"pod-kill","mode":"all","selector":{}`+grace+`}}`)
	fault, err := object.Fault()
	require.NoError(t, err)
	assert.Equal(t, chaos.Instant, fault.Class())
	return fault
}

func TestPodKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chaostest.NewCluster(2)
		fault := killer(t, "")
		time.Sleep(10 * time.Second)
		require.NoError(t, fault.Inject(t.Context(), c.Env(), c.Victims()))
		evidence, err := fault.Prove(t.Context(), c.Env(), c.Victims())
		require.NoError(t, err)
		assert.Equal(t,
			"catalog/0 (pod squall/catalog-0): gone from the watch after 0.12s (at 10.12s of the run), no process left on w1 after 0.37s; "+
				"catalog/1 (pod squall/catalog-1): gone from the watch after 0.12s (at 10.12s of the run), no process left on w2 after 0.37s",
			evidence)

		deleted := c.Deleted()
		require.Len(t, deleted, 2)
		uids := map[string]bool{}
		for _, options := range deleted {
			assert.Equal(t, int64(0), *options.GracePeriodSeconds)
			uids[string(*options.Preconditions.UID)] = true
		}
		assert.Equal(t, map[string]bool{c.Victims()[0].UID: true, c.Victims()[1].UID: true}, uids)
	})
}

func TestPodKillPassesTheGracePeriodOn(t *testing.T) {
	c := chaostest.NewCluster(1)
	require.NoError(t, killer(t, `,"gracePeriod":7`).Inject(t.Context(), c.Env(), c.Victims()))
	assert.Equal(t, int64(7), *c.Deleted()[0].GracePeriodSeconds)
}

// TestPodKillOfOthers aims at pods that were not there to be killed: the error
// names them, and those that were there are killed all the same.
func TestPodKillOfOthers(t *testing.T) {
	c := chaostest.NewCluster(3)
	victims := c.Victims()
	victims[0].Pod = "vanished"
	victims[1].UID = "the-one-before"
	err := killer(t, "").Inject(t.Context(), c.Env(), victims)
	require.Error(t, err)
	assert.ErrorContains(t, err, "cannot kill catalog/0 (pod squall/vanished): it was gone before the fault")
	assert.ErrorContains(t, err, "cannot kill catalog/1 (pod squall/catalog-1): it ran nothing: no process of it is on w2")
	assert.NotContains(t, err.Error(), "catalog-2")
	var status apierrors.APIStatus
	assert.True(t, errors.As(err, &status), "the API's own answer can be asked for")

	list, err := c.Env().Client.CoreV1().Pods("squall").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var left []string
	for _, pod := range list.Items {
		left = append(left, pod.Name)
	}
	assert.Equal(t, []string{"catalog-0", "catalog-1"}, left)
}

func TestPodKillNotProven(t *testing.T) {
	for name, test := range map[string]struct {
		gone, dead time.Duration
		within     time.Duration
		took       time.Duration
		says       string
	}{
		"never deleted": {-1, 0, 5 * time.Second, 5 * time.Second,
			"catalog/0 (pod squall/catalog-0) is not proven dead: after 5.00s the watch has not seen it deleted: last seen Running"},
		"processes stay": {time.Second, -1, 5 * time.Second, 5 * time.Second,
			"catalog/0 (pod squall/catalog-0) is not proven dead: it is gone from the watch after 1.00s (at 1.00s of the run), " +
				"but after 5.00s 2 of its processes were left on w1"},
		"no deadline given": {-1, 0, time.Hour, 33 * time.Second,
			"after 33.00s the watch has not seen it deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := chaostest.NewCluster(1)
				c.GoneAfter, c.DeadAfter = test.gone, test.dead
				fault := killer(t, `,"gracePeriod":3`)
				require.NoError(t, fault.Inject(t.Context(), c.Env(), c.Victims()))
				ctx, cancel := context.WithTimeout(t.Context(), test.within)
				defer cancel()
				begun := time.Now()
				evidence, err := fault.Prove(ctx, c.Env(), c.Victims())
				assert.Empty(t, evidence)
				assert.ErrorContains(t, err, test.says)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, test.took, time.Since(begun))
			})
		})
	}
}

// blind is an observer that loses sight of the nodes.
type blind struct{ chaos.Observer }

func (blind) PodProcesses(context.Context, string, string) (int, error) {
	return 0, errors.New("the node does not answer")
}

func TestPodKillNeedsEyes(t *testing.T) {
	c := chaostest.NewCluster(1)
	c.GoneAfter = 0
	env := c.Env()
	env.Observer = blind{c}
	fault := killer(t, "")
	err := fault.Inject(t.Context(), env, c.Victims())
	require.ErrorContains(t, err, "cannot kill catalog/0 (pod squall/catalog-0): its processes on w1 cannot be counted, "+
		"so its death could not be proven: the node does not answer")
	assert.Empty(t, c.Deleted())
	require.NoError(t, fault.Inject(t.Context(), c.Env(), c.Victims()))
	_, err = fault.Prove(t.Context(), env, c.Victims())
	assert.ErrorContains(t, err, "its processes on w1 cannot be counted: the node does not answer")
}

// counting is an observer that counts the same for every pod.
type counting struct {
	chaos.Observer
	processes int
}

func (c counting) PodProcesses(context.Context, string, string) (int, error) { return c.processes, nil }

// TestPodKillOfNothing aims at pods whose death would prove nothing: they are
// left alone.
func TestPodKillOfNothing(t *testing.T) {
	c := chaostest.NewCluster(1)
	env := c.Env()
	env.Observer = counting{c, 0}
	err := killer(t, "").Inject(t.Context(), env, c.Victims())
	require.ErrorContains(t, err, "it ran nothing: no process of it is on w1, so its death would prove nothing")

	victims := c.Victims()
	victims[0].Node = ""
	err = killer(t, "").Inject(t.Context(), c.Env(), victims)
	require.ErrorContains(t, err, "cannot kill catalog/0 (pod squall/catalog-0): it is on no node, so it runs nothing")
	assert.Empty(t, c.Deleted())
}

// TestPodKillOfANamesake has the processes of a pod left whose name another one
// has by now.
func TestPodKillOfANamesake(t *testing.T) {
	c := chaostest.NewCluster(1)
	env := c.Env()
	env.Observer = counting{c, 1}
	victims := c.Victims()
	victims[0].UID = "the-one-before"
	err := killer(t, "").Inject(t.Context(), env, victims)
	require.ErrorContains(t, err, "cannot kill catalog/0 (pod squall/catalog-0): another pod has its name now")
	var status apierrors.APIStatus
	assert.True(t, errors.As(err, &status), "the API's own answer can be asked for")
}
