package lock

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// interval is how often a session is asked whether it lives, and how old an answer may be.
	interval = time.Second

	// patience is how long the server may take for an answer. The session is lost then. It
	// is shorter than what the server takes to free the locks of a machine that is gone, so
	// that this machine knows first.
	patience = 5 * time.Second
)

// settings has the server keep the session, however idle, and end it when its machine
// has been gone for 20 seconds. A server that is too old for one of them does without.
const settings = `SELECT count(set_config(name, value, false)) FROM (VALUES
	('tcp_keepalives_idle', '5'),
	('tcp_keepalives_interval', '5'),
	('tcp_keepalives_count', '3'),
	('tcp_user_timeout', '20000'),
	('idle_session_timeout', '0'),
	('idle_in_transaction_session_timeout', '0')
) AS wanted (name, value) JOIN pg_settings USING (name)`

// A server keeps advisory locks in a session with PostgreSQL. One goroutine does all that
// is done in the session, so that the end of a caller's context does not cut a statement:
// pgx would close the session, and all its locks would be lost.
type server struct {
	config *pgx.ConnConfig
	start  sync.Once   // of the goroutine
	work   chan func() // for the goroutine
	closed context.Context
	cancel context.CancelFunc // of closed
	done   chan struct{}      // closed when the goroutine has ended

	// Only the goroutine uses these.
	session *session  // nil if there is none
	failure error     // why the last session could not be opened
	failed  time.Time // when that was
}

// A session is a connection that holds locks.
type session struct {
	connection *pgx.Conn
	schema     string
	process    uint32 // of the server
	held       map[int64]*Held
	alive      atomic.Pointer[time.Time] // when it was last asked something that it answered
}

func newServer(config *pgx.ConnConfig) *server {
	s := &server{config: config, work: make(chan func()), done: make(chan struct{})}
	s.closed, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *server) close() {
	s.cancel()
	s.start.Do(func() { close(s.done) })
	<-s.done
}

func (s *server) run() {
	defer close(s.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-s.closed.Done():
			s.endSession()
			return
		case work := <-s.work:
			work()
		case <-ticker.C:
			if s.session != nil && len(s.session.held) > 0 && !s.session.fresh() {
				s.ask()
			}
		}
	}
}

// do has the goroutine do work, and returns when it has begun, or with an error.
func (s *server) do(ctx context.Context, work func()) error {
	s.start.Do(func() { go s.run() })
	select {
	case s.work <- work:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.closed.Done():
		return errClosed
	}
}

func (s *server) try(ctx context.Context, name string) (*Held, error) {
	type answer struct {
		held *Held
		err  error
	}
	answers := make(chan answer)
	since := time.Now()
	err := s.do(ctx, func() {
		held, key, err := s.take(name, since)
		select {
		case answers <- answer{held, err}:
		case <-ctx.Done(): // nobody waits for the answer
			if held != nil {
				held.end(errReleased)
				s.free(s.session, key)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case answer := <-answers:
		return answer.held, answer.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// take takes a lock. The caller asked for it at the time since.
func (s *server) take(name string, since time.Time) (*Held, int64, error) {
	for {
		old := s.session != nil
		if !old {
			// Those who waited while a server did not answer do not wait for it one after the
			// other.
			if since.Before(s.failed) {
				return nil, 0, s.failure
			}
			if err := s.open(); err != nil {
				s.failure, s.failed = err, time.Now()
				return nil, 0, err
			}
		}
		session := s.session
		key := session.key(name)
		if session.held[key] != nil {
			return nil, 0, nil
		}
		var taken bool
		err := s.query(&taken, "SELECT pg_try_advisory_lock($1)", key)
		if s.session == nil && old {
			continue // the session had ended before, and nobody knew
		}
		if err != nil || !taken {
			return nil, 0, err
		}
		held := newHeld()
		held.check = func(ctx context.Context) error { return s.check(ctx, session, held) }
		held.free = func() {
			freed := make(chan struct{})
			err := s.do(context.Background(), func() {
				defer close(freed)
				s.free(session, key)
			})
			if err == nil {
				<-freed
			}
		}
		session.held[key] = held
		return held, key, nil
	}
}

// open opens a session.
func (s *server) open() error {
	ctx, cancel := context.WithTimeout(s.closed, 2*patience)
	defer cancel()
	connection, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return err
	}
	opened := &session{connection: connection, process: connection.PgConn().PID(), held: make(map[int64]*Held)}
	var schema *string
	var standby bool
	var count int
	err = connection.QueryRow(ctx, "SELECT current_schema(), pg_is_in_recovery()").Scan(&schema, &standby)
	if err == nil {
		err = connection.QueryRow(ctx, settings).Scan(&count)
	}
	switch {
	case err != nil:
	case schema == nil:
		err = errors.New("the schema that search_path names does not exist: create it")
	case standby:
		err = errors.New("the server is a standby, whose locks keep nobody out on the primary: name the primary in the URL")
	default:
		opened.schema = *schema
		s.session = opened
		return nil
	}
	s.hangUp(connection)
	return err
}

// key is the number of a lock. Advisory locks are those of a database, so the schema keeps
// two fleets in one database apart.
func (s *session) key(name string) int64 {
	hash := sha256.Sum256([]byte(s.schema + "\x00" + name))
	return int64(binary.BigEndian.Uint64(hash[:]))
}

// fresh tells whether the session lived a second ago or later. The clock that only goes
// forward stands still while some machines sleep, so the other one has to agree.
func (s *session) fresh() bool {
	alive := s.alive.Load()
	if alive == nil {
		return false
	}
	now := time.Now()
	wall := now.Round(0).Sub(alive.Round(0))
	return now.Sub(*alive) <= interval && wall <= interval && wall >= -interval
}

// query runs a statement in the session, which is lost if it does not answer.
func (s *server) query(result any, statement string, arguments ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	asked := time.Now()
	err := s.session.connection.QueryRow(ctx, statement, arguments...).Scan(result)
	switch {
	case err == nil:
		s.session.alive.Store(&asked)
	case s.session.connection.IsClosed():
		if ctx.Err() != nil {
			err = fmt.Errorf("the server did not answer for %s: %w", patience, err)
		}
		s.lose(err)
	}
	return err
}

// ask asks the session whether it lives.
func (s *server) ask() {
	var process uint32
	err := s.query(&process, "SELECT pg_backend_pid()")
	switch {
	case s.session == nil: // lost
	case err != nil:
		s.lose(err)
	case process != s.session.process:
		s.lose(errors.New("statements of one session reach several: a pooler before PostgreSQL must pool sessions, not transactions"))
	}
}

// lose gives the session up.
func (s *server) lose(cause error) {
	lost := s.session
	s.session = nil
	for _, held := range lost.held {
		held.lose(fmt.Errorf("the connection to the database that held it has ended: %w", cause))
	}
	s.hangUp(lost.connection)
}

func (s *server) hangUp(connection *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = connection.Close(ctx)
}

func (s *server) check(ctx context.Context, of *session, held *Held) error {
	if of.fresh() {
		return nil
	}
	checked := make(chan struct{})
	err := s.do(ctx, func() {
		defer close(checked)
		// An answer is old when it comes if the process was stopped meanwhile.
		for range 3 {
			if s.session != of || of.fresh() {
				return
			}
			s.ask()
		}
		if s.session == of && !of.fresh() {
			s.lose(fmt.Errorf("the server takes longer than %s for an answer", interval))
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-checked:
		return context.Cause(held.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// free frees a lock of a session. If that is not the present one, the lock is free.
func (s *server) free(of *session, key int64) {
	if s.session == nil || s.session != of {
		return
	}
	delete(of.held, key)
	var freed bool
	err := s.query(&freed, "SELECT pg_advisory_unlock($1)", key)
	if err == nil && !freed {
		err = errors.New("the session did not have the lock that it was to free")
	}
	if err != nil && s.session != nil {
		s.lose(err)
	}
}

// endSession frees all locks, waiting for it, and ends the session.
func (s *server) endSession() {
	if s.session == nil {
		return
	}
	for _, held := range s.session.held {
		held.end(errClosed)
	}
	var freed string
	_ = s.query(&freed, "SELECT pg_advisory_unlock_all()::text")
	if s.session != nil {
		s.hangUp(s.session.connection)
		s.session = nil
	}
}
