//go:build linux

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pauseDeadline bounds the stopping of a node's processes.
const pauseDeadline = 10 * time.Second

// pause stops every process of a node with SIGSTOP. A freezer would take them at
// once, but on cgroup v1 what is frozen cannot be killed, and a node must be able
// to die at any moment.
func (h *host) pause(ctx context.Context, s *slot) error {
	run, state := h.look(s)
	if state.Paused {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pauseDeadline, fmt.Errorf("not all stand still within %s", pauseDeadline))
	defer cancel()
	h.mu.Lock()
	s.paused, s.halted = true, nil
	h.mu.Unlock()
	err := h.halt(ctx, s, run.pid)
	if err == nil {
		return nil
	}
	if again := h.resume(context.WithoutCancel(ctx), s); again != nil {
		return fmt.Errorf("pausing: %w; and what was paused does not go on: %w", err, again)
	}
	return fmt.Errorf("pausing: %w", err)
}

// halt stops a node's processes, its PID 1 last: until then it collects those
// that end.
func (h *host) halt(ctx context.Context, s *slot, init int) error {
	first := true
	// Two passes in a row must find nothing to do: what was being born during
	// one shows in the next.
	for calm := 0; calm < 2; {
		moving, err := h.sweepOver(s, unix.SIGSTOP, func(pid int, state byte) bool {
			if first && atRest(pid, state) {
				s.keepHalted(pid)
			}
			return pid != init && !atRest(pid, state)
		})
		if err != nil {
			return err
		}
		first = false
		if calm++; moving > 0 {
			calm = 0
		}
		if err := shortPause(ctx, moving); err != nil {
			return err
		}
	}
	for {
		moving, err := h.sweepOver(s, unix.SIGSTOP, func(pid int, state byte) bool { return !atRest(pid, state) })
		if err != nil || moving == 0 {
			return err
		}
		if err := shortPause(ctx, moving); err != nil {
			return err
		}
	}
}

func (s *slot) keepHalted(pid int) {
	if s.halted == nil {
		s.halted = map[int]bool{}
	}
	s.halted[pid] = true
}

// resume lets a node's processes go on, its PID 1 first, but for those that
// stood still before.
func (h *host) resume(ctx context.Context, s *slot) error {
	run, state := h.look(s)
	if !state.Paused {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pauseDeadline, fmt.Errorf("not all go on within %s", pauseDeadline))
	defer cancel()
	h.reaper.signal(run.pid, unix.SIGCONT)
	for first := true; ; first = false {
		still, err := h.sweepOver(s, unix.SIGCONT, func(pid int, state byte) bool {
			// One that waits in the kernel stops when that is over, unless it is
			// told now.
			stopped := state == 'T' || state == 'D' && (first || stopPending(pid))
			return stopped && !s.halted[pid]
		})
		if err != nil {
			return err
		}
		if still == 0 {
			break
		}
		if err := shortPause(ctx, still); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s.paused, s.halted = false, nil
	return nil
}

// shortPause lets signals take effect, of which nothing tells.
func shortPause(ctx context.Context, left int) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w, %d processes are left", context.Cause(ctx), left)
	case <-time.After(2 * time.Millisecond):
		return nil
	}
}

// standsStill tells whether a process in this state runs nothing: it is stopped,
// traced, or dead (proc(5)).
func standsStill(state byte) bool { return strings.IndexByte("TtZXx", state) >= 0 }

// atRest tells whether a process runs nothing and will not before SIGCONT. That
// also holds while it waits in the kernel and its stop does, too: whoever calls
// vfork waits like that for a child that may have been stopped before its exec.
func atRest(pid int, state byte) bool {
	return standsStill(state) || state == 'D' && stopPending(pid)
}

// stopPending tells whether a process will stop as soon as it leaves the kernel.
func stopPending(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && hasPending(string(b), unix.SIGSTOP)
}

// hasPending tells from a process's status whether a signal is pending for its
// first thread or for all. The masks are hexadecimal, bit 0 is signal 1
// (proc_pid_status(5)).
func hasPending(status string, signal syscall.Signal) bool {
	for line := range strings.Lines(status) {
		name, mask, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err == nil && bits&(1<<(signal-1)) != 0 {
			return true
		}
	}
	return false
}

// sweepOver signals those of a node's processes that want says, by pid and
// state, and counts them.
func (h *host) sweepOver(s *slot, signal syscall.Signal, want func(pid int, state byte) bool) (int, error) {
	pids, err := h.groups.processes(s.node.Name)
	if err != nil {
		return 0, err
	}
	count := 0
	for _, pid := range pids {
		hit, err := signalMember(pid, s.node.Name, signal, want)
		if err != nil {
			return 0, err
		}
		if hit {
			count++
		}
	}
	return count, nil
}

// signalMember signals a process if want says so and it is in the group still:
// since that was listed the process may have ended and its pid be another's.
func signalMember(pid int, group string, signal syscall.Signal, want func(int, byte) bool) (bool, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false, nil // it has ended
	}
	defer unix.Close(fd)
	state, ok := processState(pid)
	if !ok || !want(pid, state) || !inGroup(pid, group) {
		return false, nil
	}
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && err != unix.ESRCH {
		return false, fmt.Errorf("sending %s to process %d: %w", signal, pid, err)
	}
	return true, nil
}

// processState is the state of a process, a letter (proc(5)).
func processState(pid int) (byte, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name before it is in parentheses and can hold anything.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 || i+2 >= len(b) {
		return 0, false
	}
	return b[i+2], true
}

// inGroup tells whether a process is in a group or below it.
func inGroup(pid int, group string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) { // number:controllers:path
		if _, path, ok := strings.Cut(line, ":/"+group); ok && (path == "\n" || strings.HasPrefix(path, "/")) {
			return true
		}
	}
	return false
}
