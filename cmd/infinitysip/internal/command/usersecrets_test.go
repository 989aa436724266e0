package command

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// keptSecrets notes what it is told, and fails where it is told to.
type keptSecrets struct {
	noKeeper
	states             []provision.CredentialState
	errKeep, errSettle error
}

func (k *keptSecrets) Keep(provision.Credential) error { return k.errKeep }

func (k *keptSecrets) Settle(c provision.Credential) error {
	k.states = append(k.states, c.State)
	return k.errSettle
}

func TestKeep(t *testing.T) {
	t.Parallel()
	outcome := func(o infinitysip.Outcome) error { return &infinitysip.Error{Op: "Users.Create", Outcome: o} }
	for _, c := range []struct {
		err  error
		want provision.CredentialState
	}{
		{nil, provision.CredentialConfirmed},
		{outcome(infinitysip.OutcomeApplied), provision.CredentialConfirmed},
		{outcome(infinitysip.OutcomeNotApplied), provision.CredentialRefused},
		{infinitysip.UserCreateParams{}.Validate(), provision.CredentialRefused},
		{outcome(infinitysip.OutcomeUnknown), provision.CredentialUnknown},
		{&infinitysip.Error{Outcome: infinitysip.OutcomeApplied, Err: infinitysip.ErrTokenLost}, provision.CredentialUnknown},
		{errors.New("something else"), provision.CredentialUnknown},
	} {
		k := &keptSecrets{}
		err := keep(k, provision.Credential{User: "joe"}, func() (infinitysip.Secret, error) { return infinitysip.Secret{}, c.err })
		require.ErrorIs(t, err, c.err)
		require.Equal(t, []provision.CredentialState{c.want}, k.states)
	}

	// What cannot be kept is not used.
	full := errors.New("the disk is full")
	err := keep(&keptSecrets{errKeep: full}, provision.Credential{}, func() (infinitysip.Secret, error) {
		t.Error("the call was made")
		return infinitysip.Secret{}, nil
	})
	require.ErrorIs(t, err, full)

	// What cannot be settled is told, and a token is lost then.
	err = keep(&keptSecrets{errSettle: full}, provision.Credential{}, func() (infinitysip.Secret, error) { return infinitysip.Secret{}, nil })
	require.EqualError(t, err, "it was done, but the disk is full")
	err = keep(&keptSecrets{errSettle: full}, provision.Credential{}, func() (infinitysip.Secret, error) { return infinitysip.NewSecret("token"), nil })
	require.ErrorIs(t, err, infinitysip.ErrTokenLost)
	err = keep(&keptSecrets{errSettle: full}, provision.Credential{}, func() (infinitysip.Secret, error) {
		return infinitysip.Secret{}, outcome(infinitysip.OutcomeUnknown)
	})
	require.ErrorIs(t, err, full)
	require.Equal(t, exitUnknown, exitCode(err))
}

func TestReadSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]string{"x": "x", "x\n": "x", "x\r\n": "x", " x y ": " x y ", "x\n\n": "", "": "", "\n": "", "x\ny": "", strings.Repeat("x", 70_000): ""} {
		name := filepath.Join(dir, "secret")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		for _, a := range []*app{{}, {stdin: strings.NewReader(text)}} {
			from := name
			if a.stdin != nil {
				from = "-"
			}
			secret, err := a.readSecret(t.Context(), "the password", from)
			if want == "" {
				require.Equal(t, exitUsage, exitCode(err))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, want, secret.Reveal())
		}
	}
	_, err := (&app{}).readSecret(t.Context(), "the PIN", dir)
	require.ErrorContains(t, err, "the PIN cannot be read from "+dir)

	// A pipe on which nothing comes does not hold up the end of the command.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	_, err = (&app{stdin: r}).readSecret(ctx, "the password", "-")
	require.EqualError(t, err, "the password was not read: context canceled")
}

// After Ctrl-C nothing more is begun.
func TestEachStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var stderr strings.Builder
	things := []named[infinitysip.UserID]{{1, "a"}, {2, "b"}, {3, "c"}, {4, ""}}
	err := each(ctx, &app{stderr: &stderr}, things, "user", "deleting", "Deleted", func(n named[infinitysip.UserID]) error {
		if n.id == 2 {
			cancel()
			return ctx.Err()
		}
		return nil
	})
	require.EqualError(t, err, "deleting user b (id 2): context canceled\nnot touched: 2 users: c (id 3), 4")
	require.Equal(t, "Deleted user a (id 1).\n", stderr.String())
	require.Equal(t, exitFailed, exitCode(err))
}

func TestCountOf(t *testing.T) {
	t.Parallel()
	things := make([]named[infinitysip.UserID], 23)
	for i := range things {
		things[i].id = infinitysip.UserID(i + 1)
	}
	require.Equal(t, "user 1 of domain acme", countOf("user", things[:1], " of domain acme"))
	require.Regexp(t, `^23 users: 1, 2, .*, 20, and 3 more$`, countOf("user", things, ""))
}
