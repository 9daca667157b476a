package clustertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"squall/cluster"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func storageChecks() []Check {
	storage := []cluster.Part{cluster.Storage}
	return []Check{
		{Name: "storage/claim", Says: "a claim binds with its first pod, keeps its data when the pod is replaced, and is freed when deleted", Needs: storage, Smoke: true, on: claim},
		{Name: "storage/size", Says: "a volume holds what was asked for and no more", Needs: storage, on: volumeSize},
		{Name: "storage/owner", Says: "a volume and what a pod writes to it belong to the pod's fsGroup", Needs: storage, on: fsGroup},
		{Name: "storage/impossible", Says: "a claim that cannot bind stays Pending, with an event that says why", Needs: storage, on: impossibleClaims},
	}
}

// claimManifest is a claim for a volume, podWithClaim a pod that has it at /d.
func claimManifest(name, size, mode string) string {
	return fmt.Sprintf(`
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %s}
spec: {accessModes: [%s], resources: {requests: {storage: %s}}}
`, name, mode, size)
}

func podWithClaim(name, claim string) string {
	return strings.Replace(podManifest(name, "", "sleep"), "containers: [{",
		"volumes: [{name: d, persistentVolumeClaim: {claimName: "+claim+"}}]\n  containers: [{volumeMounts: [{name: d, mountPath: /d}], ", 1)
}

func claim(ctx context.Context, s *scope) error {
	if err := s.isDefault(ctx, "standard"); err != nil {
		return err
	}
	if err := s.apply(ctx, claimManifest("data", "16Mi", "ReadWriteOnce")); err != nil {
		return err
	}
	if err := s.warned(ctx, "data", "WaitForFirstConsumer", "waiting for first consumer"); err != nil {
		return err
	}
	var node string
	for i, name := range []string{"first", "second"} {
		if err := s.apply(ctx, podWithClaim(name, "data")); err != nil {
			return err
		}
		if err := s.podReady(ctx, name); err != nil {
			return err
		}
		p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if i == 0 {
			node = p.Spec.NodeName
			_, err = s.exec(ctx, name, "write", "/d/file", "kept")
		} else {
			err = s.reads(ctx, name, "/d/file", "kept")
		}
		if err != nil {
			return err
		}
		if err := same("the node of pod "+name, p.Spec.NodeName, node); err != nil {
			return err
		}
		if _, err := s.deletePod(ctx, name); err != nil {
			return err
		}
	}
	return s.freed(ctx, "data")
}

func (s *scope) reads(ctx context.Context, pod, file, want string) error {
	out, err := s.exec(ctx, pod, "read", file)
	if err != nil {
		return err
	}
	return same(file, out, want)
}

// isDefault checks that a class is the default one.
func (s *scope) isDefault(ctx context.Context, name string) error {
	class, err := s.client.StorageV1().StorageClasses().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	mode := storagev1.VolumeBindingImmediate
	if class.VolumeBindingMode != nil {
		mode = *class.VolumeBindingMode
	}
	return steps(
		func() error {
			return same("the class is the default", class.Annotations["storageclass.kubernetes.io/is-default-class"], "true")
		},
		func() error { return same("when it binds", mode, storagev1.VolumeBindingWaitForFirstConsumer) },
	)
}

// freed deletes a claim and waits until its volume is gone.
func (s *scope) freed(ctx context.Context, name string) error {
	c, err := s.client.CoreV1().PersistentVolumeClaims(s.ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := s.client.CoreV1().PersistentVolumeClaims(s.ns).Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return until(ctx, 30*time.Second, "volume "+c.Spec.VolumeName+" to be gone", func(ctx context.Context) (string, error) {
		v, err := s.client.CoreV1().PersistentVolumes().Get(ctx, c.Spec.VolumeName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s", v.Status.Phase, v.Status.Message), nil
	})
}

func volumeSize(ctx context.Context, s *scope) error {
	if err := s.apply(ctx, claimManifest("small", "64Mi", "ReadWriteOnce")+podWithClaim("fills", "small")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "fills"); err != nil {
		return err
	}
	// a file system takes some for itself
	out, err := s.exec(ctx, "fills", "fill", "/d/part", "48")
	if err != nil {
		return err
	}
	if err := same("filling three quarters", out, "wrote 48 MiB"); err != nil {
		return err
	}
	out, err = s.exec(ctx, "fills", "fill", "/d/rest", "64")
	if err != nil {
		return err
	}
	return holds("filling more than there is", out, "no space left after")
}

func fsGroup(ctx context.Context, s *scope) error {
	pod := strings.Replace(podWithClaim("plain", "owned"), "spec:", "spec:\n  securityContext: {runAsUser: 1000, runAsNonRoot: true, fsGroup: 2000}", 1)
	return steps(
		func() error { return s.apply(ctx, claimManifest("owned", "16Mi", "ReadWriteOnce")+pod) },
		func() error { return s.podReady(ctx, "plain") },
		func() error {
			_, err := s.exec(ctx, "plain", "write", "/d/file", "mine")
			return err
		},
		func() error { return s.reads(ctx, "plain", "/d/file", "mine") },
		func() error { return s.stats(ctx, "plain", "/d/file", " group 2000 ") },
		func() error { return s.stats(ctx, "plain", "/d", "dg") }, // setgid
		func() error { return s.stats(ctx, "plain", "/d", " group 2000 ") },
	)
}

// stats checks what the probe's stat says of a file in a pod.
func (s *scope) stats(ctx context.Context, pod, file, want string) error {
	out, err := s.exec(ctx, pod, "stat", file)
	if err != nil {
		return err
	}
	return holds(file, out, want)
}

func impossibleClaims(ctx context.Context, s *scope) error {
	err := s.apply(ctx, claimManifest("shared", "16Mi", "ReadWriteMany")+podWithClaim("shares", "shared")+
		claimManifest("huge", "64Ti", "ReadWriteOnce")+podWithClaim("hoards", "huge"))
	if err != nil {
		return err
	}
	return steps(
		func() error { return s.warned(ctx, "shared", "ProvisioningFailed", "ReadWriteMany") },
		func() error { return s.warned(ctx, "hoards", "FailedScheduling", "did not have enough free storage") },
		func() error {
			return stays(ctx, 2*time.Second, "a claim that cannot bind", func(ctx context.Context) (string, error) {
				list, err := s.client.CoreV1().PersistentVolumeClaims(s.ns).List(ctx, metav1.ListOptions{})
				if err != nil {
					return "", err
				}
				for _, c := range list.Items {
					if c.Status.Phase != corev1.ClaimPending {
						return fmt.Sprintf("%s is %s", c.Name, c.Status.Phase), nil
					}
				}
				return "", nil
			})
		},
	)
}
