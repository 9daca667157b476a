package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The ports that serve listens on.
const (
	httpPort = ":8080"
	tcpPort  = ":8081"
	udpPort  = ":8082"
)

// serve answers until SIGTERM. On HTTP: / says who answers and whom, /healthz
// fails after /break until /mend, /slow holds the answer for 5 s. On TCP and UDP
// each line is answered with who answers, whom, and the line.
func serve([]string) error {
	tcp, err := net.Listen("tcp4", tcpPort)
	if err != nil {
		return err
	}
	udp, err := net.ListenPacket("udp4", udpPort)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", httpPort)
	if err != nil {
		return err
	}
	go serveTCP(tcp)
	go serveUDP(udp)
	failed := make(chan error, 1)
	go func() { failed <- http.Serve(listener, handler()) }()
	fmt.Println("serving as", name())
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-failed:
		return err
	case <-ended:
		fmt.Println("ended by a signal")
		return nil
	}
}

func handler() http.Handler {
	var broken atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, answer(r.RemoteAddr)) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(5 * time.Second):
		case <-r.Context().Done():
		}
		fmt.Fprintln(w, answer(r.RemoteAddr))
	})
	mux.HandleFunc("/break", func(http.ResponseWriter, *http.Request) { broken.Store(true) })
	mux.HandleFunc("/mend", func(http.ResponseWriter, *http.Request) { broken.Store(false) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	})
	return mux
}

func serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for lines := bufio.NewScanner(c); lines.Scan(); {
				if _, err := fmt.Fprintln(c, answer(c.RemoteAddr().String()), lines.Text()); err != nil {
					return
				}
			}
		}()
	}
}

func serveUDP(c net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo([]byte(answer(from.String())+" "+strings.TrimSpace(string(buf[:n]))+"\n"), from)
	}
}

// answer says who answers and whom.
func answer(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	return name() + " to " + host
}

func name() string {
	host, err := os.Hostname()
	if err != nil {
		return "nobody"
	}
	return host
}
