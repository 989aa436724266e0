package siptest

import (
	"context"
	"errors"
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

	mu       sync.Mutex // guards the fields below, up to stopped
	apiKey   string
	limiter  *limiter // nil: no limit
	inFlight int      // the accepted requests in progress
	refused  int      // by the limiter
	store    *store
	faults   []*activeFault
	log      []*Request
	tasks    map[*task]bool
	stopped  bool     // commitLater begins no task
	patterns []string // of Handle

	handlers http.ServeMux // of Handle; has a lock of its own
	traffic  *traffic

	closing        sync.Once
	lifecycle      sync.Mutex // guards the fields below
	closed         bool
	socket         *httptest.Server
	cancelRequests context.CancelFunc // cancels the requests of the socket
}

// A Request describes a request that the server received.
type Request struct {
	Op     string // such as "Users.Create", or a pattern of Handle; empty if the server has no such call
	Method string
	Path   string // as sent, with escapes
	Query  url.Values

	// Form is the body as sent. Its names have their brackets, and it has
	// the variables that PHP drops. It also has passwords in plain text.
	Form url.Values

	Header http.Header // Authorization without the credentials
	Status int         // 0 if there is no answer, or none yet, or with Raw
}

// NewServer returns a server without any domain; AddDomain adds one. The server
// opens no port before Listen, URL or Client is called. Close it after use.
// NewServer panics if Options.Validate has an error.
func NewServer(o Options) *Server {
	if err := o.Validate(); err != nil {
		panic("siptest: " + err.Error())
	}
	o = o.withDefaults()
	return &Server{
		opts:    o,
		apiKey:  o.APIKey,
		limiter: newLimiter(o.Limit),
		store:   newStore(o),
		tasks:   map[*task]bool{},
		traffic: newTraffic(o),
	}
}

// Copy returns a new server with these options and a copy of the rows of s, with their
// ids, dates and secrets. The rows are stored as they are: Options.Rewrites and the
// like do not apply. Nothing else is copied: not the faults, the requests or the
// calls of Handle. Fill a server once, for example, and give each test a copy.
func (s *Server) Copy(o Options) *Server {
	c := NewServer(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.copyTo(c.store)
	return c
}

// TB has the methods of a test that New needs. *testing.T and *testing.B are TBs.
type TB interface {
	Helper()
	Cleanup(func())
}

// New is like NewServer, but the server closes when the test ends. New takes at
// most one Options.
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

// Close stops the server. It cuts off requests in progress and refuses later
// ones. A request that waits in HangThenCommit is not applied. The server's data
// stays readable.
func (s *Server) Close() {
	s.closing.Do(func() {
		s.lifecycle.Lock()
		s.closed = true
		s.lifecycle.Unlock() // a hook may call URL while Close waits for its request
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

// Wait waits until no request is in progress and none waits in HangThenCommit.
// When a client has given up on a call, Wait makes sure that the call changes
// nothing more.
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

// A task is a request that is in progress, or that waits in commitLater.
type task struct {
	done  chan struct{}
	timer *time.Timer // set while it waits in commitLater
}

// begin adds a task. The caller holds s.mu.
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

// commitLater applies a request after the delay of HangThenCommit.
func (s *Server) commitLater(ctx context.Context, r *request, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	t := s.begin()
	t.timer = time.AfterFunc(f.commitDelay, func() {
		defer s.end(t)
		s.apply(context.WithoutCancel(ctx), r)
		s.runHooks(f.after)
	})
}

// cancelLateCommits drops the requests that wait in commitLater.
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

// URL returns the server's base URL, such as http://127.0.0.1:41234. It begins
// with https if Options.HTTP2 or Options.TLS is set. It is on the loopback
// interface, unless Options.Addr names another one. The first call opens the port.
// URL panics if the server is closed, or if the port cannot be opened.
func (s *Server) URL() string {
	if err := s.Listen(); err != nil {
		panic(err.Error())
	}
	return s.socket.URL
}

// Listen opens the port, if it is not open yet. Call it to learn why it cannot be
// opened: URL and Client panic then.
func (s *Server) Listen() error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.socket != nil {
		return nil
	}
	if s.closed {
		return errors.New("siptest: the server is closed")
	}
	if err := s.listen(); err != nil {
		return fmt.Errorf("siptest: %w", err)
	}
	return nil
}

// SetAPIKey makes the server accept this API key instead of the one before, as
// when keys rotate. Without a text it accepts none. The server's own Client has
// the key of the time when it was made. Options.Username and Password stay valid.
func (s *Server) SetAPIKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiKey = key
}

// Requests returns the requests since the server began, or since ResetRequests,
// in the order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make([]Request, len(s.log))
	for i, r := range s.log {
		requests[i] = *r
	}
	return requests
}

// ResetRequests forgets the requests so far.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}
