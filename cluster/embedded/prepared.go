//go:build linux

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"squall/cluster/addons"
	"squall/cluster/components"

	"k8s.io/client-go/rest"
)

// Prepared state is an etcd data folder, taken after the API server first wrote
// its roles, we wrote what every cluster has and the controller manager has made
// of it what it makes, and before any node joined; with the keys that go with
// it. A cluster that starts from it saves two seconds.
const (
	preparedEtcd     = "etcd"        // in the folder: the data of a single member
	preparedSnapshot = "snapshot.db" // in the folder: the same as a snapshot, for several
	preparedPKI      = "pki.json"    // in the folder: the keys
	// preparedEdition changes when what the first start writes changes.
	preparedEdition = "7"
	savedSuffix     = ".saving"
)

// prepare finds prepared state for these components or arranges for the first
// start to save it. It sets the cluster's keys in either case.
func (p *Provider) prepare(cfg *config, tree components.Tree) error {
	// What is written first depends on feature gates, flags and parts left out,
	// and on the timers: pods have tolerations from the moment they are made.
	chosen, err := json.Marshal([]any{cfg.Settings.Gates, cfg.Settings.Flags, cfg.Settings.Without, cfg.Settings.Timers})
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(tree.Digest() + "\n" + preparedEdition + "\n" + string(chosen)))
	root := filepath.Join(p.cache, "prepared")
	dir := filepath.Join(root, hex.EncodeToString(sum[:8]))
	keys, err := readPKI(filepath.Join(dir, preparedPKI))
	switch {
	case err == nil && keys.fresh(time.Now()):
		cfg.Prepared, cfg.PKI = dir, keys
		return nil
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		// Unreadable or about to expire: what cannot be used is made again.
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing prepared state that is of no use any more: %w", err)
		}
	}
	if cfg.PKI, err = newPKI(time.Now()); err != nil {
		return err
	}
	cfg.SaveTo, cfg.SaveTemp = dir, fmt.Sprintf("%s.%s%s", dir, cfg.Name, savedSuffix)
	return nil
}

// discard removes prepared state. A cluster that is starting from it keeps what
// it has bound: the folder is moved out of sight first.
func discard(dir string) error {
	gone := fmt.Sprintf("%s.%d%s", dir, os.Getpid(), savedSuffix)
	if err := os.Rename(dir, gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("removing prepared state from which no cluster came up: %w", err)
	}
	return os.RemoveAll(gone)
}

// beginSaving makes the folder in which a first start saves its prepared state
// and puts the keys there. The janitor does it, which removes it, too.
func beginSaving(cfg config) error {
	if cfg.SaveTemp == "" {
		return nil
	}
	b, err := json.Marshal(cfg.PKI)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return os.RemoveAll(cfg.SaveTemp) },
		func() error { return os.MkdirAll(cfg.SaveTemp, 0o700) },
		func() error { return os.WriteFile(filepath.Join(cfg.SaveTemp, preparedPKI), b, 0o600) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("making the folder for prepared state: %w", err)
		}
	}
	return nil
}

func readPKI(path string) (pki, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var k pki
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return k, nil
}

// snapshot takes a snapshot of etcd as soon as it holds what prepared state
// holds. Turning it into prepared state goes on in the background: should that
// fail or be cut off, the next start is a first one again.
func (m *machine) snapshot(ctx context.Context, client *rest.RESTClient) error {
	for collection, name := range map[string]string{
		"/api/v1/namespaces/default/serviceaccounts": "default",
		"/api/v1/namespaces/default/configmaps":      "kube-root-ca.crt",
		"/api/v1/namespaces/kube-system/configmaps":  "kube-root-ca.crt",
		"/api/v1/namespaces/kube-system/pods":        "", // that of CoreDNS
		"/apis/discovery.k8s.io/v1/endpointslices":   "",
	} {
		if err := waitExists(ctx, client, collection, name); err != nil {
			return err
		}
	}
	if err := addons.BindDNS(ctx, client, controlPlaneName); err != nil {
		return err
	}
	const file = "/var/lib/etcd/first.db"
	if err := m.etcdctl("snapshot", "save", file); err != nil {
		return fmt.Errorf("taking a snapshot of etcd: %w", err)
	}
	go func() {
		if err := m.save(ctx, file); err != nil {
			m.send(event{What: whatExited, Program: "save", Status: err.Error()})
		}
	}()
	return nil
}

// save turns a snapshot of etcd into prepared state. It runs on the
// control-plane node; the folders are bound there.
func (m *machine) save(ctx context.Context, snapshot string) error {
	temp := filepath.Join(saveDir, m.SaveTemp)
	data := filepath.Join(temp, preparedEtcd)
	if err := m.restore(snapshot, data, []nodeConfig{m.Node}); err != nil {
		return fmt.Errorf("saving the prepared state: %w", err)
	}
	if err := m.trim(ctx, data, filepath.Join(temp, preparedSnapshot)); err != nil {
		return fmt.Errorf("trimming the prepared state: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(saveDir, m.SaveTo)); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("saving the prepared state: %w", err) // another start was first
	}
	return nil
}
