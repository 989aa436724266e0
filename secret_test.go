package infinitysip_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	secret := infinitysip.NewSecret(password)
	require.Equal(t, password, secret.Reveal())
	require.True(t, secret.Equal(infinitysip.NewSecret(password)))
	require.False(t, secret.Equal(infinitysip.NewSecret(pin)))
	require.False(t, secret.IsZero())
	require.True(t, infinitysip.Secret{}.IsZero())
	require.True(t, infinitysip.NewSecret("").Equal(infinitysip.Secret{}))
	require.Empty(t, infinitysip.Secret{}.Reveal())
}

// However a Secret is printed, it says the same, and an empty one says nothing.
func TestSecretAsText(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{password: "[redacted]", "": ""} {
		secret := infinitysip.NewSecret(value)
		require.Equal(t, want, secret.String())
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			require.Equal(t, want, fmt.Sprintf(verb, secret), verb)
		}
		text, err := secret.MarshalText()
		require.NoError(t, err)
		require.Equal(t, want, string(text))
		out, err := json.Marshal(map[string]any{"secret": secret})
		require.NoError(t, err)
		require.JSONEq(t, `{"secret":"`+want+`"}`, string(out))
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
		require.Contains(t, log.String(), `"secret":"`+want+`"`)
	}
}

// A Secret can be read, but not from what it prints.
func TestSecretUnmarshals(t *testing.T) {
	t.Parallel()
	var read struct{ Password, PIN, Token infinitysip.Secret }
	read.Token = infinitysip.NewSecret("old")
	require.NoError(t, json.Unmarshal([]byte(`{"Password": "hunter2", "PIN": "[redacted]", "Token": ""}`), &read))
	require.Equal(t, "hunter2", read.Password.Reveal())
	require.True(t, read.PIN.IsZero())
	require.True(t, read.Token.IsZero())
}
