package command

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// A terminal obeys nothing that a server, a file or the command line says.
func TestErrorsArePrintable(t *testing.T) {
	t.Parallel()
	const escape = "x\x1b[31m\u009b\xff"
	for _, args := range [][]string{
		{"plan", escape},
		{"users", "list", "-o", escape},
		{"users", "list", "--" + escape},
		{"users", "create", "a", "--name", "b", "--extension", "9", "--password-file", escape},
		{"users", "create", "a", "--name", "b", "--extension", "9", "--secrets", escape + "/y"},
		{"users", "list", "--credentials-file", escape},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), &app{stdin: new(bytes.Buffer), stdout: &stdout, stderr: &stderr}, args)
		require.NotZero(t, code)
		require.Contains(t, stderr.String(), `x\x1b[31m\u009b\xff`)
		require.NotContains(t, stderr.String(), "\x1b")
	}
	require.Equal(t, "Ewa Liś:\n\t日本語 \"C:\\x\" \\x1b", printableLines("Ewa Liś:\n\t日本語 \"C:\\x\" \x1b"))
}

func TestNamesOfShownSecretsArePrintable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, showSecrets(&out, provision.Credential{User: "a\x1b", Device: "b\x1b", Password: infinitysip.NewSecret("p"), PIN: infinitysip.NewSecret("q"), Token: infinitysip.NewSecret("r")}, ""))
	require.Equal(t, "Password of user a\\x1b: p\nPIN of user a\\x1b: q\nToken of device b\\x1b, of user a\\x1b: r\n", out.String())
}
