package main

import (
	"context"
	"fmt"
	"go/version"
	"io"
	"iter"
	"net/http"
	"reflect"
	"runtime"
	"strconv"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// A rowWay reads a list once.
type rowWay struct {
	name string
	read func() error
	rows func() ([]any, error) // for a test; nil: it keeps nothing
}

const (
	wayBaseline = "encoding/json Decoder into strings, by hand"
	wayScan     = "scan tokens, keep nothing"
	wayV2       = "json v2 (go-json-experiment), typed, unknown kept"
	waySonic    = "bytedance/sonic, typed"
	wayGoccy    = "goccy/go-json, typed"
	waySDK      = "this SDK, All"
	waySDKList  = "this SDK, List"

	usersPath   = "/config/v2/sip/domains/1/users"
	devicesPath = "/config/v2/sip/domains/1/devices"
)

func userWays(transport http.RoundTripper) []rowWay {
	return []rowWay{
		plain(wayBaseline, transport, usersPath, standard[stringUser]),
		floor("read and find line ends", transport, usersPath, lineEnds),
		floor(wayScan, transport, usersPath, scan),
		floor("json.Valid", transport, usersPath, valid),
		plain("encoding/json Decoder, typed, lenient", transport, usersPath, standard[typedUser]),
		plain("encoding/json, typed, unknown kept in a map", transport, usersPath, standardUnknown[keptUser](names[typedUser]())),
		plain(wayV2, transport, usersPath, byLine(v2[unknownUser])),
		plain(waySonic, transport, usersPath, byLine(viaSonic[typedUser])),
		plain(wayGoccy, transport, usersPath, byLine(viaGoccy[typedUser])),
		plain("tidwall/gjson by hand, typed", transport, usersPath, byLine(gjsonUser)),
		sdkUsers(transport),
	}
}

func deviceWays(transport http.RoundTripper) []rowWay {
	return []rowWay{
		plain(wayBaseline, transport, devicesPath, standard[stringDevice]),
		floor("read and find line ends", transport, devicesPath, lineEnds),
		floor(wayScan, transport, devicesPath, scan),
		floor("json.Valid", transport, devicesPath, valid),
		plain("encoding/json Decoder, typed, lenient", transport, devicesPath, standard[typedDevice]),
		plain("encoding/json, typed, unknown kept in a map", transport, devicesPath, standardUnknown[keptDevice](names[typedDevice]())),
		plain(wayV2, transport, devicesPath, byLine(v2[unknownDevice])),
		plain(waySonic, transport, devicesPath, byLine(viaSonic[typedDevice])),
		plain(wayGoccy, transport, devicesPath, byLine(viaGoccy[typedDevice])),
		plain("tidwall/gjson by hand, typed", transport, devicesPath, byLine(gjsonDevice)),
		sdkDevices(transport),
	}
}

// streamWays read users and keep none, collectWays keep them all. The baseline
// is the first.
func streamWays(transport http.RoundTripper) []rowWay {
	return []rowWay{plain(wayBaseline, transport, usersPath, standard[stringUser]), sdkUsers(transport)}
}

func collectWays(transport http.RoundTripper) []rowWay {
	client := bench.SDK(transport)
	return []rowWay{
		collected(wayBaseline, func() ([]stringUser, error) { return collect[stringUser](transport, usersPath) }),
		collected(waySDKList, func() ([]infinitysip.User, error) { return client.Users.List(context.Background(), 1) }),
	}
}

// plain is a way with an http.Client and a decoder.
func plain[T any](name string, transport http.RoundTripper, path string, decode decoder[T]) rowWay {
	return streamed(name, func(visit func(T)) error {
		resp, err := get(transport, path)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return decode(resp.Body, visit)
	})
}

// floor is a way that keeps nothing.
func floor(name string, transport http.RoundTripper, path string, look func(line []byte) error) rowWay {
	way := plain(name, transport, path, func(body io.Reader, _ func(struct{})) error { return lines(body, look) })
	way.rows = nil
	return way
}

func sdkUsers(transport http.RoundTripper) rowWay {
	client := bench.SDK(transport)
	return iterated(func() iter.Seq2[infinitysip.User, error] { return client.Users.All(context.Background(), 1) })
}

func sdkDevices(transport http.RoundTripper) rowWay {
	client := bench.SDK(transport, infinitysip.WithReadAhead(0)) // one core, as the other ways
	return iterated(func() iter.Seq2[infinitysip.Device, error] { return client.Devices.All(context.Background(), 1, nil) })
}

func iterated[T any](all func() iter.Seq2[T, error]) rowWay {
	return streamed(waySDK, func(visit func(T)) error {
		for row, err := range all() {
			if err != nil {
				return err
			}
			if visit != nil {
				visit(row)
			}
		}
		return nil
	})
}

func streamed[T any](name string, read func(visit func(T)) error) rowWay {
	return rowWay{
		name: name,
		read: func() error { return read(nil) },
		rows: func() (rows []any, err error) {
			err = read(func(row T) { rows = append(rows, row) })
			return rows, err
		},
	}
}

func collected[T any](name string, list func() ([]T, error)) rowWay {
	return rowWay{
		name: name,
		read: func() error { _, err := list(); return err },
		rows: func() (rows []any, err error) {
			all, err := list()
			for _, row := range all {
				rows = append(rows, row)
			}
			return rows, err
		},
	}
}

// get asks for a list as one does by hand.
func get(transport http.RoundTripper, path string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, bench.BaseURL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "ApiKey "+bench.Key)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("unexpected status %s", resp.Status)
	}
	return resp, nil
}

// collect asks for a list and keeps its rows.
func collect[T any](transport http.RoundTripper, path string) (rows []T, err error) {
	resp, err := get(transport, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	err = standard(resp.Body, func(row T) { rows = append(rows, row) })
	return rows, err
}

// names are the members that the fields of T claim.
func names[T any]() map[string]bool {
	known := make(map[string]bool)
	for field := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	return known
}

// rows prints the tables on rows.
func rows(w io.Writer, c config) error {
	for _, of := range []struct {
		title string
		rows  *bench.Rows
		ways  func(http.RoundTripper) []rowWay
		goals func([]bench.Result) []bench.Goal
	}{
		{"Rows: users, 22 fields, 531 bytes", bench.UserRows(0), userWays, userGoals},
		{"Rows: devices, 8 fields, 237 bytes", bench.DeviceRows(0), deviceWays, nil},
		{"Rows: users, two escapes in every row", bench.EscapedUserRows(0), streamWays, func(results []bench.Result) []bench.Goal {
			return []bench.Goal{faster(3, results, wayBaseline)}
		}},
	} {
		results, err := bench.Measure(ofRows(of.rows, of.ways(of.rows.Memory())), c.rounds(8), c.rows())
		if err != nil {
			return err
		}
		table := &bench.Table{Title: of.title, Head: []string{"way", "µs a row", "allocations a row", "faster than by hand"}}
		for _, r := range results {
			table.Add(r.Name, bench.Number(r.Micros), bench.Number(r.Allocs), bench.Ratio(results[0].Against(r)))
		}
		if of.goals != nil {
			table.Goals = of.goals(results)
		}
		table.Print(w)
	}
	for _, table := range []func(config) (*bench.Table, error){collectedRows, shortLists, peakHeap} {
		t, err := table(c)
		if err != nil {
			return err
		}
		t.Print(w)
	}
	return nil
}

// ofRows are ways whose work counts in rows.
func ofRows(rows *bench.Rows, ways []rowWay) []bench.Way {
	all := make([]bench.Way, len(ways))
	for i, way := range ways {
		all[i] = bench.Way{Name: way.name, Run: func(n int) error {
			rows.N = n
			return way.read()
		}}
	}
	return all
}

func userGoals(results []bench.Result) []bench.Goal {
	atLeast := 6.0
	if version.Compare(runtime.Version(), "go1.27") >= 0 {
		atLeast = 3.5 // encoding/json runs on v2 there
	}
	sdk, scan := bench.Find(results, waySDK), bench.Find(results, wayScan)
	return []bench.Goal{
		faster(atLeast, results, wayBaseline),
		faster(2.3, results, wayV2),
		faster(1, results, waySonic),
		faster(1, results, wayGoccy),
		bench.AtMost(3, " ×", "time of "+waySDK+", against: "+wayScan, sdk.Against(scan)),
		bench.AtMost(1.05, "", "allocations a row", sdk.Allocs),
	}
}

// faster is a goal of the SDK against another way.
func faster(limit float64, results []bench.Result, than string) bench.Goal {
	return bench.AtLeast(limit, " ×", waySDK+", faster than "+than, bench.Find(results, than).Against(bench.Find(results, waySDK)))
}

// collectedRows is about rows that are kept.
func collectedRows(c config) (*bench.Table, error) {
	rows := bench.UserRows(0)
	ways := collectWays(rows.Memory())
	results, err := bench.Measure(ofRows(rows, ways), c.rounds(8), c.rows())
	if err != nil {
		return nil, err
	}
	table := &bench.Table{Title: "Rows: users, all kept", Head: []string{"way", "µs a row", "allocations a row", "bytes held a row", "faster than by hand"}}
	rows.N = c.rows()
	byHand, err := bench.Held(func() ([]stringUser, error) { return collect[stringUser](rows.Memory(), usersPath) })
	if err != nil {
		return nil, err
	}
	sdk, err := bench.Held(func() ([]infinitysip.User, error) {
		return bench.SDK(rows.Memory()).Users.List(context.Background(), 1)
	})
	if err != nil {
		return nil, err
	}
	for i, held := range []int64{byHand, sdk} {
		r := results[i]
		table.Add(r.Name, bench.Number(r.Micros), bench.Number(r.Allocs), strconv.FormatInt(held/int64(rows.N), 10), bench.Ratio(results[0].Against(r)))
	}
	return table, nil
}

// shortLists is about whole calls.
func shortLists(c config) (*bench.Table, error) {
	table := &bench.Table{
		Title: "Rows: lists of none, one and two users",
		Note:  "Here a whole call counts: what is around the rows is most of it, and the SDK's own row reader cannot be measured from outside.",
		Head:  []string{"way", "µs a call", "allocations a call", "against by hand"},
	}
	for n := range 3 {
		rows := bench.UserRows(n)
		var ways []bench.Way
		for _, way := range collectWays(rows.Memory()) {
			ways = append(ways, bench.Way{Name: way.name, Run: bench.Times(way.read)})
		}
		results, err := bench.Measure(ways, c.callRounds(), c.calls())
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			table.Add(fmt.Sprintf("%d rows: %s", n, r.Name), bench.Number(r.Micros), bench.Number(r.Allocs), bench.Ratio(r.Against(results[0])))
		}
		if n > 0 {
			table.Goals = append(table.Goals, bench.AtMost(1, " ×", fmt.Sprintf("time of a list of %d, against by hand", n), results[1].Against(results[0])))
		}
	}
	return table, nil
}

// peakHeap is about a list that is too long to be kept.
func peakHeap(c config) (*bench.Table, error) {
	rows := bench.UserRows(10 * c.rows())
	table := &bench.Table{
		Title: fmt.Sprintf("Rows: heap while %d users pass by", rows.N),
		Head:  []string{"way", "MB above start"},
	}
	var peak float64
	for _, way := range streamWays(rows.Memory()) {
		bytes, err := bench.PeakHeap(way.read)
		if err != nil {
			return nil, err
		}
		peak = float64(bytes) / 1e6
		table.Add(way.name, bench.Number(peak))
	}
	table.Goals = []bench.Goal{bench.AtMost(4, " MB", waySDK+", above start", peak)}
	return table, nil
}
