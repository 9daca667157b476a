package kind

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// exitStatus is the end of a program that is passed on as this one's.
type exitStatus struct{ err *exec.ExitError }

// Error implements error.
func (e exitStatus) Error() string { return e.err.Error() }

// code is the exit code to end with: that of the program, or, as shells have it,
// 128 and the signal that ended it.
func (e exitStatus) code() int {
	if status, ok := e.err.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return e.err.ExitCode()
}

// asStatus tells whether an error is an [exitStatus].
func asStatus(err error, to *exitStatus) bool { return errors.As(err, to) }

// execInNode runs a program in a node until it ends, or until the frames on
// standard input do without their last: then who asked for it is gone.
func execInNode(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, need one", len(args))
	}
	var o execOrder
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	unlock := lockThread()
	defer unlock()
	if o.Urgent {
		// Who asked may first have to let it; see letUrgent.
		if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
			return errCut
		}
		beUrgent()
	}
	c := &exec.Cmd{Path: o.Program, Args: o.Argv, Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: programAttributes()}
	input, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	go func() {
		if takeFrames(input, os.Stdin) != nil {
			kill(c.Process.Pid)
			return
		}
		// Nothing more comes but the end, which says that who asked is gone.
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			kill(c.Process.Pid)
		}
	}()
	err = c.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitStatus{exit}
	}
	return err
}

// kill ends a program and what it started, which are a session of their own.
func kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
