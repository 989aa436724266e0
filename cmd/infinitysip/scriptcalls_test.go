package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// port is the command of that name.
func port(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: port NAME")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(listener.Close())
	ts.Setenv(args[0], strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
}

// call is the command of that name. It waits for a server that is not up yet. The
// protocol, the status and the body become the standard output. With "!" there must
// be no answer.
func call(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ca := ""
	if len(args) > 2 && args[0] == "-ca" {
		ca, args = args[1], args[2:]
	}
	if len(args) < 2 || len(args) > 4 {
		ts.Fatalf("usage: call [-ca FILE] METHOD URL [KEY [FORM]]")
	}
	method, url := args[0], args[1]
	key, form := "siptest-api-key", ""
	if len(args) > 2 {
		key = args[2]
	}
	if len(args) > 3 {
		form = args[3]
	}
	waitFor(ctx, ts, url)
	transport := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true}
	if ca != "" {
		// The server writes it when it listens already, just before it says so.
		authorities := x509.NewCertPool()
		until(ctx, ts, ca+" has a certificate", func() bool {
			certificate, _ := os.ReadFile(ts.MkAbs(ca))
			return authorities.AppendCertsFromPEM(certificate)
		})
		transport.TLSClientConfig = &tls.Config{RootCAs: authorities}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(form))
	ts.Check(err)
	req.Header.Set("Authorization", "ApiKey "+key)
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := transport.RoundTrip(req)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if neg {
		if err == nil {
			ts.Fatalf("there is an answer: %s", resp.Status)
		}
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s %d\n", resp.Proto, resp.StatusCode)
	ts.Check(resp.Header.Write(ts.Stdout()))
	fmt.Fprintf(ts.Stdout(), "\n%s\n", body)
}

// waitFor waits until something listens where a URL points to.
func waitFor(ctx context.Context, ts *testscript.TestScript, url string) {
	_, rest, _ := strings.Cut(url, "://")
	address, _, _ := strings.Cut(rest, "/")
	until(ctx, ts, "something listens on "+address, func() bool {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// until tries again and again until something is so.
func until(ctx context.Context, ts *testscript.TestScript, what string, so func() bool) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			ts.Fatalf("it is not so that %s", what)
		case <-again.C:
		}
	}
}
