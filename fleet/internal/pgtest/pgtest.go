// Package pgtest runs a PostgreSQL server for tests, which is thrown away after them.
//
// The server's programs must be installed: initdb and postgres, in PATH or where Debian
// puts them. A test that needs them is skipped where they are missing, unless the flag
// -postgres says that this is a failure.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// flag.Parse of package testing must know the flag before any test runs.
var required = flag.Bool("postgres", false, "fail the tests that need PostgreSQL if its programs are missing, instead of skipping them")

// shared is the server of all tests of this process that do not stop it.
var shared struct {
	sync.Mutex
	main   bool // Main runs, and stops the server at the end
	server *Server
	err    error // of the only attempt to start it
}

var errMissing = errors.New("initdb and postgres are not in PATH nor in /usr/lib/postgresql/*/bin: install PostgreSQL")

// Main runs the tests of a package, stops the server that URL started, and ends the
// process. It is what TestMain does:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
func Main(m *testing.M) {
	shared.Lock()
	shared.main = true
	shared.Unlock()
	code := m.Run()
	if shared.server != nil {
		shared.server.close()
	}
	os.Exit(code)
}

// Each runs a test on each kind of database, at the same time: where is a new database
// on the server, or the path of a file of SQLite that is not there yet.
func Each(t *testing.T, test func(t *testing.T, where string)) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, URL(t))
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "fleet.db"))
	})
}

// URL makes a database and returns its URL. The database is empty, and it is dropped when
// the test has ended. The server is that of all tests of the process: it is started when
// the first test asks for it, and must not be stopped.
func URL(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		t.Fatal("the package needs: func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start()
	}
	skip(t, shared.err)
	return shared.server.URL(t)
}

func skip(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errMissing) && !*required:
		t.Skip("this test needs PostgreSQL and is skipped: ", err)
	case err != nil:
		t.Fatal("starting PostgreSQL: ", err)
	}
}

// A Server is a running server. The user is postgres, who may do everything and needs no
// password. A test may make a user "guarded", who needs one.
type Server struct {
	postgres  string // the program
	directory string
	port      int
	databases int

	process *exec.Cmd     // nil when it is stopped
	ended   chan struct{} // closed when process has ended
}

// New starts a server for one test, which may stop it. It ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	server, err := start()
	skip(t, err)
	t.Cleanup(server.close)
	return server
}

func start() (*Server, error) {
	initdb, postgres, err := programs()
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	s := &Server{postgres: postgres, directory: directory}
	if err := s.create(initdb); err != nil {
		_ = os.RemoveAll(directory)
		return nil, err
	}
	for range 10 {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(); err == nil {
			return s, nil
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	s.close()
	return nil, err
}

// programs finds initdb and postgres, the newest if Debian has several.
func programs() (initdb, postgres string, err error) {
	if initdb, err = exec.LookPath("initdb"); err == nil {
		if postgres, err = exec.LookPath("postgres"); err == nil {
			return initdb, postgres, nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", "", errMissing
	}
	version := func(path string) int {
		number, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return number
	}
	postgres = slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	initdb = filepath.Join(filepath.Dir(postgres), "initdb")
	if _, err := os.Stat(initdb); err != nil {
		return "", "", errMissing
	}
	return initdb, postgres, nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) create(initdb string) error {
	if err := give(s.directory); err != nil {
		return err
	}
	command := exec.Command(initdb, "--pgdata="+s.data(), "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	command.Dir = s.directory
	command.SysProcAttr = attributes()
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(access), 0o600)
}

// access is who may connect, and how.
const access = `
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
`

func (s *Server) data() string { return filepath.Join(s.directory, "data") }

// start starts the server and waits until it answers.
func (s *Server) start() error {
	command := exec.Command(s.postgres, "-D", s.data(), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB")
	command.Dir = s.directory
	command.SysProcAttr = attributes()
	var log bytes.Buffer // read only when the process has ended
	command.Stdout, command.Stderr = &log, &log
	command.WaitDelay = 5 * time.Second // if the server is killed and its children are not

	started := make(chan error)
	ended := make(chan struct{})
	go func() {
		// Linux tells the server of its parent's death when the thread that started it ends, so
		// that thread must last.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = command, ended

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := s.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			s.process = nil
			return fmt.Errorf("postgres ended: %s\n%s", command.ProcessState, &log)
		case <-ctx.Done():
			s.kill()
			return fmt.Errorf("postgres does not answer: %w\n%s", err, &log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) ping(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	return connection.Close(ctx)
}

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// URL makes a database on the server and returns its URL. It is dropped when the test has
// ended, if the server runs then.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	s.databases++
	name := "test" + strconv.Itoa(s.databases)
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatal("making a database: ", err)
	}
	t.Cleanup(func() {
		if s.process != nil {
			_ = s.exec("DROP DATABASE " + name + " WITH (FORCE)")
		}
	})
	return s.url(name)
}

func (s *Server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, statement)
	return err
}

// Stop stops the server, which ends all sessions. What was committed is kept.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.process == nil {
		t.Fatal("PostgreSQL is stopped already")
	}
	s.stop()
}

// Start starts the server again after Stop, at the same port.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.process != nil {
		t.Fatal("PostgreSQL runs already")
	}
	if err := s.start(); err != nil {
		t.Fatal("starting PostgreSQL again: ", err)
	}
}

// Restart is Stop and Start.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

// stop has the server end its sessions and itself, and kills it if it does not.
func (s *Server) stop() {
	_ = s.process.Process.Signal(os.Interrupt)
	select {
	case <-s.ended:
		s.process = nil
	case <-time.After(30 * time.Second):
		s.kill()
	}
}

func (s *Server) kill() {
	_ = s.process.Process.Kill()
	<-s.ended
	s.process = nil
}

func (s *Server) close() {
	if s.process != nil {
		s.stop()
	}
	_ = os.RemoveAll(s.directory)
}
