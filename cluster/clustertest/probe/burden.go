package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// alloc takes memory, touches every page of it and keeps it.
func alloc(args []string) error {
	size, err := mebibytes(args, 0)
	if err != nil {
		return err
	}
	memory := make([]byte, size)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	fmt.Println("have", len(memory)>>20, "MiB")
	return sleep(nil)
}

// burn uses one processor and prints the share of it that it had.
func burn(args []string) error {
	lasts, err := length(args, 0, "5s")
	if err != nil {
		return err
	}
	began, used := time.Now(), processorTime()
	for time.Since(began) < lasts {
		for i := range 1_000_000 {
			_ = i * i
		}
	}
	fmt.Printf("%.2f\n", (processorTime()-used).Seconds()/time.Since(began).Seconds())
	return nil
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// policyField is where the scheduling policy stands behind the program's name, by
// proc_pid_stat(5).
const policyField = 41 - 3

// policy prints how the kernel schedules it, as sched(7) numbers it.
func policy([]string) error {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) <= policyField {
		return fmt.Errorf("/proc/self/stat has no scheduling policy: %s", b)
	}
	fmt.Println(fields[policyField])
	return nil
}

// sleep waits; SIGTERM ends it at once.
func sleep(args []string) error {
	lasts, err := length(args, 0, "24h")
	if err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-ended:
	case <-time.After(lasts):
	}
	return nil
}

// term goes on for some time after SIGTERM, as a server does that ends what it
// has begun. It leaves what it did in its log and, when one is named, in a file.
func term(args []string) error {
	lasts, err := length(args, 0, "2s")
	if err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	fmt.Println("waiting for SIGTERM")
	<-ended
	fmt.Println("SIGTERM came")
	if file := argument(args, 1, ""); file != "" {
		if err := os.WriteFile(file, []byte("SIGTERM came"), 0o644); err != nil {
			return err
		}
	}
	time.Sleep(lasts)
	fmt.Println("done")
	return nil
}

// echo prints each line of its input; an attached client sees its own words.
func echo([]string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println("heard", lines.Text())
	}
	return sleep(nil)
}
