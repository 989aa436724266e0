package siptest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options say what kind of server it is. The zero value is the usual one:
// where nothing is known of the real server, each option takes one side.
type Options struct {
	// APIKey, and Username with Password, are the credentials that the
	// server takes, either of them. Empty: "siptest-api-key", "siptest" and
	// "siptest-password".
	APIKey, Username, Password string

	// BareNumbers writes ids, numbers and flags as JSON numbers. The usual
	// server writes every value as a string.
	BareNumbers bool

	// EchoSecrets shows the password and the PIN in a user's row.
	EchoSecrets bool

	// CreateBody is the answer to a create whose answer is not documented.
	CreateBody CreateBody

	// UndocumentedQuery is what becomes of filter, sort, limit and offset
	// on lists whose documentation does not have them.
	UndocumentedQuery UndocumentedQuery

	// IgnorePaging makes every list ignore limit and offset.
	IgnorePaging bool

	// AllowDuplicates lifts all rules of uniqueness.
	AllowDuplicates bool

	// MaxRows is the most that one list answers; 0 means 10,000.
	MaxRows int

	// MaxInputVars is PHP's setting of that name; 0 means 1,000. Of a POST
	// form with more variables PHP keeps the first, one more than that; of
	// a PUT or DELETE form it keeps none. It says nothing either way.
	MaxInputVars int

	// ErrorBody is the form of an error's body.
	ErrorBody ErrorBody

	// Framing is how the end of a body is marked in HTTP/1.1.
	Framing Framing

	// HTTP2 serves HTTP/2, over TLS, on the socket. A client that knows no
	// HTTP/2 is served HTTP/1.1.
	HTTP2 bool

	// TLS serves TLS on the socket, with these settings: a MaxVersion, or
	// Certificates in place of the server's own. nil means plain HTTP,
	// unless HTTP2 is set.
	TLS *tls.Config

	// Latency is how long every request waits before it is looked at. A
	// request whose context ends meanwhile is not applied.
	Latency time.Duration

	// Now is the server's clock; nil means time.Now.
	Now func() time.Time
}

// CreateBody is what the server answers to the create of a user, a group, a
// queue, a queue member or a trusted network. A device's answers are
// documented and always the same.
type CreateBody int

// The kinds of create bodies.
const (
	CreateBodyID   CreateBody = iota // the new id alone: {"userId":"3"}
	CreateBodyRow                    // the whole row
	CreateBodyNone                   // nothing
)

// UndocumentedQuery is what the server does with filter, sort, limit and
// offset where they are not documented.
type UndocumentedQuery int

// The ways with an undocumented query.
const (
	IgnoreQuery UndocumentedQuery = iota // as if they were not there
	HonourQuery                          // as on the other lists
	RejectQuery                          // 400
)

// ErrorBody is the form of an error's body.
type ErrorBody int

// The forms of error bodies.
const (
	ErrorText       ErrorBody = iota // plain text
	ErrorJSONString                  // "…"
	ErrorJSONObject                  // {"message":"…"}
	ErrorHTML                        // a page, as a proxy writes it
)

// Framing is how the end of a body is marked.
type Framing int

// The framings of HTTP/1.1.
const (
	FramingChunked Framing = iota // Transfer-Encoding: chunked
	FramingLength                 // Content-Length
	FramingClose                  // the connection closes
)

// A Server is the API in memory. Any number of goroutines may use it.
type Server struct {
	opts Options

	mu      sync.Mutex // of what follows
	store   *store
	faults  []*armed
	log     []*Request
	tasks   map[*task]bool
	stopped bool // no task begins

	traffic *traffic

	closing   sync.Once
	lifecycle sync.Mutex // of what follows
	closed    bool
	socket    *httptest.Server
	hangUp    context.CancelFunc // ends the waiting of requests over the socket
}

// A Request is what the server saw of a request.
type Request struct {
	Op     string // such as "Users.Create"; empty: there is no such call
	Method string
	Path   string // as sent, escapes and all
	Query  url.Values

	// Form is the body as sent, brackets and all, before PHP has dropped
	// what is too much. A password is here to be seen.
	Form url.Values

	Header http.Header // less the credentials of Authorization
	Status int         // 0: no answer, not yet, or Raw
}

// NewServer returns a server with no domain in it; AddDomain makes one. It
// takes no port before URL or Client is called. Close it after use.
func NewServer(o Options) *Server {
	o.APIKey = cmp.Or(o.APIKey, "siptest-api-key")
	o.Username = cmp.Or(o.Username, "siptest")
	o.Password = cmp.Or(o.Password, "siptest-password")
	o.MaxRows = cmp.Or(o.MaxRows, 10_000)
	o.MaxInputVars = cmp.Or(o.MaxInputVars, 1000)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{
		opts:    o,
		store:   newStore(o.Now, o.AllowDuplicates),
		tasks:   map[*task]bool{},
		traffic: newTraffic(),
	}
}

// TB is what New needs of a test; *testing.T and *testing.B have it.
type TB interface {
	Helper()
	Cleanup(func())
}

// New is NewServer for a test, which closes the server when it ends. It takes
// at most one Options.
func New(t TB, o ...Options) *Server {
	t.Helper()
	if len(o) > 1 {
		panic("siptest: New takes at most one Options")
	}
	var options Options
	if len(o) == 1 {
		options = o[0]
	}
	s := NewServer(options)
	t.Cleanup(s.Close)
	return s
}

// Close stops the server: requests in progress are cut off, those that
// HangThenCommit holds are not applied, and further ones are refused. What it
// holds stays readable.
func (s *Server) Close() {
	s.closing.Do(func() {
		s.lifecycle.Lock()
		s.closed = true
		s.lifecycle.Unlock() // a hook may want it before all requests are gone
		if s.socket != nil {
			s.hangUp()
		}
		s.traffic.close()
		s.dropLate()
		if s.socket != nil {
			s.socket.Close()
		}
	})
}

// Wait waits until the server is at rest: no request is being carried out, and
// none that HangThenCommit holds is still to be applied. After a call that its
// client gave up on, it tells that nothing more will come of it.
func (s *Server) Wait() {
	for {
		s.mu.Lock()
		var next *task
		for next = range s.tasks {
			break
		}
		s.mu.Unlock()
		if next == nil {
			return
		}
		<-next.done
	}
}

// A task is a request that is being carried out, or will be.
type task struct {
	done  chan struct{}
	timer *time.Timer // of one that will be
}

// begin needs s.mu.
func (s *Server) begin() *task {
	t := &task{done: make(chan struct{})}
	s.tasks[t] = true
	return t
}

func (s *Server) end(t *task) {
	s.mu.Lock()
	delete(s.tasks, t)
	s.mu.Unlock()
	close(t.done)
}

// commitLater applies a request after a while.
func (s *Server) commitLater(r *request, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	t := s.begin()
	t.timer = time.AfterFunc(f.lateBy, func() {
		defer s.end(t)
		s.answer(r)
		s.run(f.after)
	})
}

// dropLate gives up what commitLater holds.
func (s *Server) dropLate() {
	s.mu.Lock()
	s.stopped = true
	var late []*task
	for t := range s.tasks {
		if t.timer != nil {
			late = append(late, t)
		}
	}
	s.mu.Unlock()
	for _, t := range late {
		if t.timer.Stop() {
			s.end(t)
		}
		<-t.done
	}
}

// addDomain makes a domain. A blank host name is made up.
func (s *Server) addDomain(id int64, host, displayName string, rec bool) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store.find(domains, 0, id) != nil {
		panic(fmt.Sprintf("siptest: there is a domain %d already", id))
	}
	cells := map[string]string{"domain": host, "displayName": displayName}
	if rec {
		cells["rec"] = "1"
	}
	// No column of a domain is unique: this cannot fail.
	r, _ := s.store.insert(domains, 0, id, cells)
	if host == "" {
		r.cells["domain"] = fmt.Sprintf("domain%d.sip.example.com", r.id)
	}
	return r.id
}

// URL is the base URL of the server on the loopback interface, such as
// http://127.0.0.1:41234, or https with Options.HTTP2 or TLS. The first call begins to listen; on a closed server
// it panics.
func (s *Server) URL() string {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.socket == nil {
		if s.closed {
			panic("siptest: the server is closed")
		}
		s.listen()
	}
	return s.socket.URL
}

// Requests returns what the server has seen since it began, or since
// ResetRequests, in the order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make([]Request, len(s.log))
	for i, r := range s.log {
		requests[i] = *r
	}
	return requests
}

// ResetRequests forgets the requests seen so far.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// A request as it reaches the server, whichever way it came.
type request struct {
	method, path, query string
	header              http.Header
	body                []byte

	route   *route
	ids     map[string]int64
	allowed []string // the methods of the path, when there is no route
	form    []pair
}

func newRequest(method string, u *url.URL, header http.Header, body []byte) *request {
	r := &request{method: method, path: u.EscapedPath(), query: u.RawQuery, header: header, body: body}
	r.route, r.ids, r.allowed = findRoute(method, r.path)
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if mediaType == "application/x-www-form-urlencoded" && method != http.MethodGet {
		r.form = splitPairs(string(body))
	}
	return r
}

// An answer is what the server has to say.
type answer struct {
	status      int
	contentType string
	body        []byte
}

// serve takes a request all the way. An error means that the request's
// context ended first.
func (s *Server) serve(ctx context.Context, r *request) (reply, error) {
	entry, fault, task := s.arrive(r)
	defer s.end(task)
	s.run(fault.before)
	if fault.commit == commitLate {
		s.commitLater(r, fault)
	}
	if err := wait(ctx, s.opts.Latency+fault.latency); err != nil {
		return reply{}, err
	}
	var a answer
	if fault.commit == commitNow {
		a = s.answer(r)
	}
	if fault.commit != commitLate {
		s.run(fault.after)
	}
	if fault.ending == endHang {
		<-ctx.Done()
	}
	if err := wait(ctx, fault.silence); err != nil {
		return reply{}, err
	}
	rep := fault.alter(a, s.opts)
	s.mu.Lock()
	defer s.mu.Unlock()
	if rep.header.Get("Date") == "" {
		rep.header.Set("Date", s.opts.Now().UTC().Format(http.TimeFormat))
	}
	if rep.ending.answers() {
		entry.Status = rep.status
	}
	return rep, nil
}

// arrive notes a request and picks its fault.
func (s *Server) arrive(r *request) (*Request, Fault, *task) {
	entry := &Request{
		Method: r.method,
		Path:   r.path,
		Query:  pairValues(splitPairs(r.query)),
		Form:   pairValues(r.form),
		Header: r.header.Clone(),
	}
	if r.route != nil {
		entry.Op = r.route.op
	}
	if authorization := entry.Header.Get("Authorization"); authorization != "" {
		redacted := "[redacted]"
		if scheme, _, ok := strings.Cut(authorization, " "); ok {
			redacted = scheme + " " + redacted
		}
		entry.Header.Set("Authorization", redacted)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, entry)
	fault := s.faultFor(entry.Op)
	if fault.strip {
		entry.Form, r.form = url.Values{}, nil
	}
	return entry, fault, s.begin()
}

// answer carries out a request.
func (s *Server) answer(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.handle(r)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return s.opts.ErrorBody.answer(refused.status, refused.message)
	}
	return a
}

func (s *Server) handle(r *request) (answer, error) {
	if !s.authorized(r) {
		return answer{}, &refusal{http.StatusUnauthorized, "auth required"}
	}
	if r.route == nil {
		if len(r.allowed) > 0 {
			return answer{}, &refusal{http.StatusMethodNotAllowed, "the path takes " + strings.Join(r.allowed, ", ")}
		}
		return answer{}, notFound("no such path")
	}
	c := &call{opts: s.opts, store: s.store, route: r.route, query: r.query, ids: r.ids}
	if err := c.resolve(); err != nil {
		return answer{}, err
	}
	if r.method != http.MethodGet && r.query != "" {
		return answer{}, malformed("a %s takes no query", r.method)
	}
	if err := c.readForm(assemble(s.kept(r))); err != nil {
		return answer{}, err
	}
	return r.route.run(c)
}

// kept are the variables that PHP keeps of a form.
func (s *Server) kept(r *request) []pair {
	if len(r.form) <= s.opts.MaxInputVars {
		return r.form
	}
	if r.method == http.MethodPost {
		return r.form[:s.opts.MaxInputVars+1]
	}
	return nil
}

func (s *Server) authorized(r *request) bool {
	if r.header.Get("Authorization") == "ApiKey "+s.opts.APIKey {
		return true
	}
	username, password, ok := (&http.Request{Header: r.header}).BasicAuth()
	return ok && username == s.opts.Username && password == s.opts.Password
}

// answer writes an error in the chosen form.
func (e ErrorBody) answer(status int, message string) answer {
	const plain, json, page = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"
	switch e {
	case ErrorJSONString:
		return answer{status, json, appendString(nil, message)}
	case ErrorJSONObject:
		return answer{status, json, appendRow(nil, []column{{name: "message"}}, map[string]string{"message": message}, false)}
	case ErrorHTML:
		title := html.EscapeString(statusText(status))
		return answer{status, page, []byte("<html><head><title>" + title + "</title></head><body><h1>" + title +
			"</h1><p>" + html.EscapeString(message) + "</p></body></html>\n")}
	}
	return answer{status, plain, []byte(message)}
}

func statusText(status int) string {
	return strings.ToLower(cmp.Or(http.StatusText(status), "error"))
}

// wait lasts for d or until the context ends. It waits on nothing but timer
// and context, so that a fake clock can move it on.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
