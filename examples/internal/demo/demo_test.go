package demo

import (
	"flag"
	"fmt"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

func TestConnectWithoutAccount(t *testing.T) {
	t.Parallel()
	target, err := Connect(t.Context(), false, "9")
	require.NoError(t, err)
	defer target.Close()
	require.False(t, target.Live)
	require.Contains(t, target.Note, "nothing real is touched")

	require.NoError(t, Fill(t.Context(), target.Client, target.Domain))
	users, err := target.Client.Users.List(t.Context(), 9)
	require.NoError(t, err)
	require.Len(t, users, 4)

	named, err := Connect(t.Context(), false, "Acme")
	require.NoError(t, err)
	defer named.Close()
	domain, err := named.Client.Domains.Find(t.Context(), "acme")
	require.NoError(t, err)
	require.Equal(t, named.Domain, domain.ID)
}

func TestFlagsOnly(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.Bool("live", false, "")
	require.NoError(t, flags.Parse([]string{"-live"}))
	require.NoError(t, FlagsOnly(flags))
	require.NoError(t, flags.Parse([]string{"domain.json", "-live"}))
	require.EqualError(t, FlagsOnly(flags), "there are flags only: what is domain.json -live?")
}

func TestConnectLive(t *testing.T) {
	t.Setenv("INFINITY_USERNAME", "")
	t.Setenv("INFINITY_API_KEY", "")
	t.Setenv("INFINITY_BASE_URL", "")
	_, err := Connect(t.Context(), true, "7")
	require.ErrorContains(t, err, "INFINITY_API_KEY")

	t.Setenv("INFINITY_API_KEY", "key")
	target, err := Connect(t.Context(), true, "")
	require.NoError(t, err)
	defer target.Close()
	require.True(t, target.Live)
	require.Equal(t, "Running against https://api.infinitycloud.com.", target.Note)

	_, err = ConnectToDomain(t.Context(), true, "")
	require.ErrorContains(t, err, "-live needs -domain")
}

// INFINITY_BASE_URL names the server.
func TestConnectElsewhere(t *testing.T) {
	srv := siptest.New(t, siptest.Options{APIKey: "key"})
	for id, name := range map[infinitysip.DomainID]string{7: "Acme", 8: "Globex", 9: "Globex", 10: "7", 11: "42", 12: "13"} {
		srv.AddDomain(infinitysip.Domain{ID: id, DisplayName: name})
	}
	t.Setenv("INFINITY_API_KEY", "key")
	t.Setenv("INFINITY_BASE_URL", srv.URL())

	for domain, want := range map[string]infinitysip.DomainID{"acme": 7, "Acme": 7, "9": 9, "": 0} {
		target, err := Connect(t.Context(), true, domain)
		require.NoError(t, err)
		require.Equal(t, want, target.Domain)
		note := "Running against " + srv.URL()
		if want != 0 {
			note += fmt.Sprintf(", domain %d (%s)", want, map[infinitysip.DomainID]string{7: "Acme", 9: "Globex"}[want])
		}
		require.Equal(t, note+".", target.Note)
		target.Close()
	}
	for domain, want := range map[string]string{
		"initech": `no domain of this account is called "initech": give -domain its display name or its id; the quickstart example lists your domains`,
		"7":       `7 is the id of the domain "Acme", and the display name of the domain 10: give -domain 10 for that one, or let one of them be renamed`,
		"42":      `no domain of this account has the id 42; the domain 11 is called "42": give -domain 11, if that is meant`,
		"43":      "no domain of this account has the id 43: give -domain its display name or its id; the quickstart example lists your domains",
		"Globex":  `2 domains are called "Globex": give -domain the id of one of them: 8, 9`,
	} {
		_, err := Connect(t.Context(), true, domain)
		require.EqualError(t, err, want)
	}

	// Credentials that may not list domains name one by its id.
	srv.Fail(siptest.On("Domains.List").Times(1).Status(403))
	target, err := Connect(t.Context(), true, "9")
	require.NoError(t, err)
	defer target.Close()
	require.Equal(t, "Running against "+srv.URL()+", domain 9.", target.Note)

	t.Setenv("INFINITY_API_KEY", "another")
	_, err = Connect(t.Context(), true, "acme")
	require.ErrorContains(t, err, "the server refuses the credentials of INFINITY_API_KEY")
	require.ErrorContains(t, err, `looking for the domain "acme"`)
	require.ErrorIs(t, err, infinitysip.ErrUnauthorized)

	t.Setenv("INFINITY_BASE_URL", "http://sip.example.com")
	_, err = Connect(t.Context(), true, "9")
	require.EqualError(t, err, "INFINITY_BASE_URL is no https address of a server, nor an http address of this machine")
}
