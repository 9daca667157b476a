// Package catalog holds the scenarios that ship with Squall, as files inside
// the binary.
//
// It only finds and parses them; what they mean is in squall/scenarios.
package catalog

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"squall/scenarios"
)

//go:embed *.yaml
var files embed.FS

// ErrUnknown is wrapped by the error for a name that no shipped scenario bears.
var ErrUnknown = errors.New("no such scenario in the catalog")

// List returns the names of the shipped scenarios, sorted.
func List() []string {
	found, err := fs.Glob(files, "*.yaml")
	if err != nil {
		panic("catalog: " + err.Error()) // only a bad pattern makes an error
	}
	for i, file := range found {
		found[i] = strings.TrimSuffix(file, path.Ext(file))
	}
	return found
}

// Source returns a shipped scenario as it is written, comments and all. The
// error for an unknown name wraps [ErrUnknown] and lists the known ones.
func Source(name string) ([]byte, error) {
	data, err := files.ReadFile(name + ".yaml")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("load scenario %q: %w; it has %s", name, ErrUnknown, strings.Join(List(), ", "))
	}
	return data, err
}

// Load parses a shipped scenario by its name. The error for an unknown name
// wraps [ErrUnknown].
func Load(name string, opts ...scenarios.Option) (*scenarios.File, error) {
	data, err := Source(name)
	if err != nil {
		return nil, err
	}
	return scenarios.Parse("catalog:"+name, data, opts...)
}
