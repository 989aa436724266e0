package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/examples/internal/people"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

func TestExport(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient()
	require.NoError(t, demo.Fill(t.Context(), client, domain))

	var file bytes.Buffer
	n, notes, err := export(t.Context(), client, domain, &file)

	require.NoError(t, err)
	require.Empty(t, notes)
	require.Equal(t, 4, n)
	// A test of the provision example provisions this same file.
	want, err := os.ReadFile("testdata/people.csv")
	require.NoError(t, err)
	require.Equal(t, string(want), file.String())

	everybody, problems, err := people.Read(&file)
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Len(t, everybody, len(srv.Users(domain)))
	require.Equal(t, "+447700900101", everybody[0].Mobile)
	require.Equal(t, []string{"sales", "support"}, everybody[1].Groups)
}

func TestExportTellsWhatHasNoRoom(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient()
	require.NoError(t, demo.Fill(t.Context(), client, domain))
	_, err := client.Groups.Create(t.Context(), domain, infinitysip.GroupCreateParams{
		Name: "a;b", DisplayName: "A", ExtensionNumber: "610", CallerNameFormat: "{displayName}"})
	require.NoError(t, err)
	for mac, user := range map[string]infinitysip.UserID{"00:00:5E:00:53:10": 1, "00:00:5E:00:53:11": 0} {
		device, err := client.Devices.Create(t.Context(), domain, infinitysip.DeviceCreateParams{Name: "Spare", MACAddress: mac})
		require.NoError(t, err)
		if user != 0 {
			_, err = client.Users.AddDevice(t.Context(), domain, user, device)
			require.NoError(t, err)
		}
	}

	var file bytes.Buffer
	_, notes, err := export(t.Context(), client, domain, &file)

	require.NoError(t, err)
	require.Equal(t, []string{
		"group a;b, since a semicolon separates names",
		"device 00:00:5E:00:53:10 of user amira.khan, who has 00:00:5E:00:53:01 too",
	}, notes)
}

func TestExportThatIsCutShort(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient()
	require.NoError(t, demo.Fill(t.Context(), client, domain))
	srv.Fail(siptest.On("Users.List").Truncate(700))

	var file bytes.Buffer
	n, _, err := export(t.Context(), client, domain, &file)

	require.Error(t, err)
	require.Less(t, n, 4)
	require.Equal(t, 1+n, strings.Count(file.String(), "\n"))
}
