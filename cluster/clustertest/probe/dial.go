package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// defaultWait is how long clients wait.
const defaultWait = "3s"

// get prints what a URL answers. Addresses are asked anew each time, so nothing
// is kept open.
func get(args []string) error {
	wait, err := length(args, 1, defaultWait)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: wait, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(argument(args, 0, ""))
	if err != nil {
		return kind(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return kind(err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	fmt.Print(string(body))
	return nil
}

// account is where a pod finds its token and the cluster's authority.
const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// api prints what the API server answers to the pod's own account.
func api(args []string) error {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	request, err := http.NewRequest(http.MethodGet, "https://kubernetes.default.svc"+argument(args, 0, "/"), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	response, err := client.Do(request)
	if err != nil {
		return kind(err)
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

// dial prints the line that a server answers.
func dial(args []string) error {
	wait, err := length(args, 2, defaultWait)
	if err != nil {
		return err
	}
	c, err := net.DialTimeout(argument(args, 0, "tcp"), argument(args, 1, ""), wait)
	if err != nil {
		return kind(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	line, err := exchange(c, "hello")
	if err != nil {
		return kind(err)
	}
	fmt.Println(line)
	return nil
}

func exchange(c net.Conn, text string) (string, error) {
	if _, err := fmt.Fprintln(c, text); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

// lateAfter is from when on an answer is worth a word.
const lateAfter = 2 * time.Second

// hold uses a connection twice a second. It says "open" at the first answer,
// "late" after one that took long, "alive" once the time is up and every answer came, "broken" when the peer or
// the kernel ended the connection, and "silent" when an answer stays away while
// the connection stands, for as long as it was told to hold it.
func hold(args []string) error {
	lasts, err := length(args, 1, "10s")
	if err != nil {
		return err
	}
	c, err := net.DialTimeout("tcp", argument(args, 0, ""), 3*time.Second)
	if err != nil {
		return kind(err)
	}
	defer c.Close()
	end := time.Now().Add(lasts)
	if err := c.SetDeadline(end); err != nil {
		return err
	}
	for first := true; time.Now().Before(end.Add(-time.Second)); first = false {
		began := time.Now()
		_, err := exchange(c, "hold")
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			fmt.Println("silent")
			return nil
		}
		if err != nil {
			fmt.Println("broken:", kind(err))
			return nil
		}
		if first {
			fmt.Println("open")
		}
		if took := time.Since(began); took > lateAfter {
			fmt.Println("late", took.Round(time.Millisecond))
		}
		time.Sleep(500 * time.Millisecond)
	}
	fmt.Println("alive")
	return nil
}

// resolve prints a name's IPv4 addresses, sorted. It asks the server given, or
// those of the node or pod.
func resolve(args []string) error {
	resolver := &net.Resolver{PreferGo: true}
	if server := argument(args, 1, ""); server != "" {
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(server, "53"))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	began := time.Now()
	addresses, err := resolver.LookupIP(ctx, "ip4", argument(args, 0, ""))
	took := time.Since(began).Round(time.Millisecond)
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		fmt.Println("NXDOMAIN", took)
		return nil
	}
	if err != nil {
		fmt.Println("FAILED", took)
		return nil
	}
	var all []string
	for _, a := range addresses {
		all = append(all, a.String())
	}
	slices.Sort(all)
	fmt.Println(strings.Join(all, " "))
	return nil
}

// kind puts a word before an error that says how a connection failed.
func kind(err error) error {
	var late net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("refused: %w", err)
	case errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("reset: %w", err)
	case errors.As(err, &late) && late.Timeout():
		return fmt.Errorf("timeout: %w", err)
	}
	return err
}
