package command

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// domains makes a server with so many domains, each with a network that it shares with
// the others, and one of its own.
func domains(t *testing.T, n int) *siptest.Server {
	t.Helper()
	srv := siptest.NewServer(siptest.Options{})
	t.Cleanup(srv.Close)
	for i := range n {
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: fmt.Sprintf("domain %d", i+1)})
		srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("8.8.8.0/24"), Description: "shared"})
		srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{9, 9, byte(i), 0}), 24), Description: "own"})
	}
	return srv
}

func TestAuditGoesThroughDomainsInOrder(t *testing.T) {
	t.Parallel()
	srv := domains(t, 23)
	got := onServer(t.Context(), t, srv, &app{}, "audit", "networks", "-o", "csv", "--columns", "domain-id,finding,detail", "--no-header")
	require.Equal(t, 0, got.code)
	require.Empty(t, got.stderr)
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	require.Len(t, lines, 22)
	for i, line := range lines {
		require.True(t, strings.HasPrefix(line, fmt.Sprintf("%d,same,", i+2)), line)
	}
	require.Equal(t, `23,same,"8.8.8.0/24 (id 1) of domain domain 1 (id 1), 8.8.8.0/24 (id 3) of domain domain 2 (id 2), 8.8.8.0/24 (id 5) of domain domain 3 (id 3), and 19 more"`, lines[21])

	got = onServer(t.Context(), t, srv, &app{}, "audit", "networks", "--fail", "--limit", "1", "-o", "csv", "--columns", "domain-id", "--no-header")
	require.Equal(t, "2\n", got.stdout)
	require.Equal(t, 1, got.code)

	got = onServer(t.Context(), t, srv, &app{}, "audit", "networks", "--fail", "--where", "finding is private")
	require.Equal(t, 0, got.code, "what is not asked for is no finding")
}

func TestAuditOfDomainsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	srv := domains(t, 9)
	srv.Fail(siptest.On("TrustedNetworks.List").Nth(2).Times(1).Status(403))
	srv.Fail(siptest.On("TrustedNetworks.List").Nth(7).Times(1).Status(404))
	got := onServer(t.Context(), t, srv, &app{}, "audit", "networks", "-o", "csv", "--no-header")
	require.Equal(t, exitCredentials, got.code)
	require.Equal(t, 2, strings.Count(got.stderr, "reading the trusted networks of domain domain "), got.stderr)
	require.NotContains(t, got.stderr, "TrustedNetworks.List")
	require.NotContains(t, got.stderr, "not looked at")
	require.Equal(t, 6, strings.Count(got.stdout, ",same,"), got.stdout)

	srv.Fail(siptest.On("TrustedNetworks.List").Status(401))
	got = onServer(t.Context(), t, srv, &app{}, "audit", "networks", "-o", "csv", "--no-header")
	require.Equal(t, exitCredentials, got.code)
	require.Contains(t, got.stderr, "domain domain 1 (id 1)")
	require.Contains(t, got.stderr, "not looked at: 8 domains after that")
}

func TestAuditIsStopped(t *testing.T) {
	t.Parallel()
	srv := domains(t, 9)
	ctx, cancel := context.WithCancel(t.Context())
	srv.Fail(siptest.On("TrustedNetworks.List").Nth(6).Before(func(*siptest.Server) { cancel() }).Hang())
	got := onServer(ctx, t, srv, &app{}, "audit", "networks", "-o", "csv", "--no-header")
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `^infinitysip: stopped: not looked at: [1-9] domains?\n$`, got.stderr)
}

func TestAuditOfNoDomains(t *testing.T) {
	t.Parallel()
	require.Zero(t, onServer(t.Context(), t, domains(t, 0), &app{}, "audit", "networks", "-o", "ndjson", "--fail"))
}
