package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-cleanhttp"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
	"github.com/infinitysip/infinitysip/siptest"
)

// A writer makes a client on a server for so many workers.
type writer struct {
	name   string
	http2  bool
	client func(server *siptest.Server, workers int) writeClient
}

type writeClient struct {
	create func(n int) error // user n
	update func() error      // the first user
	close  func()            // the idle connections
}

const (
	wayDefault = "net/http default transport"
	wayPooled  = "retryablehttp, its own transport (go-cleanhttp pooled)"
	wayTuned   = "net/http, as many idle connections as workers"
	wayPlain   = "this SDK, plain NewClient"
	attempts   = 3 // of a write that fails, by those that try again
	serverKey  = "siptest-api-key"
)

func writers() []writer {
	return []writer{
		{name: wayDefault, client: func(server *siptest.Server, _ int) writeClient {
			transport := http.DefaultTransport.(*http.Transport).Clone()
			return formClient(server, &http.Client{Transport: transport}, nil)
		}},
		{name: wayPooled, client: func(server *siptest.Server, _ int) writeClient {
			client := &http.Client{Transport: cleanhttp.DefaultPooledTransport()}
			retrying := &retryablehttp.Client{
				HTTPClient: client, RetryMax: attempts - 1, RetryWaitMin: time.Millisecond, RetryWaitMax: time.Millisecond,
				CheckRetry: retryablehttp.DefaultRetryPolicy, Backoff: retryablehttp.DefaultBackoff,
			}
			return formClient(server, client, retrying)
		}},
		{name: wayTuned, client: func(server *siptest.Server, workers int) writeClient {
			transport := http.DefaultTransport.(*http.Transport).Clone()
			transport.MaxIdleConnsPerHost = workers
			return formClient(server, &http.Client{Transport: transport}, nil)
		}},
		{name: wayPlain, client: sdkClient},
		{name: wayPlain + ", HTTP/2", http2: true, client: sdkClient},
	}
}

// formClient writes by hand, and with retrying where that is not nil.
func formClient(server *siptest.Server, client *http.Client, retrying *retryablehttp.Client) writeClient {
	send := client.Do
	if retrying != nil {
		send = func(req *http.Request) (*http.Response, error) { return retry(retrying, req) }
	}
	base := server.URL()
	post := func(path string, form url.Values, want int) error {
		req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "ApiKey "+serverKey)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := send(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return expect(want, resp.StatusCode)
	}
	return writeClient{
		create: func(n int) error { return post(usersPath, formOf(userParams(n)).values(), http.StatusCreated) },
		update: func() error { return post(usersPath+"/1", url.Values{"displayName": {"Joe"}}, http.StatusNoContent) },
		close:  client.CloseIdleConnections,
	}
}

// sdkClient is a NewClient with no transport of the caller's. That it trusts
// the server is the doing of trusted.
func sdkClient(server *siptest.Server, _ int) writeClient {
	client, err := infinitysip.NewClient(infinitysip.APIKey(serverKey), infinitysip.WithBaseURL(server.URL()),
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: attempts, BaseWait: time.Millisecond, MaxWait: time.Millisecond}))
	if err != nil {
		panic(err)
	}
	return writeClient{
		create: func(n int) error {
			_, err := client.Users.Create(context.Background(), 1, userParams(n))
			return err
		},
		update: func() error {
			return client.Users.Update(context.Background(), 1, 1, infinitysip.UserUpdateParams{DisplayName: new("Joe")})
		},
		close: client.CloseIdleConnections,
	}
}

// userParams are those of user n, whose name and extension nobody else has.
func userParams(n int) infinitysip.UserCreateParams {
	params := bench.UserParams()
	params.User, params.ExtensionNumber = fmt.Sprintf("joe.blogs.%05d", n), fmt.Sprintf("2%05d", n)
	return params
}

// written is what a run of writes came to.
type written struct {
	share       float64 // of the ideal: requests × latency ÷ workers
	connections int
	requests    int
}

// writeAll has workers do n writes. With failEvery 0 they do them in step, each
// one and then all the next, as a program does that goes batch by batch: then
// all connections are idle at once. Otherwise they do as they can, and every
// failEvery-th write is an update, which the server answers 502 each time.
func writeAll(certificate tls.Certificate, way writer, n, workers, failEvery int) (written, error) {
	// Nobody looks at uniqueness: it takes the server longer, the more there are.
	server := siptest.NewServer(siptest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, HTTP2: way.http2, Latency: latency, AllowDuplicates: true})
	defer server.Close()
	server.AddDomain(infinitysip.Domain{ID: 1})
	server.Fail(siptest.On("Users.Update").Status(http.StatusBadGateway).Body(strings.Repeat("Try again later. ", 600)))
	client := way.client(server, workers)
	defer client.close()

	var wrong atomic.Int64
	one := func(i int) {
		if failEvery > 0 && i%failEvery == 0 {
			if client.update() == nil {
				wrong.Add(1)
			}
		} else if client.create(i) != nil {
			wrong.Add(1)
		}
	}
	start := time.Now()
	if failEvery > 0 {
		bench.Workers(workers, n, one)
	} else {
		for done := 0; done < n; done += workers {
			bench.Workers(workers, min(workers, n-done), func(i int) { one(done + i) })
		}
	}
	took := time.Since(start)
	if wrong.Load() > 0 {
		return written{}, fmt.Errorf("%s: %d writes did not end as they should", way.name, wrong.Load())
	}
	opened, _ := server.Connections()
	requests := len(server.Requests())
	ideal := time.Duration(requests) * latency / time.Duration(workers)
	return written{ideal.Seconds() / took.Seconds(), opened, requests}, nil
}

// trusted makes a certificate for the loopback interface that this process
// trusts as it trusts the system's: so that a plain NewClient, whose own
// transport is what counts here, takes it. It works where crypto/x509 heeds
// SSL_CERT_FILE, which is not on Windows and macOS, and before anything else
// has been verified.
func trusted(dir string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	file := filepath.Join(dir, "certificate.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.Setenv("SSL_CERT_FILE", file)
}

// writes prints the tables on many writes.
func writes(w io.Writer, c config) error {
	dir, err := os.MkdirTemp("", "benchmarks")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	certificate, err := trusted(dir)
	if err != nil {
		return err
	}

	n := c.pick(2_000, 400)
	table := &bench.Table{
		Title: fmt.Sprintf("Writes: %d creates over TLS, %v each", n, latency),
		Note: "The workers write in step, one each and then the next, so that all connections are idle at once. " +
			"Share of the ideal, which is requests × latency ÷ workers, and connections opened.",
		Head: []string{"transport", "8 workers", "16 workers", "64 workers"},
	}
	shares, opened := make(map[string][]float64), make(map[string][]int)
	counts := []int{8, 16, 64}
	for _, workers := range counts {
		results := make(map[string][]written)
		for range c.rounds(3) {
			for _, way := range writers() {
				result, err := writeAll(certificate, way, n, workers, 0)
				if err != nil {
					return err
				}
				results[way.name] = append(results[way.name], result)
			}
		}
		for name, all := range results {
			share, connections := middle(all)
			shares[name], opened[name] = append(shares[name], share), append(opened[name], connections)
		}
	}
	for _, way := range writers() {
		line := []string{way.name}
		for i, share := range shares[way.name] {
			line = append(line, fmt.Sprintf("%.2f, %d", share, opened[way.name][i]))
		}
		table.Add(line...)
	}
	for i, workers := range counts {
		table.Goals = append(table.Goals,
			bench.AtLeast(0.98, " ×", fmt.Sprintf("%s, %d workers, share against the tuned transport's", wayPlain, workers), shares[wayPlain][i]/shares[wayTuned][i]),
			bench.AtMost(1, "", fmt.Sprintf("%s, %d workers, connections a worker", wayPlain, workers), float64(opened[wayPlain][i])/float64(workers)))
	}
	table.Print(w)
	return failingWrites(w, c, certificate, n)
}

// failingWrites has a tenth of the writes fail.
func failingWrites(w io.Writer, c config, certificate tls.Certificate, n int) error {
	const workers = 16
	table := &bench.Table{
		Title: fmt.Sprintf("Writes: %d over TLS, %v each, %d workers, a tenth of them fail", n, latency, workers),
		Note: fmt.Sprintf("Nine in ten are creates; every tenth is an update, which the server answers 502 each time, with 10 kB of text. "+
			"Those that try again do so at once, %d times in all.", attempts),
		Head: []string{"transport", "share of the ideal", "requests", "connections"},
	}
	results := make(map[string][]written)
	for range c.rounds(3) {
		for _, way := range writers() {
			result, err := writeAll(certificate, way, n, workers, 10)
			if err != nil {
				return err
			}
			results[way.name] = append(results[way.name], result)
		}
	}
	shares, opened := make(map[string]float64), make(map[string]int)
	for _, way := range writers() {
		all := results[way.name]
		shares[way.name], opened[way.name] = middle(all)
		table.Add(way.name, fmt.Sprintf("%.2f", shares[way.name]), fmt.Sprint(all[0].requests), fmt.Sprint(opened[way.name]))
	}
	table.Goals = []bench.Goal{
		bench.AtLeast(0.98, " ×", wayPlain+", share against the tuned transport's", shares[wayPlain]/shares[wayTuned]),
		bench.AtMost(1, "", wayPlain+", connections a worker", float64(opened[wayPlain])/workers),
	}
	table.Print(w)
	return nil
}

func middle(all []written) (share float64, connections int) {
	var shares []float64
	var opened []int
	for _, one := range all {
		shares, opened = append(shares, one.share), append(opened, one.connections)
	}
	return bench.Median(shares), bench.Median(opened)
}
