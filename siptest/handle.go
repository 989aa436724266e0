package siptest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
)

// How requests reach the handlers of a test.

// Handle adds a call of the test's own, such as one that the API has and this
// server does not. The pattern is one of http.ServeMux, without a host:
//
//	srv.Handle("GET /config/v2/sip/domains/{id}/voicemail", handler)
//
// These requests go the way of all others. The limit counts them, faults strike at
// them, the credentials are checked, and then the handler runs. Requests has them,
// with the pattern as their Op. The pattern is also their name in On.
//
// The API's own calls come first: a handler of "/" gets all requests but those. A
// handler gets the request as it was sent, with the credentials, and reads it as Go
// does, not as PHP does. It may use the server, except for Wait and Close. It must
// return when the context of the request ends. The context has none of the client's
// values. The answer is sent when the handler has returned, and begins with its final
// status. Options.Framing and faults set how the body ends. A panic is logged and ends
// the connection. As in http.ServeMux, a path with "//" or ".." is redirected.
//
// Handle may be called at any time. It panics if the handler is nil, or if the
// pattern is malformed, is in conflict with an earlier one, or names a call that the
// API has itself.
func (s *Server) Handle(pattern string, handler http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if problem := recover(); problem != nil {
			text := registeredAt().ReplaceAllString(fmt.Sprint(problem), "") // it is always this file
			panic(fmt.Sprintf("siptest: Handle(%q): %s", pattern, text))
		}
	}()
	method, path := "", pattern
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		method, path = pattern[:i], strings.TrimLeft(pattern[i:], " \t")
	}
	if !strings.HasPrefix(path, "/") {
		panic("the pattern has no path, or a host before it")
	}
	own, _, allowed := findRoute(method, wildcard().ReplaceAllString(path, "1"), s.opts.Paths)
	switch {
	case own != nil:
		panic(own.op + " has this path; use Fail to change its answers")
	case method == "" && len(allowed) > 0:
		panic("the API has calls with this path: name a method that it does not have")
	}
	s.handlers.Handle(pattern, handler)
	s.patterns = append(s.patterns, pattern)
}

var (
	wildcard     = lazily(`\{[^{}.$]*\}`)
	registeredAt = lazily(` \(registered at [^)]*\)`)
)

// lazily compiles an expression when it is first used.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// findHandler sets the pattern of a request, or adds to the methods that its path
// allows.
func (s *Server) findHandler(r *request) {
	handler, pattern := s.handlers.Handler(r.toHandler(context.Background()))
	if r.pattern = pattern; pattern != "" {
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r.toHandler(context.Background())) // the 404 or 405 of http.ServeMux
	if allow := w.Header().Get("Allow"); allow != "" {
		r.allowed = append(r.allowed, strings.Split(allow, ", ")...)
	}
}

// toHandler returns the request that a handler gets.
func (r *request) toHandler(ctx context.Context) *http.Request {
	u := *r.url
	req := &http.Request{
		Method: r.method, URL: &u, RequestURI: u.RequestURI(), Host: r.host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header.Clone(), ContentLength: int64(len(r.body)), Body: http.NoBody,
	}
	if len(r.body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(r.body))
	}
	return req.WithContext(ctx)
}

// unvalued is a context without the values of a client that is in the same process.
type unvalued struct{ context.Context }

func (unvalued) Value(any) any { return nil }

// runHandler returns what the handler of a request answers.
func (s *Server) runHandler(ctx context.Context, r *request) answer {
	w := httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				log.Printf("siptest: the handler of %q panicked: %v\n%s", r.pattern, v, debug.Stack())
			}
			panic(http.ErrAbortHandler) // which net/http does not log again
		}
	}()
	s.handlers.ServeHTTP(w, r.toHandler(unvalued{ctx}))
	a := answer{status: w.Code, header: w.Result().Header, body: w.Body.Bytes()}
	if len(a.header["Content-Type"]) == 0 && len(a.body) > 0 {
		a.contentType = http.DetectContentType(a.body) // as net/http does over the socket
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding"} {
		a.header.Del(name) // makeReply sets the framing
	}
	return a
}
