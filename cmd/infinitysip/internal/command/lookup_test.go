package command

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// The domain of a command. The environment of the test names none.
func TestFindDomain(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t, siptest.Options{AllowDuplicates: true})
	client := srv.InProcessClient()
	a := &app{profile: "test"} // so that INFINITY_DOMAIN does not count

	_, err := a.findDomain(t.Context(), client, "")
	require.ErrorContains(t, err, "the account has no domain")
	require.Equal(t, exitNotFound, exitCode(err))

	srv.AddDomain(infinitysip.Domain{ID: 7, DisplayName: "Acme"})
	id, err := a.findDomain(t.Context(), client, "")
	require.NoError(t, err)
	require.EqualValues(t, 7, id)

	srv.AddDomain(infinitysip.Domain{ID: 8, DisplayName: "Globex"})
	srv.AddDomain(infinitysip.Domain{ID: 9, DisplayName: "Globex"})
	srv.AddDomain(infinitysip.Domain{ID: 10, DisplayName: "7"})
	for text, want := range map[string]infinitysip.DomainID{"acme": 7, "Acme": 7, "7": 7, "=7": 10, "42": 42} {
		id, err := a.findDomain(t.Context(), client, text)
		require.NoError(t, err)
		require.Equal(t, want, id, text)
	}
	a.profileDomain = "acme"
	id, err = a.findDomain(t.Context(), client, "")
	require.NoError(t, err)
	require.EqualValues(t, 7, id)
	a.profileDomain = ""
	for text, want := range map[string]string{
		"":        "the account has 4 domains: say with --domain, or with INFINITY_DOMAIN, which is meant\n  7  Acme\n  8  Globex\n  9  Globex\n  10  7",
		"Globex":  `the account has 2 domains called "Globex": give the id of one of them: 8, 9`,
		"Initech": "the account has no domain called \"Initech\"\ninfinitysip domains list shows them all.",
		"Acne":    "the account has no domain called \"Acne\"\nDid you mean Acme (id 7)?",
		"Glob":    "the account has no domain called \"Glob\"\nDid you mean Globex (id 8) or Globex (id 9)?",
	} {
		_, err := a.findDomain(t.Context(), client, text)
		require.EqualError(t, err, want)
	}
	for i := range 20 {
		srv.AddDomain(infinitysip.Domain{ID: infinitysip.DomainID(100 + i), DisplayName: "x\x1b[2J"})
	}
	_, err = a.findDomain(t.Context(), client, "")
	require.ErrorContains(t, err, "\n  115  x\\x1b[2J\n  and 4 more, which infinitysip domains list shows")
	require.Equal(t, exitUsage, exitCode(err))
}

// Things that have one name are not guessed at.
func TestSeveralOfOneName(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t, siptest.Options{AllowDuplicates: true})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "acme"})
	s := &session{client: srv.InProcessClient(), domain: domain}
	for range 2 {
		srv.AddUser(domain, infinitysip.User{User: "joe"})
		srv.AddGroup(domain, infinitysip.Group{Name: "sales"})
		srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("192.0.2.0/28")})
		srv.AddDevice(domain, infinitysip.Device{MACAddress: "10:20:30:1A:2B:3C", Name: "Lobby"})
	}
	queue := srv.AddQueue(domain, infinitysip.Queue{Name: "front"})
	group := srv.AddGroup(domain, infinitysip.Group{Name: "support"})
	lonely := srv.AddGroup(domain, infinitysip.Group{Name: "lonely"})
	for _, id := range []infinitysip.GroupID{group, group, lonely} {
		_, err := s.client.Queues.CreateMember(t.Context(), domain, queue, infinitysip.QueueMemberCreateParams{GroupID: id, RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: 1})
		require.NoError(t, err)
	}

	_, err := s.user(t.Context(), "joe")
	require.EqualError(t, err, `domain 1 has 2 users called "joe": give the id of one of them: 1, 2`)
	require.Equal(t, exitUsage, exitCode(err))
	_, err = s.group(t.Context(), "sales")
	require.ErrorContains(t, err, `2 groups called "sales": give the id of one of them: 1, 2`)
	_, err = s.network(t.Context(), "192.0.2.0/28")
	require.ErrorContains(t, err, `2 trusted networks called "192.0.2.0/28": give the id of one of them: 1, 2`)
	_, err = s.device(t.Context(), "lobby")
	require.ErrorContains(t, err, `2 devices called "lobby": give the id of one of them: 1, 2`)
	_, err = s.device(t.Context(), "10-20-30-1a-2b-3c")
	require.ErrorContains(t, err, `2 devices called "10-20-30-1a-2b-3c": give the id of one of them: 1, 2`)

	_, err = s.member(t.Context(), queue, "support")
	require.EqualError(t, err, "queue 1 rings group support (id 3) 2 times: give the id of one of its members: 1, 2")
	member, err := s.member(t.Context(), queue, "lonely")
	require.NoError(t, err)
	require.EqualValues(t, 3, member)
	member, err = s.member(t.Context(), queue, "2")
	require.NoError(t, err)
	require.EqualValues(t, 2, member)
	_, err = s.member(t.Context(), queue, "sale")
	require.Equal(t, exitNotFound, exitCode(err))

	// By one list, or one by one, it is the same.
	for _, names := range [][]string{{"joe", "jon"}, {"joe", "jon", "2", "=x", "7"}} {
		_, err = s.users().many(t.Context(), names, false)
		require.ErrorContains(t, err, `2 users called "joe"`)
		require.ErrorContains(t, err, "no user called \"jon\"\nDid you mean joe (id 1) or joe (id 2)?")
		require.Equal(t, exitUsage, exitCode(err))
	}
}

// A server that ignores filters makes no difference.
func TestFindDevice(t *testing.T) {
	t.Parallel()
	for _, options := range []siptest.Options{{}, {IgnoreFilters: true}, {BareNumbers: true}} {
		srv := siptest.New(t, options)
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "acme"})
		s := &session{client: srv.InProcessClient(), domain: domain}
		srv.AddDevice(domain, infinitysip.Device{MACAddress: "10:20:30:1A:2B:3C", Name: "Lobby, ground floor"})
		srv.AddDevice(domain, infinitysip.Device{MACAddress: "10:20:30:1A:2B:3D", Name: "lobby"})
		srv.AddDevice(domain, infinitysip.Device{MACAddress: "10:20:30:1A:2B:3E", Name: "201"})
		srv.AddDevice(domain, infinitysip.Device{MACAddress: "10:20:30:1A:2B:3F", Name: "Lobby"})
		for text, want := range map[string]infinitysip.DeviceID{
			"10:20:30:1a:2b:3c": 1, "1020301a2b3d": 2, "3": 3, "=201": 3, "Lobby": 4, "lobby": 2, "LOBBY, ground FLOOR": 1,
		} {
			id, err := s.device(t.Context(), text)
			require.NoError(t, err, text)
			require.Equal(t, want, id, text)
		}
		_, err := s.device(t.Context(), "lobbi")
		require.ErrorContains(t, err, "domain 1 has no device called \"lobbi\"\nDid you mean")
		_, err = s.device(t.Context(), strings.Repeat("x", 300))
		require.Equal(t, exitNotFound, exitCode(err))
		all, err := s.devices().many(t.Context(), []string{"1020301a2b3d", "10-20-30-1a-2b-3c", "Lobby", "3", "4"}, true)
		require.NoError(t, err)
		require.Equal(t, []infinitysip.DeviceID{2, 1, 4, 3}, idsOf(all))
		require.Equal(t, "10:20:30:1A:2B:3E (id 3)", all[3].String())
	}
}
