package siptest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"
)

// A Server is the API in memory. Any number of goroutines may use it.
type Server struct {
	opts Options

	mu      sync.Mutex // of what follows
	store   *store
	faults  []*activeFault
	log     []*Request
	tasks   map[*task]bool
	stopped bool // no task begins

	traffic *traffic

	closing        sync.Once
	lifecycle      sync.Mutex // of what follows
	closed         bool
	socket         *httptest.Server
	cancelRequests context.CancelFunc // ends the waiting of requests over the socket
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
	o = o.withDefaults()
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
			s.cancelRequests()
		}
		s.traffic.close()
		s.cancelLateCommits()
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
	t.timer = time.AfterFunc(f.commitDelay, func() {
		defer s.end(t)
		s.apply(r)
		s.runHooks(f.after)
	})
}

// cancelLateCommits gives up what commitLater holds.
func (s *Server) cancelLateCommits() {
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
