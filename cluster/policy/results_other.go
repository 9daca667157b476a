//go:build !linux

package policy

import (
	"errors"
	"fmt"
)

func watchFolder(folder string, _ func()) (stop func(), err error) {
	return nil, fmt.Errorf("watching the folder %s: %w", folder, errors.ErrUnsupported)
}
