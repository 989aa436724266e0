package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

var needNginx = flag.Bool("nginx", false, "TestNginx fails, and is not skipped, if nginx is not installed")

const (
	nginxWorkers = 16
	// serverTime is how long the server works on a call, so that trouble finds
	// some of them under way.
	serverTime = 20 * time.Millisecond
	// outage is how long the server is gone when it is killed.
	outage = 200 * time.Millisecond
	// patience is how long the calls of a scenario may take together: five times
	// what the slowest takes on a machine that has time.
	patience = 5 * time.Minute
)

// behind is a client's work behind an nginx, and what happens meanwhile.
type behind struct {
	name    string
	creates int
	reads   bool                // each create is followed by a read
	conf    string              // more of nginx's http block
	proto   string              // as nginx names it
	reloads int                 // how often nginx reads its configuration again
	kills   int                 // how often the server is gone, and its connections with it
	loses   bool                // a call under way at such a moment may end as unknown
	struck  func(nginxLog) bool // whether the trouble came
}

const http1, http2 = "HTTP/1.1", "HTTP/2.0"

// limited allows so many calls a second, none before its time.
func limited(perSecond, status int) behind {
	return behind{
		name:    fmt.Sprintf("%d a second, else %d", perSecond, status),
		creates: min(15*perSecond, 150),
		conf:    fmt.Sprintf("limit_req_zone $binary_remote_addr zone=calls:1m rate=%dr/s; limit_req zone=calls; limit_req_status %d;", perSecond, status),
		proto:   http2,
		struck:  func(log nginxLog) bool { return log.refused() > 0 },
	}
}

// TestNginx makes calls through nginx, with TLS, and compares what they claimed
// with what the server has in the end. The client has no limit set: it must
// learn it. No call may fail under a limit, at the end of a connection or when
// nginx is reloaded, but for a few on a machine that has no time (see hindered). When
// the server is killed, a call may end as unknown.
func TestNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil && !*needNginx {
		t.Skip("nginx is not in PATH (Debian: apt-get install nginx-light): nothing is tested behind it")
	}
	require.NoError(t, err)

	scenarios := []behind{limited(2, 429), limited(2, 503), limited(20, 429), limited(20, 503)} // the longest first
	for _, proto := range []string{http2, http1} {
		scenarios = append(scenarios,
			behind{name: "4 kills, " + proto, creates: 600, kills: 4, loses: true, proto: proto,
				struck: func(log nginxLog) bool { return log.statuses["502"] > 0 }},
			// Over HTTP/1.1 nginx closes idle connections without notice, also one on which
			// a call has just set out. Nothing tells the client that it was not taken.
			// (Since 1.27.4 nginx can wait a little: keepalive_min_timeout.)
			behind{name: "5 reloads, " + proto, creates: 600, reloads: 5, loses: proto == http1, proto: proto,
				struck: func(log nginxLog) bool { return log.reloads == 5 }},
			behind{name: "40 calls a connection, " + proto, creates: 600, reads: true, conf: "keepalive_requests 40;", proto: proto,
				struck: func(log nginxLog) bool { return len(log.connections) >= 1200/40 }})
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t, nginx)
		})
	}
}

func (s *behind) run(t *testing.T, nginx string) {
	// A create is sent again only when its absence is proven. Where a server knows no
	// offset, a list of 20, 25, 50 or 100 rows proves nothing, since it may be cut. So
	// without the offset it would be chance, and the machine's load, how many calls look
	// while the list is that long, and end as unknown.
	srv := siptest.NewServer(siptest.Options{AllowDuplicates: true, APIKey: key, Latency: serverTime, UndocumentedQuery: siptest.UndocumentedQueryHonoured})
	defer srv.Close()
	upstream := strings.TrimPrefix(srv.URL(), "http://")
	var proxy *toxiproxy.Proxy
	if s.kills > 0 {
		// The server keeps its port, and the link to it is cut. Answers take a while
		// on the link, so that some are lost there.
		proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), s.name, "127.0.0.1:0", upstream)
		require.NoError(t, proxy.Start())
		defer proxy.Stop()
		_, err := proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
			`{"type":"latency","stream":"downstream","attributes":{"latency":%d}}`, serverTime.Milliseconds())))
		require.NoError(t, err)
		upstream = proxy.Listen
	}
	front := startNginx(t, nginx, upstream, s.conf)
	transport := front.transport(s.proto)
	client, err := infinitysip.NewClient(infinitysip.APIKey(key), infinitysip.WithBaseURL("https://"+front.addr),
		infinitysip.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)

	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	lasting, err := srv.InProcessClient().Users.Create(t.Context(), domain, user("lasting"))
	require.NoError(t, err)
	made := map[string][]int64{} // filled when all is over
	var claims []claim
	for i := range s.creates {
		name := fmt.Sprint("new", i)
		claims = append(claims, claim{name: "Users.Create", whole: 1,
			do: func(ctx context.Context) (int64, error) {
				id, err := client.Users.Create(ctx, domain, user(name))
				return int64(id), err
			},
			found: func() []int64 { return made[name] }})
		if s.reads {
			claims = append(claims, claim{name: "Users.Get", reads: true, do: func(ctx context.Context) (int64, error) {
				row, err := client.Users.Get(ctx, domain, lasting)
				if err == nil && row.User != "lasting" {
					return 0, errLacks
				}
				return 0, err
			}})
		}
	}

	trouble := make(chan struct{})
	next := make(chan *claim)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := time.Now()
	var group sync.WaitGroup
	group.Go(func() {
		reloads := 0
		for range trouble {
			if s.kills > 0 {
				proxy.Stop()
				<-time.After(outage)
				if err := proxy.Start(); err != nil {
					t.Error(err)
				}
			} else if err := front.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			} else if reloads++; !front.reloaded(reloads) {
				t.Error("nginx does not reload")
			}
		}
	})
	for range nginxWorkers {
		group.Go(func() {
			for c := range next {
				c.id, c.err = c.do(ctx)
			}
		})
	}
	times := s.reloads + s.kills
	every := len(claims) / (times + 1)
	for i := range claims {
		if i > 0 && i%every == 0 {
			trouble <- struct{}{}
		}
		next <- &claims[i]
	}
	close(trouble)
	close(next)
	group.Wait()
	took := time.Since(start)

	// Nothing more comes of what is under way.
	transport.CloseIdleConnections()
	front.stop()
	if proxy != nil {
		proxy.Stop()
	}
	idle(t, srv)
	for _, u := range srv.Users(domain) {
		made[u.User] = append(made[u.User], int64(u.ID))
	}
	sum, told, unproven := new(figures), map[string]int{}, 0
	for i := range claims {
		claims[i].judge(t, sum)
		if err := claims[i].err; err != nil {
			if hindered.MatchString(err.Error()) {
				unproven++
			}
			text, _, _ := strings.Cut(err.Error(), "sent at") // times follow
			told[text]++
		}
	}
	log := front.log(t)
	calls, ok, unknown := sum.calls.Load(), sum.successes.Load(), sum.unknown.Load()
	fmt.Printf("figure: nginx, %s: %d calls, %d ok, %d unknown, %d failed; made twice %d, false %d, hidden %d; nginx had %d requests and refused %d\n",
		s.name, calls, ok, unknown, calls-ok-unknown, sum.duplicates.Load(), sum.falseSuccesses.Load(), sum.hiddenCreates.Load(),
		log.requests, log.refused())
	t.Logf("it took %.1f s", took.Seconds())
	for text, n := range told {
		t.Logf("%d times: %s", n, text)
	}
	require.Equal(t, calls, ok+unknown, "calls failed")
	lost := 0
	if s.loses {
		lost = times * nginxWorkers
	}
	lost += min(unproven, s.creates/20+1)
	require.LessOrEqual(t, int(calls-ok), lost, "too many calls are unknown")
	require.True(t, s.struck(log), "there was no trouble: %+v", log)
	require.Equal(t, log.requests, log.protos[s.proto])
}

// hindered is the error of a create that the machine may have hindered: a look for it
// failed, such as one whose answer nginx cut as it ended a connection, or it was sent
// again already. On a machine that has no time there are a few of them in any scenario.
// A create that was sent once, and whose looks were all answered, is none: under a limit,
// or where HTTP/2 says that it was not taken, it had to be sent again.
var hindered = regexp.MustCompile(`looked for with .* failed \(|sent at \S+ and `)

// front is an nginx that runs.
type front struct {
	cmd         *exec.Cmd
	dir, addr   string
	certificate *x509.Certificate
	stop        func()
}

// startNginx runs an nginx until the test ends. It answers for upstream, with TLS.
func startNginx(t *testing.T, nginx, upstream, conf string) *front {
	f := &front{dir: t.TempDir()}
	f.certificate = writeCertificate(t, f.dir)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f.addr = free.Addr().String()
	require.NoError(t, free.Close())
	me, err := osuser.Current()
	require.NoError(t, err)
	asMe := ""
	if me.Uid == "0" { // otherwise nginx has no choice
		asMe = "user " + me.Username + ";" // t.TempDir is closed to others
	}
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "nginx.conf"), fmt.Appendf(nil, `
%s
worker_processes 2;
pid nginx.pid;
error_log error.log notice;
events {}
http {
	log_format calls "$server_protocol $status $connection";
	access_log access.log calls;
	client_body_temp_path client_body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	%s
	upstream siptest {
		server %s;
		keepalive 16;
	}
	server {
		listen %s ssl http2;
		ssl_certificate certificate.pem;
		ssl_certificate_key key.pem;
		location / {
			proxy_pass http://siptest;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}
	}
}
`, asMe, conf, upstream, f.addr), 0o600))

	var said bytes.Buffer
	f.cmd = exec.Command(nginx, "-p", f.dir, "-c", filepath.Join(f.dir, "nginx.conf"), "-e", filepath.Join(f.dir, "error.log"), "-g", "daemon off;")
	f.cmd.Stderr = &said
	require.NoError(t, f.cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = f.cmd.Wait()
		close(ended)
	}()
	f.stop = sync.OnceFunc(func() {
		_ = f.cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	t.Cleanup(f.stop)
	for deadline := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", f.addr)
		if err == nil {
			_ = conn.Close()
			return f
		}
		select {
		case <-ended:
			t.Fatalf("nginx ended: %s", said.String())
		default:
			require.True(t, time.Now().Before(deadline), "nginx does not listen: %v", err)
		}
	}
}

// writeCertificate makes certificate.pem and key.pem in dir.
func writeCertificate(t *testing.T, dir string) *x509.Certificate {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"certificate.pem": {Type: "CERTIFICATE", Bytes: public},
		"key.pem":         {Type: "PRIVATE KEY", Bytes: secret},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	certificate, err := x509.ParseCertificate(public)
	require.NoError(t, err)
	return certificate
}

// transport trusts the certificate, and keeps a connection for each worker.
func (f *front) transport(proto string) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = nginxWorkers
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	transport.TLSClientConfig.RootCAs.AddCert(f.certificate)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(proto == http1)
	transport.Protocols.SetHTTP2(proto == http2)
	return transport
}

// nginxLog is what an nginx did, by its own word.
type nginxLog struct {
	requests, reloads             int
	protos, statuses, connections map[string]int // requests of each
}

func (l nginxLog) refused() int { return l.statuses["429"] + l.statuses["503"] }

// log reads the logs of an nginx that has stopped.
func (f *front) log(t *testing.T) nginxLog {
	log := nginxLog{protos: map[string]int{}, statuses: map[string]int{}, connections: map[string]int{}}
	access, err := os.ReadFile(filepath.Join(f.dir, "access.log"))
	require.NoError(t, err)
	for line := range strings.Lines(string(access)) {
		fields := strings.Fields(line)
		require.Len(t, fields, 3, line)
		log.requests++
		log.protos[fields[0]]++
		log.statuses[fields[1]]++
		log.connections[fields[2]]++
	}
	log.reloads = f.reloads()
	return log
}

// reloads counts how often nginx was told to read its configuration again.
func (f *front) reloads() int {
	trouble, _ := os.ReadFile(filepath.Join(f.dir, "error.log"))
	return strings.Count(string(trouble), ", reconfiguring")
}

// reloaded waits until nginx was told so often. Two signals that are pending are one.
func (f *front) reloaded(times int) bool {
	for deadline := time.Now().Add(soon); f.reloads() < times; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
