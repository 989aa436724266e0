package suite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// warnings keeps the warnings of a logger, and counts the other records.
type warnings struct {
	mu     sync.Mutex
	all    []map[string]string
	others int
}

func (w *warnings) Enabled(context.Context, slog.Level) bool { return true }
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w *warnings) WithGroup(string) slog.Handler            { return w }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Level != slog.LevelWarn {
		w.others++
		return nil
	}
	record := map[string]string{"msg": r.Message}
	r.Attrs(func(a slog.Attr) bool { record[a.Key] = a.Value.String(); return true })
	w.all = append(w.all, record)
	return nil
}

// The logger warns once of a call that fails, and of nothing else.
func TestTheLoggerWarnsOfCallsThatFail(t *testing.T) {
	t.Parallel()
	ids := numbered[infinitysip.UserID](5)
	device := infinitysip.DeviceCreateParams{Name: "x", MACAddress: "10-20-30-1A-2B-3C"}
	lost := siptest.Fault.CommitThenDrop
	for name, test := range map[string]struct {
		faults []siptest.Fault
		do     func(context.Context, *infinitysip.Client) error
		fails  bool
		want   string // op, attempts, status, outcome and request id of the one warning
	}{
		"a success":             {do: func(ctx context.Context, c *infinitysip.Client) error { return errorOf(c.Users.List(ctx, domainID)) }},
		"a retry that helps":    {faults: []siptest.Fault{siptest.On("Users.List").Status(503).Times(2)}, do: func(ctx context.Context, c *infinitysip.Client) error { return errorOf(c.Users.List(ctx, domainID)) }},
		"input that is refused": {fails: true, do: func(ctx context.Context, c *infinitysip.Client) error { return errorOf(c.Users.Get(ctx, domainID, 0)) }},
		"refused members": {fails: true, do: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Groups.AddUsers(ctx, domainID, 1, nil)
		}},
		"a read that fails": {
			faults: []siptest.Fault{siptest.On("Users.Get").Status(404).Header("X-Request-Id", "r7")}, fails: true, want: "Users.Get 1 404 not applied r7",
			do: func(ctx context.Context, c *infinitysip.Client) error { return errorOf(c.Users.Get(ctx, domainID, 1)) },
		},
		"retries that do not help": {
			faults: []siptest.Fault{siptest.On("Users.Delete").Status(503)}, fails: true, want: "Users.Delete 3 503 unknown ",
			do: func(ctx context.Context, c *infinitysip.Client) error { return c.Users.Delete(ctx, domainID, 1) },
		},
		"a deadline": {
			faults: []siptest.Fault{siptest.On("Users.List").Hang()}, fails: true, want: "Users.List 1  not applied ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				return errorOf(c.Users.List(ctx, domainID))
			},
		},
		"a context that is cancelled": {
			faults: []siptest.Fault{siptest.On("*").Hang()}, fails: true,
			do: func(ctx context.Context, c *infinitysip.Client) error {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(time.Second, cancel)
				return errorOf(c.Users.List(ctx, domainID))
			},
		},
		"a create whose context is cancelled": {
			faults: []siptest.Fault{siptest.On("*").Hang()}, fails: true, want: "Devices.Create 1  unknown ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(time.Second, cancel)
				return errorOf(c.Devices.Create(ctx, domainID, device))
			},
		},
		"a create that a look finds": {
			faults: []siptest.Fault{lost(siptest.On("Devices.Create"))},
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Devices.Create(ctx, domainID, device))
			},
		},
		"a create whose looks fail": {
			faults: []siptest.Fault{lost(siptest.On("Devices.Create")), siptest.On("Devices.List").Status(500)}, fails: true, want: "Devices.Create 1  unknown ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Devices.Create(ctx, domainID, device))
			},
		},
		"a create whose look before fails": {
			faults: []siptest.Fault{siptest.On("Queues.ListMembers").Status(500), siptest.On("Queues.CreateMember").Status(403)}, fails: true, want: "Queues.CreateMember 1 403 not applied ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Queues.CreateMember(ctx, domainID, queueID, infinitysip.QueueMemberCreateParams{GroupID: groupID, RingStrategy: infinitysip.RingAll}))
			},
		},
		"a token that is lost": {
			faults: []siptest.Fault{siptest.On("Users.AddDevice").Rewrite(func([]byte) []byte { return nil })}, fails: true, want: "Users.AddDevice 1 201 applied ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Users.AddDevice(ctx, domainID, userID, deviceID))
			},
		},
		"a list that breaks off": {
			faults: []siptest.Fault{siptest.On("Users.List").Truncate(60)}, fails: true, want: "Users.List 1 200 not applied ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(collected(c.Users.All(ctx, domainID)))
			},
		},
		"a page that fails": {
			faults: []siptest.Fault{siptest.On("Devices.List").Nth(3).Status(403)}, fails: true, want: "Devices.List 1 403 not applied ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(collected(c.Devices.All(ctx, domainID, &infinitysip.DeviceListOptions{PageSize: 2})))
			},
		},
		"an add of many": {
			faults: []siptest.Fault{siptest.On("Groups.AddUsers").Nth(2).Status(403)}, fails: true, want: "Groups.AddUsers 1 403 unknown ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return c.Groups.AddUsers(ctx, domainID, 1, ids)
			},
		},
		"a removal of many": {
			faults: []siptest.Fault{siptest.On("Groups.RemoveUsers").Nth(2).Status(403)}, fails: true, want: "Groups.RemoveUsers 1 403 unknown ",
			do: func(ctx context.Context, c *infinitysip.Client) error {
				return c.Groups.RemoveUsers(ctx, domainID, 1, ids)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := canaryServer(t, siptest.Options{})
				_, err := srv.InProcessClient().Groups.Create(t.Context(), domainID, infinitysip.GroupCreateParams{Name: "g", DisplayName: "g", ExtensionNumber: "7", CallerNameFormat: "x"})
				require.NoError(t, err)
				for _, fault := range test.faults {
					srv.Fail(fault)
				}
				var log warnings
				client := srv.InProcessClient(infinitysip.WithLogger(slog.New(&log)), infinitysip.WithLimits(infinitysip.Limits{IDsPerRequest: 2}))
				srv.ResetRequests()
				err = test.do(t.Context(), client)
				require.Equal(t, test.fails, err != nil, err)
				require.GreaterOrEqual(t, log.others, len(srv.Requests()), "one for each attempt, and pages ahead may be called off")
				if test.want == "" {
					require.Empty(t, log.all)
					return
				}
				require.Len(t, log.all, 1)
				w := log.all[0]
				require.Equal(t, test.want, strings.Join([]string{w["op"], w["attempts"], w["status"], w["outcome"], w["request_id"]}, " "))
				require.Equal(t, "infinitysip: a call failed", w["msg"])
				require.Equal(t, err.Error(), w["error"])
				failed, _ := errors.AsType[*infinitysip.Error](err)
				require.Equal(t, []string{failed.Method, failed.Path}, []string{w["method"], w["path"]})
			})
		})
	}
}

func collected[R any](all func(func(R, error) bool)) (list []R, err error) {
	for row, err := range all {
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, nil
}

// It warns once of a call that waits long for a turn, with all its pages and looks.
func TestTheLoggerWarnsOfALongWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(context.Context, *infinitysip.Client) error
		want []string
	}{
		"a call": {func(ctx context.Context, c *infinitysip.Client) error {
			return errors.Join(errorOf(c.Users.Get(ctx, 1, 2)), errorOf(c.Users.List(ctx, 1)))
		}, []string{"Users.List, attempt 1"}},
		"pages": {func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(collected(c.Devices.All(ctx, 1, &infinitysip.DeviceListOptions{PageSize: 1})))
		}, []string{"Devices.List, attempt 1"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{respond: func(n int, req *http.Request) (*http.Response, error) {
				if strings.HasSuffix(req.URL.Path, "/2") || n < 4 {
					return answer(200, fmt.Sprintf(`{"userId":"2","pbxDeviceId":"%d"}`, n)), nil
				}
				return answer(200, ""), nil
			}}
			var log warnings
			client := stubClient(t, s, infinitysip.WithLogger(slog.New(&log)), infinitysip.WithRateLimit(1./30, 1))
			require.NoError(t, test.do(t.Context(), client), name)
			var got []string
			for _, w := range log.all {
				require.Equal(t, "infinitysip: a call waits long", w["msg"])
				got = append(got, w["op"]+", attempt "+w["attempt"])
			}
			require.Equal(t, test.want, got, name)
		})
	}
}

// A handler that panics does not harm a call, whatever becomes of it.
func TestALoggerThatPanics(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 403} {
		client := stubClient(t, always(status, `{"userId":"2"}`), infinitysip.WithLogger(slog.New(panicking{})), infinitysip.WithDebugLog(panicking{}))
		_, err := client.Users.Get(t.Context(), 1, 2)
		require.Equal(t, status == 403, errors.Is(err, infinitysip.ErrForbidden), err)
	}
}

type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic(canaryKey) }
func (panicking) Write([]byte) (int, error)                 { panic(canaryKey) }
