package siptest

import (
	"cmp"
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A request is what reached the server, over the socket or in process.
type request struct {
	method, path, query string
	url                 *url.URL
	host                string
	header              http.Header
	body                []byte

	route   *route           // nil if the API has no such call
	ids     map[string]int64 // by the names in the path
	pattern string           // of Handle; empty if it has no such call
	allowed []string         // without a route and a pattern: the methods that the path allows
	form    []pair

	inFlight bool // counted in Server.inFlight

	frames *frameConn // over HTTP/2
	stream uint32
}

// mustStream returns the stream of a request over HTTP/2.
func (r *request) mustStream() uint32 {
	if r.stream == 0 {
		panic("siptest: this version of Go does not show the stream of a request")
	}
	return r.stream
}

// applies reports whether the server may apply a request: after a GOAWAY it must
// not. Later GOAWAYs take it into account.
func (r *request) applies() bool { return r.frames == nil || r.frames.serve(r.stream, true) }

var errGoneAway = errors.New("siptest: after a GOAWAY")

func (s *Server) newRequest(req *http.Request, body []byte) *request {
	method, header := cmp.Or(req.Method, http.MethodGet), req.Header
	r := &request{
		method: method, path: req.URL.EscapedPath(), query: req.URL.RawQuery,
		url: req.URL, host: cmp.Or(req.Host, req.URL.Host), header: header, body: body,
	}
	r.route, r.ids, r.allowed = findRoute(method, r.path, s.opts.Paths)
	if r.route == nil {
		s.findHandler(r)
	}
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if mediaType == "application/x-www-form-urlencoded" && method != http.MethodGet {
		r.form = splitPairs(string(body))
	}
	return r
}

// serve handles a request from its arrival to its reply. It returns an error only
// if the request's context ends first, or after a GOAWAY.
func (s *Server) serve(ctx context.Context, r *request) (reply, error) {
	entry, fault, refused, task := s.receive(r)
	defer s.end(task)
	if s.opts.Observe != nil {
		defer func() { s.opts.Observe(s.read(entry)) }()
	}
	if refused != nil {
		if err := wait(ctx, refused.delay); err != nil {
			return reply{}, err
		}
		return s.finish(entry, refused.reply), nil
	}
	s.runHooks(fault.before)
	if fault.commit == commitLate && r.applies() {
		s.commitLater(ctx, r, fault)
	}
	if err := wait(ctx, s.opts.Latency+fault.latency); err != nil {
		return reply{}, err
	}
	var a answer
	if fault.commit == commitNow {
		if fault.ending != endGoAwayBelow && !r.applies() {
			return reply{}, errGoneAway
		}
		a = s.apply(ctx, r)
	}
	if fault.commit != commitLate {
		s.runHooks(fault.after)
	}
	if fault.ending == endHang {
		<-ctx.Done()
	}
	if err := wait(ctx, fault.headerDelay); err != nil {
		return reply{}, err
	}
	return s.finish(entry, fault.makeReply(a, s.opts)), nil
}

// finish dates a reply and logs its status.
func (s *Server) finish(entry *Request, rep reply) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rep.header.Get("Date") == "" {
		rep.header.Set("Date", s.opts.Now().UTC().Format(http.TimeFormat))
	}
	if rep.ending.sendsStatus() {
		entry.Status = rep.status
	}
	return rep
}

// receive logs a request, asks the limiter, picks the fault of an accepted
// request and begins its task.
func (s *Server) receive(r *request) (*Request, Fault, *limited, *task) {
	entry := &Request{
		Method: r.method,
		Path:   r.path,
		Query:  pairValues(splitPairs(r.query)),
		Form:   pairValues(r.form),
		Header: r.header.Clone(),
	}
	entry.Op = r.pattern
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
	if refused := s.limiter.refuse(s.opts, s.inFlight); refused != nil {
		s.refused++
		return entry, Fault{}, refused, s.begin()
	}
	s.inFlight++
	r.inFlight = true
	fault := s.faultFor(entry.Op)
	if fault.stripBody {
		entry.Form, r.form, r.body = url.Values{}, nil, nil
	}
	return entry, fault, nil, s.begin()
}

// read returns a Request of the log as it is now.
func (s *Server) read(entry *Request) Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *entry
}

// leave ends a request's time in flight.
func (s *Server) leave(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.inFlight {
		s.inFlight--
		r.inFlight = false
	}
}

// apply applies a request, or refuses it, and returns the answer.
func (s *Server) apply(ctx context.Context, r *request) answer {
	a, err := s.handle(r)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return s.opts.ErrorBody.answer(refused.status, refused.message)
	}
	if r.pattern != "" {
		return s.runHandler(ctx, r) // without the lock, since it may use the server
	}
	return a
}

// handle leaves the requests of a pattern to their handler.
func (s *Server) handle(r *request) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.authorized(r) {
		return answer{}, &refusal{http.StatusUnauthorized, "auth required"}
	}
	if r.pattern != "" {
		return answer{}, nil
	}
	if r.route == nil {
		if len(r.allowed) > 0 {
			return answer{}, &refusal{http.StatusMethodNotAllowed, "the path takes " + strings.Join(r.allowed, ", ")}
		}
		return answer{}, notFound("no such path")
	}
	c := &call{opts: s.opts, store: s.store, route: r.route, query: r.query, pathIDs: r.ids}
	if err := c.resolve(); err != nil {
		return answer{}, err
	}
	if r.method != http.MethodGet && r.query != "" {
		return answer{}, malformed("a %s takes no query", r.method)
	}
	if err := c.readForm(parseParams(s.limitVars(r))); err != nil {
		return answer{}, err
	}
	return r.route.run(c)
}

// limitVars returns the variables of a form that PHP keeps.
func (s *Server) limitVars(r *request) []pair {
	if len(r.form) <= s.opts.MaxInputVars {
		return r.form
	}
	if r.method == http.MethodPost {
		return r.form[:s.opts.MaxInputVars+1]
	}
	return nil
}

func (s *Server) authorized(r *request) bool {
	if s.apiKey != "" && r.header.Get("Authorization") == "ApiKey "+s.apiKey {
		return true
	}
	username, password, ok := (&http.Request{Header: r.header}).BasicAuth()
	return ok && username == s.opts.Username && password == s.opts.Password
}

// wait waits for d, or until the context ends. It uses only a timer and the
// context, so that it works on the fake clock of testing/synctest.
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
