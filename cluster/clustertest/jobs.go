package clustertest

import (
	"context"
	"fmt"

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

// "@every" is cron's own syntax (robfig/cron, which the controller uses), and
// spares the check a whole minute.
const cronJobManifest = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "@every 2s"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: c, image: $PROBE, args: [say, tick]}]}
`

func cronJob(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, cronJobManifest); err != nil {
		return err
	}
	return until(ctx, podStart, "two Jobs of the CronJob to complete", func(ctx context.Context) (string, error) {
		list, err := s.client.BatchV1().Jobs(s.ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return "", err
		}
		done := 0
		for _, j := range list.Items {
			done += int(j.Status.Succeeded)
		}
		if done >= 2 {
			return "", nil
		}
		return fmt.Sprintf("%d Jobs, %d succeeded", len(list.Items), done), nil
	})
}
