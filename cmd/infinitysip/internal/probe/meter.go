package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/infinitysip/infinitysip"
)

// errBudget is the error of a request that was not sent because the probe has used
// up its requests.
var errBudget = errors.New("the probe has used up its requests")

// Most is how many requests a probe may send.
const Most = 200

// A Meter is the transport of a probe. It counts the requests, refuses those above
// its bound, and keeps what the probe wants to know of each exchange. A part of the
// bound is kept for the clean-up.
type Meter struct {
	inner http.RoundTripper
	most  int

	mu        sync.Mutex
	used      int
	reserve   int // kept for the clean-up
	latencies []time.Duration
	framings  map[string]int
	proto     string
	tls       string
	keepAlive string // the header of that name
	limits    []string
	connections
}

// connections are what the Meter saw of the server's connections.
type connections struct {
	conn    net.Conn
	served  int       // by conn
	last    time.Time // the end of conn's last request
	ended   []int     // how many requests each connection served that the server closed
	crossed int       // of these, closings that the next request met on its way
	careful int       // 0, or after how many requests the Meter closes a connection itself
}

// NewMeter makes a Meter for at most that many requests, over another transport.
func NewMeter(inner http.RoundTripper, most int) *Meter {
	return &Meter{inner: inner, most: min(most, Most), framings: map[string]int{}}
}

// Over puts the Meter over another transport, before the first request.
func (m *Meter) Over(inner http.RoundTripper) *Meter {
	m.inner = inner
	return m
}

// ClientOptions are the options that the client of a probe needs: the transport,
// nothing sent again, and answers of any length.
func (m *Meter) ClientOptions() []infinitysip.Option {
	return []infinitysip.Option{
		infinitysip.WithTransport(m),
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1, MaxThrottleWait: 90 * time.Second}),
		infinitysip.WithLimits(infinitysip.Limits{RowBytes: 64 << 20, HeaderTimeout: 15 * time.Second}),
	}
}

// Used is how many requests were sent.
func (m *Meter) Used() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func (m *Meter) setReserve(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reserve = n
}

// left is how many requests may still be sent before the clean-up.
func (m *Meter) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.most - m.used - m.reserve
}

// take counts a request.
func (m *Meter) take(cleaning bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used >= m.most || !cleaning && m.used+m.reserve >= m.most {
		return errBudget
	}
	m.used++
	return nil
}

// An exchange is a request of the probe and what came back. Its first fields are set
// before the request.
type exchange struct {
	cleaning bool
	query    string // of the URL, instead of the client's
	body     []byte // instead of the client's

	mu       sync.Mutex
	sent     bool
	request  *http.Request // with the credentials; only to send it again
	status   int           // 0: there was no answer
	header   http.Header
	answered []byte // the beginning of the body
	bodyErr  error  // why the body was not read to its end
	at       time.Time
	elapsed  time.Duration
}

type exchangeKey struct{}

// RoundTrip sends a request, if there is one left.
func (m *Meter) RoundTrip(req *http.Request) (*http.Response, error) {
	ex, _ := req.Context().Value(exchangeKey{}).(*exchange)
	if ex == nil {
		ex = new(exchange)
	}
	if err := m.take(ex.cleaning); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	req = ex.change(req)
	m.beforeRequest()
	var conns []httptrace.GotConnInfo
	var connsMu sync.Mutex
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		connsMu.Lock()
		defer connsMu.Unlock()
		conns = append(conns, info)
	}})
	ex.begin(req)
	began := time.Now()
	resp, err := m.inner.RoundTrip(req.WithContext(ctx))
	elapsed := time.Since(began)
	connsMu.Lock()
	got := slices.Clone(conns)
	connsMu.Unlock()
	m.afterRequest(got, err)
	if err != nil {
		return nil, err
	}
	m.note(req, resp, elapsed)
	ex.answer(resp, elapsed)
	resp.Body = &tee{resp.Body, ex}
	return resp, nil
}

// CloseIdleConnections closes those of the transport below.
func (m *Meter) CloseIdleConnections() {
	if inner, ok := m.inner.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// again sends a GET once more, without the client, which would wait after a refusal.
// It returns the exchange, whose status is 0 if there was no answer.
func (m *Meter) again(ctx context.Context, req *http.Request) (*exchange, error) {
	ex := new(exchange)
	resp, err := m.RoundTrip(req.Clone(context.WithValue(ctx, exchangeKey{}, ex)))
	if err != nil {
		return ex, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return ex, err
}

// beforeRequest closes a connection that the server is going to close.
func (m *Meter) beforeRequest() {
	m.mu.Lock()
	closing := m.careful > 0 && m.conn != nil && m.served >= m.careful
	if closing {
		m.conn = nil
	}
	m.mu.Unlock()
	if closing {
		m.CloseIdleConnections()
	}
}

// afterRequest counts the requests of the connections. A connection that another one
// replaced at once was closed by the server. So was one that was used before and failed:
// the closing and the request crossed.
func (m *Meter) afterRequest(got []httptrace.GotConnInfo, err error) {
	const idle = time.Second // after more than that the server may have closed an idle one
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, info := range got {
		if info.Conn == nil {
			continue // in process
		}
		if info.Conn != m.conn {
			if m.conn != nil && time.Since(m.last) < idle {
				m.ended = append(m.ended, m.served)
			}
			m.conn, m.served = info.Conn, 0
		}
		switch failed := i < len(got)-1 || err != nil; {
		case !failed:
			m.served++
		case m.served > 0:
			m.ended = append(m.ended, m.served)
			m.crossed++
			m.conn = nil
		default:
			m.conn = nil
		}
	}
	m.last = time.Now()
}

// closings are how many requests each connection had that the server closed, and how many
// of the closings crossed with a request.
func (m *Meter) closings() (requests []int, crossed, served int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.ended), m.crossed, m.served
}

// closesAfterBodies reports whether the end of a connection is the end of a body.
func (m *Meter) closesAfterBodies() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.framings["close"] > 0
}

// beCareful makes the Meter close a connection after that many requests, before the
// server does: a write that meets a closing connection has an unknown outcome.
func (m *Meter) beCareful(requests int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.careful = requests
}

// note keeps what an answer says of the server.
func (m *Meter) note(req *http.Request, resp *http.Response, elapsed time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proto = resp.Proto
	if resp.TLS != nil {
		m.tls = tlsName(resp.TLS.Version)
	}
	if text := resp.Header.Get("Keep-Alive"); text != "" {
		m.keepAlive = text
	}
	for name := range resp.Header {
		if isLimitHeader(name) && !slices.Contains(m.limits, name) {
			m.limits = append(m.limits, name)
		}
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		return
	}
	m.latencies = append(m.latencies, elapsed)
	if req.Method != http.MethodGet || resp.StatusCode != http.StatusOK || resp.ProtoMajor != 1 {
		return
	}
	switch {
	case slices.Contains(resp.TransferEncoding, "chunked"):
		m.framings["chunked"]++
	case resp.ContentLength >= 0:
		m.framings["length"]++
	default:
		m.framings["close"]++
	}
}

// latency is the median time until an answer began.
func (m *Meter) latency() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.latencies) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(m.latencies))
	return sorted[len(sorted)/2]
}

// change gives a request the query and the body of the exchange.
func (ex *exchange) change(req *http.Request) *http.Request {
	if ex.query == "" && ex.body == nil {
		return req
	}
	changed := req.Clone(req.Context())
	if ex.query != "" {
		changed.URL.RawQuery = ex.query
	}
	if ex.body != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		changed.Body = io.NopCloser(bytes.NewReader(ex.body))
		changed.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(ex.body)), nil }
		changed.ContentLength = int64(len(ex.body))
	}
	return changed
}

func (ex *exchange) begin(req *http.Request) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.sent, ex.status, ex.header, ex.answered, ex.bodyErr, ex.at = true, 0, nil, nil, nil, time.Now()
	if req.Method == http.MethodGet {
		ex.request = req.Clone(context.Background())
	}
}

func (ex *exchange) answer(resp *http.Response, elapsed time.Duration) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.status, ex.header, ex.elapsed = resp.StatusCode, resp.Header.Clone(), elapsed
}

// seen is the answer so far; its status is 0 if there was none.
func (ex *exchange) seen() (a answer, sent bool, bodyErr error) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return answer{status: ex.status, header: ex.header, body: bytes.Clone(ex.answered), at: ex.at}, ex.sent, ex.bodyErr
}

// A tee keeps the beginning of a body as it is read.
type tee struct {
	io.ReadCloser
	ex *exchange
}

func (t *tee) Read(p []byte) (int, error) {
	const most = 64 << 10
	n, err := t.ReadCloser.Read(p)
	t.ex.mu.Lock()
	defer t.ex.mu.Unlock()
	t.ex.answered = append(t.ex.answered, p[:min(n, max(0, most-len(t.ex.answered)))]...)
	if err != nil && err != io.EOF {
		t.ex.bodyErr = err
	}
	return n, err
}
