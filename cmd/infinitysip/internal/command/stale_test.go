package command

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

func TestStaleDevices(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	for _, o := range []siptest.Options{{}, {IgnoreFilters: true}} {
		srv := siptest.NewServer(o)
		t.Cleanup(srv.Close)
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "acme"})
		srv.AddUser(domain, infinitysip.User{User: "joe"})
		for i, d := range []infinitysip.Device{
			{Name: "made today", Created: now},
			{Name: "made long ago, never changed", Created: ago(400)},
			{Name: "changed today", Created: ago(400), Updated: now, UserID: 1},
			{Name: "changed 89 days ago", Created: ago(400), Updated: ago(89)},
			{Name: "changed 90 days ago", Created: ago(400), Updated: ago(90), UserID: 1},
			{Name: "changed 91 days ago", Created: ago(400), Updated: ago(91)},
		} {
			d.MACAddress = "10:20:30:00:00:0" + string(rune('0'+i))
			srv.AddDevice(domain, d)
		}
		for want, args := range map[string][]string{
			"NAME,DAYS,NEVER\n\"made long ago, never changed\",400,true\nchanged 90 days ago,90,false\nchanged 91 days ago,91,false\n": nil,
			"NAME,DAYS,NEVER\n\"made long ago, never changed\",400,true\nchanged 91 days ago,91,false\n":                               {"--unassigned"},
			"NAME,DAYS,NEVER\n\"made long ago, never changed\",400,true\n":                                                             {"--days", "300"},
			"NAME,DAYS,NEVER\nchanged 90 days ago,90,false\n":                                                                          {"--where", "user is joe"},
			"NAME,DAYS,NEVER\nchanged 91 days ago,91,false\nchanged 90 days ago,90,false\n":                                            {"--where", "days < 100", "--sort", "-days"},
		} {
			got := onServer(t.Context(), t, srv, &app{now: func() time.Time { return now }}, append([]string{"devices", "stale", "-o", "csv", "--columns", "NAME,DAYS,NEVER"}, args...)...)
			require.Equal(t, ran{stdout: want}, got, args)
		}
	}
}
