package command

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/demo"
	"github.com/infinitysip/infinitysip/siptest"
)

// office is a server with the office of the demo.
func office(t *testing.T) *siptest.Server {
	t.Helper()
	srv := siptest.NewServer(siptest.Options{})
	t.Cleanup(srv.Close)
	_, err := demo.Office(t.Context(), srv)
	require.NoError(t, err)
	return srv
}

func TestRotateIsStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, at string
		fault    func(siptest.Fault, func(*siptest.Server)) siptest.Fault
		rotated  bool
		stderr   string
	}{
		// The second step is made all the same, so that the device has a user.
		{"within the second step", "Users.AddDevice", siptest.Fault.Before, true, `^Device "Joe's desk" .* has another token\.\ninfinitysip: stopped: nothing was done with: device "Amira's desk" .*\n$`},
		{"before anything", "Devices.Get", siptest.Fault.After, false, "stopped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := office(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			srv.Fail(c.fault(siptest.On(c.at).Times(1), func(*siptest.Server) { cancel() }))
			file := filepath.Join(t.TempDir(), "tokens.csv")
			got := onServer(ctx, t, srv, &app{}, "devices", "rotate-token", "1", "2", "--domain", "1", "--secrets", file, "--yes")
			text, _ := os.ReadFile(file)
			require.Regexp(t, c.stderr, got.stderr)
			if c.rotated {
				require.Regexp(t, `(?m)^confirmed,joe.blogs,10:20:30:1A:2B:3C,,,[0-9a-f]{25}$`, string(text))
			}
			require.NotContains(t, string(text), "amira")
			for _, d := range srv.Devices(1)[:2] {
				require.NotZero(t, d.UserID)
			}
		})
	}
}

func TestCommandsForAShell(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"joe.blogs": "joe.blogs", "10:20:30:1A:2B:3C": "10:20:30:1A:2B:3C", "=201": "=201", "": "''",
		"Joe's desk": `'Joe'\''s desk'`, "a$b": "'a$b'", "*": "'*'", "age1…": "'age1…'", "a\x1b[2Jb": `'a\x1b[2Jb'`,
	} {
		require.Equal(t, want, shellWord(word))
	}
	a := &app{domain: "our acme", secrets: secretOptions{file: "tokens.age", recipients: []string{"age1qq"}}}
	require.Equal(t, "infinitysip devices rotate-token 1 --secrets tokens.age --age age1qq --identity KEY --domain 'our acme'", a.again("devices", "rotate-token", "1"))
	require.Equal(t, "infinitysip devices get 1", (&app{}).command("devices", "get", "1"))
	require.Equal(t, "infinitysip devices get 1 --domain 2 --profile acme", (&app{domain: "2", profile: "acme"}).command("devices", "get", "1"))
	require.Equal(t, "infinitysip devices get 1 --credentials-file 'a b'", (&app{credentialsFile: "a b"}).command("devices", "get", "1"))
	require.Equal(t, "infinitysip devices rotate-token 1 --show-secrets", (&app{}).again("devices", "rotate-token", "1"))
}

func TestCutRotation(t *testing.T) {
	t.Parallel()
	srv := office(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv.Fail(siptest.On("Users.RemoveDevice").CommitThenDrop().Before(func(*siptest.Server) { cancel() }))
	got := onServer(ctx, t, srv, &app{}, "devices", "rotate-token", "2", "--show-secrets", "--yes")
	require.Equal(t, exitUnknown, got.code, got.stderr)
	require.Contains(t, got.stderr, "It may have been taken from user amira.khan (id 2) and not given back.")
}
