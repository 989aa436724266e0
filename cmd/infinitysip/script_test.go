package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/command"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/demo"
	"github.com/infinitysip/infinitysip/siptest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"infinitysip":           func() { os.Exit(command.Main()) },
		"infinitysip-full-disk": fullDisk,
	})
}

// Every script runs beside a server of its own, which has the office of the demo
// and keeps it from one command to the next. The environment names that server,
// and a configuration folder that is empty.
//
// Besides the commands of testscript there are:
//
//	fault OP [nth N] [times N] status CODE|header NAME VALUE|drop|hang|slow DURATION
//	                 makes the server fail at calls of OP ("*" is any)
//	struck           waits until a fault has struck that no struck has waited for
//	code N PROGRAM…  runs a program that has to end with the exit code N
//	requests OP N    checks that the server had N requests of OP since the last look
//	port NAME        sets an environment variable to the number of a free port
//	call [-ca FILE] METHOD URL [KEY [FORM]]
//	                 makes a request as a program in another language does
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":     code,
			"fault":    fault,
			"struck":   struck,
			"requests": requests,
			"port":     port,
			"call":     call,
		},
	})
}

type (
	serverKey struct{}
	struckKey struct{}
)

func setUp(env *testscript.Env) error {
	srv := siptest.NewServer(siptest.Options{})
	env.Defer(srv.Close)
	if _, err := demo.Office(context.Background(), srv); err != nil {
		return err
	}
	env.Values[serverKey{}], env.Values[struckKey{}] = srv, make(chan struct{}, 1000)
	home := filepath.Join(env.WorkDir, "home")
	for key, value := range map[string]string{
		"INFINITY_BASE_URL": srv.URL(),
		"INFINITY_API_KEY":  "siptest-api-key",
		"SERVER":            srv.URL(),
		"HOME":              home,
		"XDG_CONFIG_HOME":   filepath.Join(home, ".config"),
	} {
		env.Setenv(key, value)
	}
	return os.MkdirAll(home, 0o700)
}

func serverOf(ts *testscript.TestScript) *siptest.Server {
	return ts.Value(serverKey{}).(*siptest.Server)
}

// requests is the command of that name.
func requests(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: requests OP N")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	srv, n := serverOf(ts), 0
	var all []string
	for _, r := range srv.Requests() {
		all = append(all, r.Op)
		if args[0] == "*" || r.Op == args[0] {
			n++
		}
	}
	srv.ResetRequests()
	if n != want {
		ts.Fatalf("%d requests of %s, want %d; all: %s", n, args[0], want, strings.Join(all, " "))
	}
}

// code is the command of that name.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: code N PROGRAM…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// struck is the command of that name.
func struck(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 || neg {
		ts.Fatalf("usage: struck")
	}
	select {
	case <-ts.Value(struckKey{}).(chan struct{}):
	case <-time.After(20 * time.Second):
		ts.Fatalf("no fault struck in 20 seconds")
	}
}

// fault is the command of that name.
func fault(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: fault OP [nth N] [times N] status CODE|header NAME VALUE|drop|hang|slow DURATION")
	}
	strikes := ts.Value(struckKey{}).(chan struct{})
	f := siptest.On(args[0]).Before(func(*siptest.Server) {
		select {
		case strikes <- struct{}{}:
		default: // nobody waits for so many
		}
	})
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		ts.Check(err)
		return n
	}
	for i := 1; i < len(args); i++ {
		switch args[i] {
		case "nth":
			i++
			f = f.Nth(number(i))
		case "times":
			i++
			f = f.Times(number(i))
		case "status":
			i++
			f = f.Status(number(i))
		case "header":
			i += 2
			f = f.Header(args[i-1], args[i])
		case "drop":
			f = f.CommitThenDrop()
		case "hang":
			f = f.Hang()
		case "slow":
			i++
			d, err := time.ParseDuration(args[i])
			ts.Check(err)
			f = f.Latency(d)
		default:
			ts.Fatalf("fault: what is %q?", args[i])
		}
	}
	serverOf(ts).Fail(f)
}
