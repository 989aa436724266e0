package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/siptest"
)

// What the server is asked is what means the same to every server.
func TestFiltersForTheServer(t *testing.T) {
	t.Parallel()
	d, q := infinitysip.DeviceFields, infinitysip.QueueFields
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	devices := infinitysip.Where[infinitysip.Device]
	for text, want := range map[string][]infinitysip.Filter[infinitysip.Device]{
		"name is Lobby 1":                 devices(d.Name.Eq("Lobby 1")),
		"name is lobby any case":          devices(d.Name.EqFold("lobby")),
		"name begins L":                   devices(d.Name.Begins("L")),
		"name begins l any case":          devices(d.Name.BeginsFold("l")),
		"name ends L":                     devices(d.Name.Ends("L")),
		"name ends l any case":            devices(d.Name.EndsFold("l")),
		"name contains L-1":               devices(d.Name.Contains("L-1")),
		"name contains l any case":        devices(d.Name.ContainsFold("l")),
		"name in a,b":                     devices(d.Name.In("a", "b")),
		"name in a,b any case":            devices(d.Name.InFold("a", "b")),
		"name like L*":                    devices(d.Name.Glob("L*")),
		"id = 7":                          devices(d.ID.Eq("7")),
		"id in 7,08":                      devices(d.ID.In("7", "8")),
		"id > 7":                          devices(d.ID.Gt("7")),
		"id >= 7":                         devices(d.ID.Ge("7")),
		"id < 7":                          devices(d.ID.Lt("7")),
		"id <= 7":                         devices(d.ID.Le("7")),
		"updated before 2026-01-31":       devices(d.Updated.Lt(day)),
		"updated after 2026-01-31":        devices(d.Updated.Ge(day.AddDate(0, 0, 1))),
		"updated >= 2026-01-31":           devices(d.Updated.Ge(day)),
		"updated <= 2026-01-31":           devices(d.Updated.Lt(day.AddDate(0, 0, 1))),
		"updated is 2026-01-31":           devices(d.Updated.Ge(day), d.Updated.Lt(day.AddDate(0, 0, 1))),
		"updated is 2026-01-31 00:00:00":  devices(d.Updated.Eq(day)),
		"updated > 2026-01-31 00:00:00":   devices(d.Updated.Gt(day)),
		"updated <= 2026-01-31 00:00":     devices(d.Updated.Le(day)),
		"name is ''":                      nil,
		"name is not x":                   nil,
		"name not in x,y":                 nil,
		"name is set":                     nil,
		"name is not set":                 nil,
		"name matches /x/":                nil,
		"name > 7":                        nil,
		"name is é any case":              nil,
		"name in 'a,b',c":                 nil,
		"name like L?":                    nil,
		"name like l* any case":           nil,
		"name is 'a\nb'":                  nil,
		"name within 192.0.2.0/24":        nil,
		"updated is not 2026-01-31":       nil,
		"updated is not set":              nil,
		"name not contains x any case":    nil,
		"pbxDeviceName is not Lobby room": nil,
	} {
		c, err := newCondition(rowFields(deviceColumns()), text, byServer, time.Now())
		require.NoError(t, err, text)
		require.Equal(t, want, filtersOf[infinitysip.Device](c), text)
		c, err = newCondition(rowFields(deviceColumns()), text, byClient, time.Now())
		require.NoError(t, err, text)
		require.Empty(t, c.filters, text)
		require.NotPanics(t, func() { c.Match(c.text(&infinitysip.Device{})) })
	}
	c, err := newCondition(rowFields(queueColumns()), "extension is 0700", byServer, time.Now())
	require.NoError(t, err)
	require.Equal(t, infinitysip.Where(q.ExtensionNumber.Eq("0700")), filtersOf[infinitysip.Queue](c))
}

func TestConditionsLookAtTheRow(t *testing.T) {
	t.Parallel()
	type row struct {
		infinitysip.TrustedNetwork
		Order int                      `json:"order"`
		Group infinitysip.GroupID      `json:"groupId"`
		Flag  bool                     `json:"flag"`
		Key   infinitysip.Secret       `json:"key"`
		Text  infinitysip.RingStrategy `json:"text"`
	}
	shown := func(*row) string { return "shown" }
	columns := []output.Column[row]{{Name: "network", API: "network", Value: shown}, {Name: "order", API: "order", Value: shown}, {Name: "group", API: "groupId", Value: shown}, {Name: "flag", API: "flag", Value: shown}, {Name: "key", API: "key", Value: shown}, {Name: "text", API: "text", Value: shown}, {Name: "about", Value: shown}}
	full := row{infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("192.0.2.0/24")}, 0, 7, true, infinitysip.NewSecret("x"), "all"}
	for text, want := range map[string][2]bool{ // of the full row and of an empty one
		"network within 192.0.0.0/8": {true, false}, "network is set": {true, false},
		"order = 0": {true, true}, "order is set": {true, true},
		"group > 6": {true, false}, "group is not set": {false, true},
		"flag is true": {true, false}, "flag is not yes": {false, true},
		"text is all": {true, false}, "about is shown": {true, true}, "key is x": {false, false},
	} {
		c, err := newCondition(rowFields(columns), text, byClient, time.Now())
		require.NoError(t, err, text)
		require.Equal(t, want, [2]bool{c.Match(c.text(&full)), c.Match(c.text(&row{}))}, text)
	}
}

func TestOptionsForTheServer(t *testing.T) {
	t.Parallel()
	d := infinitysip.DeviceFields
	options := func(a *app) *infinitysip.DeviceListOptions {
		list, err := newRowList(a, deviceColumns(), byServer)
		require.NoError(t, err)
		return list.options()
	}
	require.Equal(t, &infinitysip.DeviceListOptions{}, options(&app{}))
	require.Equal(t, &infinitysip.DeviceListOptions{Limit: 5, Sort: infinitysip.OrderBy(d.Name.Desc(), d.ID.Asc())}, options(&app{list: listFlags{limit: 5, orderBy: []string{"-name", " pbxDeviceId"}}}))
	require.Equal(t, &infinitysip.DeviceListOptions{}, options(&app{list: listFlags{limit: 5}, output: output.Options{Sort: []string{"name"}}}), "all rows are sorted")
	require.Equal(t, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(d.Name.Eq("x"), d.ID.Gt("7"))}, options(&app{list: listFlags{limit: 5, where: []string{"name = x", "id > 7", "name is not y"}}}), "a server may ignore the filter, so the limit is not sent")
}

// A server that ignores filters, or pages, gives the same list.
func TestStubbornServers(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]siptest.Options{"obedient": {}, "ignores filters": {IgnoreFilters: true}, "ignores pages": {IgnorePaging: true}, "gives 10": {MaxRows: 10}} {
		srv := siptest.NewServer(options)
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "acme"})
		for i := range 50 {
			srv.AddDevice(domain, infinitysip.Device{MACAddress: fmt.Sprintf("10:20:30:40:50:%02x", i), Name: fmt.Sprintf("Lobby %d", i)})
		}
		client := srv.InProcessClient()
		for want, a := range map[string]*app{
			"10 11 12": {list: listFlags{where: []string{"name begins Lobby 1", "id > 10"}, limit: 3}, output: output.Options{Format: "template={{slice .pbxDeviceName 6}} "}},
			"49 48":    {list: listFlags{where: []string{"name begins Lobby"}, limit: 2}, output: output.Options{Format: "template={{slice .pbxDeviceName 6}} ", Sort: []string{"-id"}}},
			"0 1":      {list: listFlags{limit: 2}, output: output.Options{Format: "template={{slice .pbxDeviceName 6}}"}},
		} {
			var out bytes.Buffer
			a.stdout = &out
			list, err := newRowList(a, deviceColumns(), byServer)
			require.NoError(t, err)
			require.NoError(t, list.write(a, client.Devices.All(context.Background(), domain, list.options())))
			require.Equal(t, want, strings.Join(strings.Fields(out.String()), " "), name)
		}
		srv.Close()
	}
}

// Rows that were printed are counted where a list breaks off.
func TestAListThatBreaksOff(t *testing.T) {
	t.Parallel()
	cut := errors.New("the answer was cut short")
	rows := func(n int) iter.Seq2[infinitysip.Device, error] {
		return func(yield func(infinitysip.Device, error) bool) {
			for i := range n {
				if !yield(infinitysip.Device{ID: infinitysip.DeviceID(i + 1), Name: "Lobby"}, nil) {
					return
				}
			}
			yield(infinitysip.Device{}, cut)
		}
	}
	for n, want := range map[int]string{0: "the answer was cut short", 1: "the answer was cut short\nOne row was printed before that. The list is not complete.", 3: "the answer was cut short\n3 rows were printed before that. The list is not complete."} {
		for _, where := range [][]string{nil, {"name is Lobby"}} {
			a := &app{stdout: io.Discard, list: listFlags{where: where}, output: output.Options{Format: "json"}}
			list, err := newRowList(a, deviceColumns(), byServer)
			require.NoError(t, err)
			err = list.write(a, rows(n))
			require.EqualError(t, err, want)
			require.ErrorIs(t, err, cut)
			require.Equal(t, exitFailed, exitCode(err))
			a.output.Sort = []string{"name"}
			list, err = newRowList(a, deviceColumns(), byServer)
			require.NoError(t, err)
			require.EqualError(t, list.write(a, rows(n)), cut.Error())
		}
	}
}

// A reader that has seen enough ends the list: nothing more is asked for, and nothing
// is said.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "acme"})
	for i := range 30_000 {
		srv.AddDevice(domain, infinitysip.Device{MACAddress: fmt.Sprintf("10:20:30:%02x:%02x:%02x", i>>16, i>>8&255, i&255), Name: fmt.Sprintf("Lobby %d", i)})
	}
	client := srv.InProcessClient()
	for _, format := range []string{"table", "json", "ndjson", "yaml", "csv", "template={{.user}}"} {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, r.Close())
		srv.ResetRequests()
		a := &app{stdout: w, output: output.Options{Format: format}}
		list, err := newRowList(a, deviceColumns(), byServer)
		require.NoError(t, err)
		err = list.write(a, client.Devices.All(context.Background(), domain, list.options()))
		require.NoError(t, w.Close())
		require.Error(t, err)
		require.Equal(t, exitDone, exitCode(err), format)
		require.Less(t, len(srv.Requests()), 25, format)
	}
}

func TestPrintID(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"": "17\n", "table": "17\n", "json": "{\n  \"userId\": \"17\"\n}\n", "ndjson": "{\"userId\":\"17\"}\n", "yaml": "userId: \"17\"\n", "csv": "userId\n17\n", "template=made {{.userId}}": "made 17\n"} {
		var out bytes.Buffer
		require.NoError(t, printID(&app{stdout: &out, output: output.Options{Format: format}}, "userId", infinitysip.UserID(17)))
		require.Equal(t, want, out.String(), format)
	}
	closed, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	err = printID(&app{stdout: closed}, "userId", infinitysip.UserID(17))
	require.ErrorAs(t, err, new(*output.WriteError))
	require.Equal(t, exitFailed, exitCode(err))
}

func TestMadeTellsWhatWentWrongIntoAClosedPipe(t *testing.T) {
	t.Parallel()
	out, in, err := os.Pipe()
	require.NoError(t, err)
	defer func() { require.NoError(t, in.Close()) }()
	require.NoError(t, out.Close())
	a := &app{stdout: in}
	require.Equal(t, exitDone, exitCode(made(a, "userId", infinitysip.UserID(17), nil)))
	lost := errors.New("it was done, but the password is not written down")
	err = made(a, "userId", infinitysip.UserID(17), lost)
	require.ErrorIs(t, err, lost)
	require.Equal(t, exitFailed, exitCode(err))
}
