//go:build !linux

package kind

import (
	"context"
	"errors"
	"runtime"
	"syscall"
)

// errNoNode says that parts of nodes run in nodes, which are Linux.
var errNoNode = errors.New("this part runs in nodes, which are Linux; this is " + runtime.GOOS)

func prepareNode([]string) error { return errNoNode }

func runNode([]string) error { return errNoNode }

func programAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func beUrgent() {}

// letUrgent is for the host whose kernel the containers share.
func letUrgent(context.Context, string) {}

func tellGrowth(context.Context, ...string) error { return errNoNode }

func stopAll(context.Context, ...string) error { return errNoNode }
