// Command probe is what the suite runs in pods and on nodes: a server that says
// what it sees, a client that says what came of a connection, and a program that
// behaves in the ways that Kubernetes must cope with.
//
// Every client prints one line, and ends with 0 only when it got its answer.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const usage = `probe serve                     HTTP on :8080, TCP on :8081, UDP on :8082
probe get URL [WAIT]            print what a URL answers
probe dial NET ADDRESS [WAIT]   print the line that a TCP or UDP server answers
probe hold ADDRESS LENGTH       keep a connection in use and say when it breaks
probe resolve NAME [SERVER]     print a name's addresses
probe env NAME...               print variables
probe read FILE...              print files
probe write FILE TEXT           write a file
probe fill FILE MIB             write so much and sync it
probe list FOLDER               print a folder's names
probe test FILE                 end with 0 when the file is there
probe say TEXT...               print and end
probe once FILE CODE [stay]     end with CODE, but with 0 or not at all when the file is there
probe api PATH                  print what the API server answers this pod
probe alloc MIB                 take memory and keep it
probe burn LENGTH               use one processor and print how much of it was had
probe sleep [LENGTH]            wait; SIGTERM ends it
probe term LENGTH [FILE]        on SIGTERM go on for so long, then end
probe echo                      print each line of the input
probe processes                 print every command line
probe policy                    print the number of its scheduling policy`

// commands are the program's parts by name; each gets the arguments after it.
func commands() map[string]func([]string) error {
	return map[string]func([]string) error{
		"serve": serve, "get": get, "dial": dial, "hold": hold, "api": api, "resolve": resolve,
		"env": env, "read": read, "write": write, "fill": fill, "stat": stat, "chmod": chmod, "list": list, "test": test,
		"say": say, "once": once, "alloc": alloc, "burn": burn, "sleep": sleep, "term": term, "echo": echo, "processes": processes,
		"policy": policy,
	}
}

func main() {
	if len(os.Args) < 2 || commands()[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err := commands()[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// argument is the i-th argument, or what it is when it was left out.
func argument(args []string, i int, otherwise string) string {
	if i < len(args) {
		return args[i]
	}
	return otherwise
}

// length is the i-th argument as a duration.
func length(args []string, i int, otherwise string) (time.Duration, error) {
	return time.ParseDuration(argument(args, i, otherwise))
}

// mebibytes is the i-th argument as a number of bytes.
func mebibytes(args []string, i int) (int, error) {
	n, err := strconv.Atoi(argument(args, i, ""))
	if err != nil {
		return 0, fmt.Errorf("a number of MiB is wanted: %w", err)
	}
	return n << 20, nil
}

func say(args []string) error {
	fmt.Println(strings.Join(args, " "))
	return nil
}

func env(args []string) error {
	for _, name := range args {
		fmt.Println(os.Getenv(name))
	}
	return nil
}
