package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/command"
	"github.com/infinitysip/infinitysip/siptest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"fleet":     func() { os.Exit(command.Main()) },
		"fleet-sql": statement,
	})
}

// Every script has a server of its own, which has the domains North, South and East/West,
// each with a user joe. accounts/acme.env has its credentials, key.txt an identity, and RECIPIENT
// what belongs to it.
//
// Besides the commands of testscript there are:
//
//	code N PROGRAM…   runs a program that has to end with the exit code N
//	until N PROGRAM…  runs a program again and again, until it ends with the exit code N
//	fleet-sql FILE STATEMENT  is a program that runs a statement in an SQLite file
//	until-has TEXT PROGRAM…  the same, until it writes a text to standard output
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":      code,
			"until":     until,
			"until-has": untilHas,
		},
	})
}

func setUp(env *testscript.Env) error {
	srv := siptest.NewServer(siptest.Options{})
	env.Defer(srv.Close)
	if err := srv.Listen(); err != nil {
		return err
	}
	for _, name := range []string{"North", "South", "East/West"} {
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: name})
		srv.AddUser(domain, infinitysip.User{User: "joe", DisplayName: "Joe", ExtensionNumber: "201"})
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	env.Setenv("FLEET_DB", filepath.Join(env.WorkDir, "fleet.db"))
	env.Setenv("SERVER", srv.URL())
	env.Setenv("RECIPIENT", identity.Recipient().String())
	env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmp"))
	for name, text := range map[string]string{
		"accounts/acme.env": "INFINITY_API_KEY=siptest-api-key\nINFINITY_BASE_URL=" + srv.URL() + "\n",
		"key.txt":           identity.String() + "\n",
		"tmp/none":          "",
	} {
		path := filepath.Join(env.WorkDir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// statement is the program fleet-sql: it runs a statement in an SQLite file.
func statement() {
	db, err := sql.Open("sqlite", os.Args[1])
	if err == nil {
		_, err = db.ExecContext(context.Background(), os.Args[2])
	}
	if err = errors.Join(err, db.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// code is the command of that name.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, program := arguments(ts, neg, args)
	if got := exitCode(ts, program); strconv.Itoa(got) != want {
		ts.Fatalf("the exit code is %d, want %s", got, want)
	}
}

// until is the command of that name.
func until(ts *testscript.TestScript, neg bool, args []string) {
	want, program := arguments(ts, neg, args)
	again(ts, func() bool { return strconv.Itoa(exitCode(ts, program)) == want })
}

// untilHas is the command of that name.
func untilHas(ts *testscript.TestScript, neg bool, args []string) {
	want, program := arguments(ts, neg, args)
	again(ts, func() bool {
		exitCode(ts, program)
		return strings.Contains(ts.ReadFile("stdout"), want)
	})
}

func arguments(ts *testscript.TestScript, neg bool, args []string) (want string, program []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: code|until|until-has WANT PROGRAM…")
	}
	return args[0], args[1:]
}

// again waits until something is so.
func again(ts *testscript.TestScript, so func() bool) {
	for begun := time.Now(); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			ts.Fatalf("it is not so after a minute")
		}
	}
}

// exitCode runs a program and returns its exit code.
func exitCode(ts *testscript.TestScript, program []string) int {
	err := ts.Exec(program[0], program[1:]...)
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return ended.ExitCode()
	}
	ts.Check(err)
	return 0
}
