package main

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

func TestRunDeletesWhatItMade(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]siptest.Fault{
		"all well":          siptest.On("Domains.Get").Status(500), // never called
		"reading fails":     siptest.On("Users.Get").Status(403),
		"the device fails":  siptest.On("Devices.Create").Status(409),
		"the listing fails": siptest.On("Devices.List").Status(403),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := siptest.New(t)
			domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
			client := srv.InProcessClient()
			other, err := client.Devices.Create(t.Context(), domain, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "00:00:5E:00:53:FF"})
			require.NoError(t, err)
			srv.Fail(fault)

			var out bytes.Buffer
			err = run(t.Context(), &out, client, domain, "7999")

			require.Equal(t, name == "all well", err == nil, "%v", err)
			require.Contains(t, out.String(), "Deleted user 1")
			require.Empty(t, srv.Users(domain))
			require.Len(t, srv.Devices(domain), 1)
			require.Equal(t, other, srv.Devices(domain)[0].ID)
		})
	}
}

func TestRunWithoutDomain(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	var out bytes.Buffer
	err := run(t.Context(), &out, srv.InProcessClient(), 0, "7999")

	require.ErrorContains(t, err, "-domain")
	require.Equal(t, "Domain 1: Acme\n", out.String())
	require.Len(t, srv.Requests(), 1)
}

func TestStrayArguments(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "run", ".", "7").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "quickstart: there are flags only: what is 7?")
	require.NotContains(t, string(out), "Created user")
}
