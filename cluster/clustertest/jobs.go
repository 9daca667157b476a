package clustertest

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const jobManifest = `
apiVersion: batch/v1
kind: Job
metadata: {name: retried}
spec:
  backoffLimit: 3
  template:
    spec:
      restartPolicy: OnFailure
      volumes: [{name: d, emptyDir: {}}]
      containers: [{name: c, image: $PROBE, args: [once, /d/file, "7"], volumeMounts: [{name: d, mountPath: /d}]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: hopeless}
spec:
  backoffLimit: 0
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: $PROBE, args: [test, /absent]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec:
  completions: 3
  parallelism: 3
  completionMode: Indexed
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: $PROBE, args: [env, JOB_COMPLETION_INDEX]}]}
`

func jobs(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, jobManifest); err != nil {
		return err
	}
	for name, want := range map[string]batchv1.JobConditionType{"retried": batchv1.JobComplete, "hopeless": batchv1.JobFailed, "indexed": batchv1.JobComplete} {
		job, err := s.jobEnded(ctx, name, want)
		if err != nil {
			return err
		}
		if name == "indexed" {
			if err := same("completed indexes", job.Status.CompletedIndexes, "0-2"); err != nil {
				return err
			}
		}
	}
	pods, err := s.client.CoreV1().Pods(s.ns).List(ctx, metav1.ListOptions{LabelSelector: "job-name=retried"})
	if err != nil {
		return err
	}
	return steps(
		func() error { return same("pods of the retried Job", len(pods.Items), 1) },
		func() error {
			return same("restarts of its container", pods.Items[0].Status.ContainerStatuses[0].RestartCount, 1)
		},
	)
}

func (s *scope) jobEnded(ctx context.Context, name string, want batchv1.JobConditionType) (*batchv1.Job, error) {
	var job *batchv1.Job
	return job, until(ctx, podStart, fmt.Sprintf("Job %s to be %s", name, want), func(ctx context.Context) (string, error) {
		var err error
		if job, err = s.client.BatchV1().Jobs(s.ns).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return "", err
		}
		for _, c := range job.Status.Conditions {
			if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
				return "", same("Job "+name, c.Type, want)
			}
		}
		return fmt.Sprintf("%+v", job.Status), nil
	})
}

const cronJobManifest = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: c, image: $PROBE, args: [say, tick]}]}
`

// cronJob waits for the next full minute: cron knows nothing shorter, and what
// the controller makes of the shorter "@every" is documented nowhere.
func cronJob(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, cronJobManifest); err != nil {
		return err
	}
	err := until(ctx, time.Minute+podStart, "a Job of the CronJob to complete", func(ctx context.Context) (string, error) {
		list, err := s.client.BatchV1().Jobs(s.ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return "", err
		}
		for _, j := range list.Items {
			if j.Status.Succeeded > 0 {
				return "", nil
			}
		}
		return fmt.Sprintf("%d Jobs", len(list.Items)), nil
	})
	if err != nil {
		return err
	}
	c, err := s.client.BatchV1().CronJobs(s.ns).Get(ctx, "tick", metav1.GetOptions{})
	if err != nil {
		return err
	}
	return same("the second at which it was due", c.Status.LastScheduleTime.Second(), 0)
}
