package suite_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// shelf is a server with devices on it.
type shelf struct {
	*siptest.Server
	client *infinitysip.Client
	domain infinitysip.DomainID
	made   int
}

func newShelf(t testing.TB, o siptest.Options, devices int, opts ...infinitysip.Option) *shelf {
	srv := siptest.New(t, o)
	s := &shelf{Server: srv, client: srv.InProcessClient(opts...), domain: srv.AddDomain(infinitysip.Domain{})}
	for range devices {
		s.add(t)
	}
	srv.ResetRequests()
	return s
}

func (s *shelf) add(t testing.TB) infinitysip.DeviceID {
	s.made++
	id, err := s.InProcessClient().Devices.Create(context.Background(), s.domain, infinitysip.DeviceCreateParams{
		Name: fmt.Sprint("d", s.made), MACAddress: fmt.Sprintf("10:20:30:00:%02x:%02x", s.made>>8, s.made&0xff),
	})
	require.NoError(t, err)
	return id
}

func (s *shelf) remove(t testing.TB, id infinitysip.DeviceID) {
	require.NoError(t, s.InProcessClient().Devices.Delete(context.Background(), s.domain, id))
}

// all reads the list to its end or to an error.
func (s *shelf) all(ctx context.Context, opts *infinitysip.DeviceListOptions) (ids []infinitysip.DeviceID, err error) {
	for device, err := range s.client.Devices.All(ctx, s.domain, opts) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, device.ID)
	}
	return ids, nil
}

// asked are the lists that were asked for: their offset, or the id that they
// begin behind.
func (s *shelf) asked() []string {
	var all []string
	for _, req := range s.Requests() {
		if req.Op != "Devices.List" {
			continue
		}
		from := req.Query.Get("offset")
		for _, filter := range req.Query["filter[]"] {
			if id, ok := strings.CutPrefix(filter, "pbxDeviceId-gt-value-"); ok {
				from = ">" + id + from
			}
		}
		all = append(all, from)
	}
	return all
}

// askedWithLimits are those of asked, each with its limit.
func (s *shelf) askedWithLimits() []string {
	all := s.asked()
	for i, req := range s.Requests() {
		all[i] += " limit " + req.Query.Get("limit")
	}
	return all
}

func deviceIDs(first, last infinitysip.DeviceID) (ids []infinitysip.DeviceID) {
	for id := first; id <= last; id++ {
		ids = append(ids, id)
	}
	return ids
}

func TestAllPages(t *testing.T) {
	t.Parallel()
	caller := infinitysip.OrderBy(infinitysip.DeviceFields.DomainID.Asc()) // of equals, the server's own
	for name, tt := range map[string]struct {
		server siptest.Options
		ahead  int
		opts   infinitysip.DeviceListOptions
		rows   int // on the server
		want   []infinitysip.DeviceID
		asked  []string
	}{
		"by id": {
			rows: 25, opts: infinitysip.DeviceListOptions{PageSize: 10, Offset: 2},
			want: deviceIDs(3, 25), asked: []string{"2", "11", "20", ">25"},
		},
		"by id, ahead: a page begins with the last row of the one before": {
			ahead: 1, rows: 25, opts: infinitysip.DeviceListOptions{PageSize: 10, Offset: 2},
			want: deviceIDs(3, 25), asked: []string{"2", "11", "20", ">25"},
		},
		"in the caller's order": {
			rows: 25, opts: infinitysip.DeviceListOptions{PageSize: 10, Sort: caller},
			want: deviceIDs(1, 25), asked: []string{"", "10", "20", "25"},
		},
		"in the caller's order, ahead": {
			ahead: 1, rows: 25, opts: infinitysip.DeviceListOptions{PageSize: 10, Sort: caller},
			want: deviceIDs(1, 25), asked: []string{"", "10", "20", "25"},
		},
		"nothing":          {ahead: 4, want: nil, asked: []string{""}},
		"one row":          {ahead: 4, rows: 1, want: deviceIDs(1, 1), asked: []string{"", ">1"}},
		"less than a page": {ahead: 4, rows: 9, opts: infinitysip.DeviceListOptions{PageSize: 10}, want: deviceIDs(1, 9), asked: []string{"", ">9"}},
		"pages of one row": {
			ahead: 4, rows: 3, opts: infinitysip.DeviceListOptions{PageSize: 1},
			want: deviceIDs(1, 3), asked: []string{"", ">1", ">2", ">3"},
		},
		"the server has a limit of its own": {
			server: siptest.Options{MaxRows: 7}, ahead: 1, rows: 25,
			want: deviceIDs(1, 25), asked: []string{"", ">7", ">76", ">712", ">25"},
		},
		"the server has a limit of its own, in the caller's order": {
			server: siptest.Options{MaxRows: 7}, ahead: 1, rows: 25, opts: infinitysip.DeviceListOptions{Sort: caller},
			want: deviceIDs(1, 25), asked: []string{"", "7", "14", "21", "25"},
		},
		"the server gives one row at a time": {
			server: siptest.Options{MaxRows: 1}, ahead: 4, rows: 3,
			want: deviceIDs(1, 3), asked: []string{"", ">1", ">2", ">3"},
		},
		"a limit, by id": {
			ahead: 4, rows: 25, opts: infinitysip.DeviceListOptions{Limit: 24, PageSize: 10, Offset: 1},
			want: deviceIDs(2, 25), asked: []string{"1 limit 10", "10 limit 10", "19 limit 6"},
		},
		"a limit, in the caller's order": {
			ahead: 4, rows: 25, opts: infinitysip.DeviceListOptions{Limit: 21, PageSize: 10, Sort: caller},
			want: deviceIDs(1, 21), asked: []string{" limit 10", "10 limit 10", "20 limit 1"},
		},
		"a limit of one page": {
			ahead: 4, rows: 25, opts: infinitysip.DeviceListOptions{Limit: 10, PageSize: 10}, want: deviceIDs(1, 10), asked: []string{" limit 10"},
		},
		"a limit, and no size of a page": {
			ahead: 4, rows: 25, opts: infinitysip.DeviceListOptions{Limit: 10}, want: deviceIDs(1, 10), asked: []string{" limit 10"},
		},
		"a limit that the list does not reach": {
			ahead: 4, rows: 5, opts: infinitysip.DeviceListOptions{Limit: 10}, want: deviceIDs(1, 5), asked: []string{" limit 10", ">5 limit 5"},
		},
		"a limit that the server does not know": {
			server: siptest.Options{IgnorePaging: true}, ahead: 4, rows: 25, opts: infinitysip.DeviceListOptions{Limit: 10, PageSize: 4},
			want: deviceIDs(1, 10), asked: []string{" limit 4"},
		},
		"the server knows no limit": {
			server: siptest.Options{IgnorePaging: true}, ahead: 4, rows: 25, opts: infinitysip.DeviceListOptions{PageSize: 10},
			want: deviceIDs(1, 25), asked: []string{"", ">25"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, tt.server, tt.rows, infinitysip.WithReadAhead(tt.ahead))
			given := tt.opts
			got, err := s.all(t.Context(), &tt.opts)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			if tt.opts.Limit == 0 {
				require.Equal(t, tt.asked, s.asked())
			} else {
				require.ElementsMatch(t, tt.asked, s.askedWithLimits(), "those ahead set out at once")
			}
			require.Equal(t, given, tt.opts, "the caller's options are the caller's")
		})
	}
}

// A List sends its limit, and cuts what a server gives that does not know it.
func TestListLimit(t *testing.T) {
	t.Parallel()
	for _, ignores := range []bool{false, true} {
		s := newShelf(t, siptest.Options{IgnorePaging: ignores}, 25)
		devices, err := s.client.Devices.List(t.Context(), s.domain, &infinitysip.DeviceListOptions{Limit: 10, PageSize: 3})
		require.NoError(t, err)
		require.Len(t, devices, 10)
		require.Equal(t, []string{" limit 10"}, s.askedWithLimits())
	}
}

func TestAllCopiesItsOptions(t *testing.T) {
	t.Parallel()
	s := newShelf(t, siptest.Options{}, 5)
	opts := &infinitysip.DeviceListOptions{PageSize: 2, Sort: infinitysip.OrderBy(infinitysip.DeviceFields.ID.Desc())}
	all := s.client.Devices.All(t.Context(), s.domain, opts)
	opts.PageSize, opts.Sort[0] = 1, infinitysip.DeviceFields.ID.Asc() // too late to matter
	var ids []infinitysip.DeviceID
	for device, err := range all {
		require.NoError(t, err)
		ids = append(ids, device.ID)
	}
	require.Equal(t, []infinitysip.DeviceID{5, 4, 3, 2, 1}, ids)
}

func TestAllRefusesBadOptions(t *testing.T) {
	t.Parallel()
	s := newShelf(t, siptest.Options{}, 0)
	for _, opts := range []infinitysip.DeviceListOptions{{Limit: -1}, {PageSize: -1}, {Offset: -1}} {
		_, err := s.all(t.Context(), &opts)
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
	}
	require.Empty(t, s.Requests())
}

// Pages that are asked for ahead come in order, whichever answer comes first,
// and an error comes after the rows before it.
func TestAllAheadKeepsTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, siptest.Options{}, 50)
		for i := range 4 {
			s.Fail(siptest.On("Devices.List").Nth(2 + i).Latency(time.Duration(4-i) * time.Second))
		}
		start := time.Now()
		ids, err := s.all(t.Context(), &infinitysip.DeviceListOptions{PageSize: 11})
		require.NoError(t, err)
		require.Equal(t, deviceIDs(1, 50), ids)
		require.Equal(t, 4*time.Second, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, siptest.Options{}, 50)
		s.Fail(siptest.On("Devices.List").Nth(2).Latency(time.Second))
		s.Fail(siptest.On("Devices.List").Nth(3).Latency(2 * time.Second).Status(403))
		s.Fail(siptest.On("Devices.List").Nth(4).Latency(3 * time.Second))
		ids, err := s.all(t.Context(), &infinitysip.DeviceListOptions{PageSize: 11})
		require.ErrorIs(t, err, infinitysip.ErrForbidden)
		require.Subset(t, [][]infinitysip.DeviceID{deviceIDs(1, 11), deviceIDs(1, 21), deviceIDs(1, 31), deviceIDs(1, 41)}, [][]infinitysip.DeviceID{ids})
	})
}

// waiting is a server of devices with the ids 1 to rows, in pages of two, whose
// answers come a second after they are asked for, if the request is not ended.
type waiting struct {
	rows           int
	mu             sync.Mutex
	active, served int
}

func (w *waiting) RoundTrip(req *http.Request) (*http.Response, error) {
	w.note(1)
	defer w.note(-1)
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-time.After(time.Second):
	}
	offset, _ := strconv.Atoi(req.URL.Query().Get("offset"))
	var body strings.Builder
	for id := offset + 1; id <= min(offset+2, w.rows); id++ {
		fmt.Fprintf(&body, `{"pbxDeviceId":"%d"}`+"\n", id)
	}
	return answer(200, body.String()), nil
}

func (w *waiting) note(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active += n
	w.served += max(n, 0)
}

func (w *waiting) counts() (active, served int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.active, w.served
}

// Nothing is asked for ahead before the first page, and never more than was
// said.
func TestAllAheadIsBounded(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 1, 4, 100} {
		synctest.Test(t, func(t *testing.T) {
			w := &waiting{rows: 1000}
			client := stubClient(t, w, infinitysip.WithReadAhead(ahead))
			start, n := time.Now(), 0
			for device, err := range client.Devices.All(t.Context(), 1, &infinitysip.DeviceListOptions{PageSize: 2}) {
				require.NoError(t, err)
				n++
				require.EqualValues(t, n, device.ID)
				synctest.Wait()
				active, served := w.counts()
				if n == 1 {
					require.Equal(t, time.Second, time.Since(start), "one latency")
					require.Equal(t, ahead, active)
				}
				require.LessOrEqual(t, served-(n-1), 1+ahead)
				if n == 40 {
					break
				}
			}
			active, _ := w.counts()
			require.Zero(t, active)
		})
	}
}

// However a loop ends, nothing is under way after it.
func TestAllLeavesNothingUnderWay(t *testing.T) {
	t.Parallel()
	type devices = iter.Seq2[infinitysip.Device, error]
	for name, loop := range map[string]func(t *testing.T, cancel context.CancelFunc, all devices){
		"break": func(_ *testing.T, _ context.CancelFunc, all devices) {
			for range all { //nolint:errcheck // the loop does not look
				synctest.Wait()
				break
			}
		},
		"panic": func(t *testing.T, _ context.CancelFunc, all devices) {
			defer func() { require.Equal(t, "in the caller's loop", recover()) }()
			for range all { //nolint:errcheck // the loop does not look
				synctest.Wait()
				panic("in the caller's loop")
			}
		},
		"Goexit": func(_ *testing.T, _ context.CancelFunc, all devices) {
			var loop sync.WaitGroup
			loop.Go(func() {
				for range all { //nolint:errcheck // the loop does not look
					synctest.Wait()
					runtime.Goexit()
				}
			})
			loop.Wait()
		},
		"context": func(t *testing.T, cancel context.CancelFunc, all devices) {
			var ids []infinitysip.DeviceID
			var last error
			for device, err := range all {
				if last = err; err == nil {
					synctest.Wait()
					ids = append(ids, device.ID)
					cancel()
				}
			}
			require.ErrorIs(t, last, context.Canceled)
			require.Equal(t, deviceIDs(1, 2), ids, "the page at hand")
		},
		"context, when pages are there": func(t *testing.T, cancel context.CancelFunc, all devices) {
			var ids []infinitysip.DeviceID
			var last error
			for device, err := range all {
				if last = err; err == nil {
					time.Sleep(time.Minute) // the bubble's clock
					ids = append(ids, device.ID)
					cancel()
				}
			}
			require.ErrorIs(t, last, context.Canceled)
			require.Equal(t, deviceIDs(1, 2), ids, "the page at hand")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &waiting{rows: 1000}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				loop(t, cancel, stubClient(t, w).Devices.All(ctx, 1, &infinitysip.DeviceListOptions{PageSize: 2}))
				active, served := w.counts()
				require.Zero(t, active)
				require.Equal(t, 5, served)
				if !strings.Contains(name, "pages are there") {
					require.Equal(t, time.Second, time.Since(start), "at once")
				}
			})
		})
	}
}

// A page that is no longer wanted has not failed.
func TestAllAheadDoesNotWarn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := &waiting{rows: 1000}
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, err := range stubClient(t, w, infinitysip.WithLogger(logger)).Devices.All(t.Context(), 1, &infinitysip.DeviceListOptions{PageSize: 2}) {
			require.NoError(t, err)
			synctest.Wait()
			break
		}
		require.Equal(t, 4, strings.Count(out.String(), "context canceled"))
		require.NotContains(t, out.String(), "level=WARN")
	})
}

// A transport that ends the goroutine that it is called on, as t.FailNow does,
// does not leave the loop waiting.
func TestAllOnATransportThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
		if n > 1 {
			runtime.Goexit()
		}
		return answer(200, `{"pbxDeviceId":"1"}`+"\n"+`{"pbxDeviceId":"2"}`), nil
	}}
	var ids []infinitysip.DeviceID
	var last error
	for device, err := range stubClient(t, s).Devices.All(t.Context(), 1, &infinitysip.DeviceListOptions{PageSize: 2}) {
		if last = err; err == nil {
			ids = append(ids, device.ID)
		}
	}
	require.ErrorContains(t, last, "infinitysip: Devices.List: GET /config/v2/sip/domains/1/devices: the transport did not come back")
	require.Equal(t, deviceIDs(1, 2), ids)
}

// What a server may do otherwise than its documentation says: the rows come
// all the same, each once, or there is an error.
func TestAllOnAServerThatDoesOtherwise(t *testing.T) {
	t.Parallel()
	caller := infinitysip.OrderBy(infinitysip.DeviceFields.Name.Asc())
	for name, tt := range map[string]struct {
		order   []int // the ids, as the server has them
		sort    []infinitysip.Sort[infinitysip.Device]
		ignores string // of the query
		refuses string
		stuck   bool
	}{
		"it ignores the filter":             {order: []int{1, 2, 3, 4, 5}, ignores: "filter[]"},
		"it refuses the filter":             {order: []int{1, 2, 3, 4, 5}, refuses: "filter[]"},
		"it refuses the sort":               {order: []int{5, 1, 4, 2, 3}, refuses: "sort[]"},
		"it ignores the sort":               {order: []int{5, 1, 4, 2, 3}, ignores: "sort[]"},
		"it ignores the sort, later":        {order: []int{1, 2, 3, 4, 5, 9, 8, 7, 6}, ignores: "sort[]"},
		"it ignores the sort, at the end":   {order: []int{1, 2, 3, 4, 5, 9, 6}, ignores: "sort[]"},
		"it ignores the limit":              {order: []int{1, 2, 3, 4, 5}, ignores: "limit"},
		"it ignores the offset":             {order: []int{1, 2, 3, 4, 5}, ignores: "offset"},
		"it ignores limit and filter":       {order: []int{1, 2, 3, 4, 5}, ignores: "limit filter[]"},
		"it ignores offset and filter":      {order: []int{1, 2, 3, 4, 5}, ignores: "offset filter[]", stuck: true},
		"it ignores all":                    {order: []int{1, 2, 3, 4, 5}, ignores: "offset filter[] limit sort[]", stuck: true},
		"it ignores the offset, for a sort": {order: []int{1, 2, 3, 4, 5}, sort: caller, ignores: "offset", stuck: true},
		"it ignores the limit, for a sort":  {order: []int{1, 2, 3, 4, 5}, sort: caller, ignores: "limit"},
		"it ignores all, for a sort":        {order: []int{1, 2, 3, 4, 5}, sort: caller, ignores: "offset filter[] limit sort[]", stuck: true},
		"it does as it should":              {order: []int{1, 2, 3, 4, 5, 6}},
	} {
		for _, ahead := range []int{0, 1, 4} {
			s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
				query := req.URL.Query()
				if query.Has(tt.refuses) {
					return answer(400, "no such field"), nil
				}
				for name := range strings.FieldsSeq(tt.ignores) {
					query.Del(name)
				}
				rows := slices.Clone(tt.order)
				if query.Get("sort[]") == "pbxDeviceId-asc" {
					slices.Sort(rows)
				}
				if behind, ok := strings.CutPrefix(query.Get("filter[]"), "pbxDeviceId-gt-value-"); ok {
					last, _ := strconv.Atoi(behind)
					rows = slices.DeleteFunc(rows, func(id int) bool { return id <= last })
				}
				offset, _ := strconv.Atoi(query.Get("offset"))
				rows = rows[min(offset, len(rows)):]
				if limit, err := strconv.Atoi(query.Get("limit")); err == nil {
					rows = rows[:min(limit, len(rows))]
				}
				var body strings.Builder
				for _, id := range rows {
					fmt.Fprintf(&body, `{"pbxDeviceId":"%d"}`+"\n", id)
				}
				return answer(200, body.String()), nil
			}}
			var ids []int
			var last error
			opts := &infinitysip.DeviceListOptions{PageSize: 3, Sort: tt.sort}
			for device, err := range stubClient(t, s, infinitysip.WithReadAhead(ahead)).Devices.All(t.Context(), 1, opts) {
				if last = err; err == nil {
					ids = append(ids, int(device.ID))
				}
			}
			if tt.stuck {
				require.ErrorIs(t, last, infinitysip.ErrPaginationStuck, "%s, %d ahead", name, ahead)
				slices.Sort(ids)
				require.Equal(t, slices.Compact(slices.Clone(ids)), ids, "%s, %d ahead: each row once", name, ahead)
				continue
			}
			require.NoError(t, last, "%s, %d ahead", name, ahead)
			require.ElementsMatch(t, tt.order, ids, "%s, %d ahead", name, ahead)
		}
	}
}

// An order that the caller asks for is not given up where the server refuses it.
func TestAllKeepsTheOrderThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, sort := range []infinitysip.Sort[infinitysip.Device]{infinitysip.DeviceFields.ID.Asc(), infinitysip.DeviceFields.Name.Asc()} {
		s := always(400, "no such field")
		for _, err := range stubClient(t, s).Devices.All(t.Context(), 1, &infinitysip.DeviceListOptions{Sort: infinitysip.OrderBy(sort)}) {
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
		}
		require.Equal(t, 1, s.count())
	}
}

// TestAllWhileOthersWrite reads lists while rows come and go, before a page is
// read and after. By id, a row that was there all the time comes exactly once,
// and none comes twice.
func TestAllWhileOthersWrite(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			one := func(of ...int) int { return of[random.IntN(len(of))] }
			ahead := one(0, 1, 2, 4)
			server := siptest.Options{MaxRows: one(0, 0, 0, 1, 2, 5), IgnorePaging: one(0, 0, 0, 0, 1) == 1}
			s := newShelf(t, server, random.IntN(40), infinitysip.WithReadAhead(ahead))
			other := s.InProcessClient()

			// In half of the lists rows also come and go between those that
			// stay, because the list is that of a user's devices.
			owner, err := other.Users.Create(t.Context(), s.domain, newUser())
			require.NoError(t, err)
			opts := &infinitysip.DeviceListOptions{PageSize: 1 + random.IntN(10)}
			owned := random.IntN(2) == 0
			if owned {
				opts.Filter = infinitysip.Where(infinitysip.DeviceFields.UserID.Eq(owner))
			}
			var stay, goes []infinitysip.DeviceID
			for _, device := range s.Devices(s.domain) {
				if random.IntN(2) == 0 {
					goes = append(goes, device.ID)
					continue
				}
				stay = append(stay, device.ID)
				if owned {
					_, err := other.Users.AddDevice(t.Context(), s.domain, owner, device.ID)
					require.NoError(t, err)
				}
			}
			var busy sync.Mutex
			write := func(*siptest.Server) {
				busy.Lock()
				defer busy.Unlock()
				for range random.IntN(4) {
					switch i := random.IntN(len(goes) + 3); {
					case i >= len(goes):
						goes = append(goes, s.add(t))
					case owned && random.IntN(2) == 0:
						if _, err := other.Users.AddDevice(context.Background(), s.domain, owner, goes[i]); err != nil {
							require.NoError(t, other.Users.RemoveDevice(context.Background(), s.domain, owner, goes[i]))
						}
					default:
						s.remove(t, goes[i])
						goes = slices.Delete(goes, i, i+1)
					}
				}
			}
			s.Fail(siptest.On("Devices.List").Before(write).After(write).Latency(time.Duration(1+random.IntN(3)) * time.Millisecond))

			var ids []infinitysip.DeviceID
			reader := rand.New(rand.NewPCG(seed, 2))
			for device, err := range s.client.Devices.All(t.Context(), s.domain, opts) {
				require.NoError(t, err)
				ids = append(ids, device.ID)
				if reader.IntN(3) == 0 {
					write(nil)
				}
				require.Less(t, len(ids), 500)
			}
			require.True(t, slices.IsSorted(ids), "%d: %v", seed, ids)
			require.Len(t, slices.Compact(slices.Clone(ids)), len(ids), "%d: a row came twice: %v", seed, ids)
			require.Subset(t, ids, stay, "%d: a row was passed over", seed)
		})
	}
}

// The rows of a list by id may be deleted as they come.
func TestAllDeletedAsTheyCome(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 1, 4} {
		for _, sort := range [][]infinitysip.Sort[infinitysip.Device]{nil, infinitysip.OrderBy(infinitysip.DeviceFields.ID.Asc())} {
			s := newShelf(t, siptest.Options{}, 50, infinitysip.WithReadAhead(ahead))
			for device, err := range s.client.Devices.All(t.Context(), s.domain, &infinitysip.DeviceListOptions{PageSize: 5, Sort: sort}) {
				require.NoError(t, err)
				s.remove(t, device.ID)
			}
			require.Empty(t, s.Devices(s.domain))
		}
	}
}

// A server may call the id of a trusted network otherwise than this package
// thinks: the list then pages all the same.
func TestPagesOfRowsWhoseIDIsNotKnown(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		if req.URL.Query().Has("sort[]") {
			return answer(400, "no such field"), nil
		}
		var offset int
		_, _ = fmt.Sscan(req.URL.Query().Get("offset"), &offset)
		if offset == 3 {
			return answer(200, ""), nil
		}
		return answer(200, fmt.Sprintf(`{"odd":"%d","network":"10.0.%d.0/24"}`, offset, offset)), nil
	}}
	n := 0
	for network, err := range stubClient(t, s).TrustedNetworks.All(t.Context(), 1, &infinitysip.TrustedNetworkListOptions{PageSize: 1}) {
		require.NoError(t, err)
		require.True(t, network.Network.IsValid())
		n++
	}
	require.Equal(t, 3, n)
}

// A page that comes again is known by its rows where they do not say their ids.
func TestTheSamePageOfRowsWhoseIDIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 4} {
		s := always(200, `{"user":"a","pbxDeviceToken":"t0ken"}`+"\n"+`{"user":"b","pbxDeviceToken":"t0ken"}`+"\n")
		n := 0
		for _, err := range stubClient(t, s, infinitysip.WithReadAhead(ahead)).Users.AllDevices(t.Context(), 1, 1, &infinitysip.UserDeviceListOptions{PageSize: 2}) {
			if err != nil {
				require.ErrorIs(t, err, infinitysip.ErrPaginationStuck)
				break
			}
			n++
			require.LessOrEqual(t, n, 2)
		}
		require.Equal(t, 2, n)
	}
}

// BenchmarkAllPages reads 100,000 rows in pages of 1,000 that each take 20 ms.
func BenchmarkAllPages(b *testing.B) {
	const rows, latency = 100_000, 20 * time.Millisecond
	var text strings.Builder
	starts := []int{0} // of each row
	for id := 1; id <= rows; id++ {
		fmt.Fprintf(&text, `{"pbxDeviceId":"%d","pbxDeviceName":"Lobby %d","domainId":"1","deviceMacAddress":"10:20:30:1A:2B:3C",`+
			`"createDatetime":"2019-10-31 09:42:56","updateDatetime":"0000-00-00 00:00:00","userId":"11","user":"joe.blogs"}`+"\n", id, id)
		starts = append(starts, text.Len())
	}
	s := roundTripper(func(req *http.Request) (*http.Response, error) {
		time.Sleep(latency)
		query := req.URL.Query()
		offset, _ := strconv.Atoi(query.Get("offset"))
		last, _ := strconv.Atoi(strings.TrimPrefix(query.Get("filter[]"), "pbxDeviceId-gt-value-"))
		from := min(offset+last, rows)
		return answer(200, text.String()[starts[from]:starts[min(from+1000, rows)]]), nil
	})
	for _, ahead := range []int{0, 2, 4, 8} {
		b.Run(fmt.Sprint("ahead=", ahead), func(b *testing.B) {
			client := stubClient(b, s, infinitysip.WithReadAhead(ahead))
			var first time.Duration
			for b.Loop() {
				n, start := 0, time.Now()
				for _, err := range client.Devices.All(b.Context(), 1, nil) {
					require.NoError(b, err)
					if n++; n == 1 {
						first += time.Since(start)
					}
				}
				require.Equal(b, rows, n)
			}
			b.ReportMetric(float64(first.Microseconds())/1000/float64(b.N), "ms-to-first-row")
		})
	}
}

// roundTripper is a transport that keeps nothing of what it has seen.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A server that knows limit and no offset gives the beginning of its list again, also
// where the last page is a short one.
func TestPagesUpToALimitWhereOffsetIsIgnored(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		n, rows := 300, ""
		_, _ = fmt.Sscan(req.URL.Query().Get("limit"), &n)
		for i := range n {
			rows += fmt.Sprintf(`{"pbxDeviceId":"%d"}`+"\n", i+1)
		}
		return answer(200, rows), nil
	}}
	client, opts := stubClient(t, s), &infinitysip.DeviceListOptions{Limit: 150, PageSize: 100}
	_, err := infinitysip.Collect(client.Devices.All(t.Context(), 1, opts))
	require.ErrorIs(t, err, infinitysip.ErrPaginationStuck)
	_, err = infinitysip.Collect(infinitysip.Rows(t.Context(), client, "/config/v2/sip/domains/1/devices", opts))
	require.ErrorIs(t, err, infinitysip.ErrPaginationStuck)
	type nameless struct {
		Text string `json:"pbxDeviceId"`
	}
	_, err = infinitysip.Collect(infinitysip.Rows(t.Context(), client, "/config/v2/sip/domains/1/devices", &infinitysip.ListOptions[nameless]{Limit: 150, PageSize: 100}))
	require.ErrorIs(t, err, infinitysip.ErrPaginationStuck)
}
