package suite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// rotating is a server with a user who has so many devices.
func rotating(t *testing.T, o siptest.Options, devices int) *acme {
	t.Helper()
	a := newAcme(t, o)
	a.AddDevice(a.domain, infinitysip.Device{MACAddress: "02:00:00:00:00:FF"}) // nobody's
	for i := range devices {
		a.AddDevice(a.domain, infinitysip.Device{MACAddress: fmt.Sprintf("02:00:00:00:00:%02X", i), UserID: a.user})
	}
	return a
}

// owned are the devices that have the user.
func (a *acme) owned() (ids []infinitysip.DeviceID) {
	for _, device := range a.Devices(a.domain) {
		if device.UserID == a.user {
			ids = append(ids, device.ID)
		}
	}
	return ids
}

// The second step of a rotation outlives its caller, so that a device keeps its user.
func TestRotateDeviceTokenOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, test := range map[string]struct {
		fault  siptest.Fault
		after  time.Duration // the caller's context ends
		limits infinitysip.Limits
		took   time.Duration
		is     []error // empty: it gives the token
		says   string
		owned  int
		second int // requests of the second step
	}{
		"the server is slow": {
			fault: siptest.On("Users.AddDevice").Latency(10 * time.Second), after: time.Second, took: 10 * time.Second, owned: 1, second: 1,
		},
		"the server is busy": {
			fault: siptest.On("Users.AddDevice").Times(1).Status(429).Header("Retry-After", "20"), after: time.Second, took: 20 * time.Second, owned: 1, second: 2,
		},
		"the server is silent in the second step": {
			fault: siptest.On("Users.AddDevice").Hang(), after: 5 * time.Second, took: 25 * time.Second, second: 1,
			limits: infinitysip.Limits{HeaderTimeout: time.Hour, AttemptTimeout: 20 * time.Second},
			is:     []error{context.DeadlineExceeded, infinitysip.ErrOutcomeUnknown}, says: "the device's old token is gone; ",
		},
		"the server says for long that it is busy": {
			fault: siptest.On("Users.AddDevice").Status(429).Header("Retry-After", "50"), after: 5 * time.Second, took: 65 * time.Second, second: 2,
			is: []error{context.DeadlineExceeded, infinitysip.ErrOutcomeUnknown}, says: "the device's old token is gone; ",
		},
		"the server is silent in the first step": {
			fault: siptest.On("Users.RemoveDevice").Hang(), after: 5 * time.Second, took: 5 * time.Second, owned: 1,
			is: []error{context.DeadlineExceeded, infinitysip.ErrOutcomeUnknown}, says: "the device may have no user now; ",
		},
		"the first step is applied, and nobody says so": {
			fault: siptest.On("Users.RemoveDevice").CommitThenHang(), after: 5 * time.Second, took: 5 * time.Second,
			is: []error{context.DeadlineExceeded, infinitysip.ErrOutcomeUnknown}, says: "the device may have no user now; ",
		},
		"the second step is refused": {
			fault: siptest.On("Users.AddDevice").Latency(2 * time.Second).Status(403), after: time.Second, took: 2 * time.Second, second: 1,
			is: []error{infinitysip.ErrForbidden, infinitysip.ErrOutcomeUnknown}, says: "the device's old token is gone",
		},
		"it has ended before": {
			fault: siptest.On("Users.ListGroups").Drop(), is: []error{context.DeadlineExceeded}, owned: 1,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := rotating(t, siptest.Options{}, 1)
			seen := map[string]bool{}
			client := a.InProcessClient(infinitysip.WithLimits(test.limits), infinitysip.WithHTTPClient(&http.Client{Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
				seen[infinitysip.OperationFromContext(req.Context())] = req.Context().Value(key{}) == "the caller's"
				return a.Transport().RoundTrip(req)
			})}))
			a.Fail(test.fault)
			if name == "the server is silent in the second step" {
				a.Fail(siptest.On("Users.GetDevice").Hang())
			}
			ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "the caller's"), test.after)
			defer cancel()
			start := time.Now()
			device := a.Devices(a.domain)[2].ID
			token, err := client.Users.RotateDeviceToken(ctx, a.domain, a.user, device)
			require.Equal(t, test.took, time.Since(start), name)
			if len(test.is) == 0 {
				require.NoError(t, err, name)
				require.Error(t, ctx.Err(), name)
				require.Equal(t, device, token.DeviceID)
				require.Len(t, token.Token.Reveal(), 25)
			}
			for _, target := range test.is {
				require.ErrorIs(t, err, target, name)
			}
			if err != nil {
				require.Nil(t, token)
				require.ErrorContains(t, err, test.says, name)
				require.Equal(t, test.says != "", errors.Is(err, infinitysip.ErrOutcomeUnknown), name)
			}
			for op, passed := range seen {
				require.True(t, passed, "%s: %s has the caller's values", name, op)
			}
			require.Equal(t, test.second, a.sent("Users.AddDevice"), name)
			require.Len(t, a.owned(), test.owned, name)
		})
	}
}

// All devices of a user, over every page, are listed before the first one changes.
func TestRotateDeviceTokens(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 1, 3} {
		for _, n := range []int{0, 1, 8} {
			synctest.Test(t, func(t *testing.T) {
				a := rotating(t, siptest.Options{MaxRows: most}, n)
				want := a.owned()
				require.Len(t, want, n)
				var got []infinitysip.DeviceID
				tokens := map[string]bool{}
				for token, err := range a.client.Users.RotateDeviceTokens(t.Context(), a.domain, a.user) {
					require.NoError(t, err)
					require.Equal(t, a.user, token.UserID)
					got = append(got, token.DeviceID)
					tokens[token.Token.Reveal()] = true
				}
				require.Equal(t, want, got)
				require.Len(t, tokens, n)
				require.Equal(t, want, a.owned())
				requests := a.Requests()
				for i, req := range requests {
					require.Equal(t, i < len(requests)-2*n, req.Op == "Users.ListDevices", "the lists come first, and then two requests a device")
				}
			})
		}
	}
}

// It ends after the first error, which tells the device, or where the loop ends.
func TestRotateDeviceTokensEnds(t *testing.T) {
	t.Parallel()
	const n = 5
	renamed := siptest.On("Users.ListDevices").Rewrite(func(body []byte) []byte {
		return bytes.Replace(body, []byte(`"pbxDeviceId":"4"`), []byte(`"ref":"4"`), 1)
	})
	for name, test := range map[string]struct {
		fault          siptest.Fault
		with           []infinitysip.CallOption
		breaks         int // after so many tokens; 0: it does not
		tokens         int
		failed         infinitysip.DeviceID
		is             error
		says           string
		op             string
		removed, added int // requests
		owned          int
	}{
		"a break":                         {fault: siptest.On("Users.ListGroups").Drop(), breaks: 2, tokens: 2, removed: 2, added: 2, owned: n},
		"the first step of the third":     {fault: siptest.On("Users.RemoveDevice").Nth(3).Status(403), tokens: 2, failed: 5, is: infinitysip.ErrForbidden, op: "Users.RemoveDevice", removed: 3, added: 2, owned: n},
		"the second step of the third":    {fault: siptest.On("Users.AddDevice").Nth(3).Status(403), tokens: 2, failed: 5, is: infinitysip.ErrForbidden, op: "Users.AddDevice", says: "old token is gone", removed: 3, added: 3, owned: n - 1},
		"the token of the third is lost":  {fault: siptest.On("Users.AddDevice").Nth(3).CommitThenDrop(), tokens: 2, failed: 5, is: infinitysip.ErrTokenLost, op: "Users.AddDevice", removed: 3, added: 3, owned: n},
		"the list":                        {fault: siptest.On("Users.ListDevices").Status(403), is: infinitysip.ErrForbidden, op: "Users.ListDevices", owned: n},
		"the second page of the list":     {fault: siptest.On("Users.ListDevices").Nth(2).Status(403), is: infinitysip.ErrForbidden, op: "Users.ListDevices", owned: n},
		"a row that does not say its id":  {fault: renamed, op: "Users.ListDevices", says: "a row does not say its pbxDeviceId", owned: n},
		"an option that is refused later": {fault: siptest.On("Users.ListGroups").Drop(), with: []infinitysip.CallOption{infinitysip.CallParam("pbxDeviceId", "9")}, is: infinitysip.ErrInvalid, owned: n},
		"an option that the list refuses": {fault: siptest.On("Users.ListGroups").Drop(), with: []infinitysip.CallOption{infinitysip.CallParam("limit", "9")}, is: infinitysip.ErrInvalid, owned: n},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := rotating(t, siptest.Options{}, n)
			a.Fail(test.fault)
			tokens := 0
			var last infinitysip.UserDeviceToken
			var err error
			for last, err = range a.client.Users.RotateDeviceTokens(t.Context(), a.domain, a.user, test.with...) {
				if err == nil {
					tokens++
				}
				if tokens == test.breaks && tokens > 0 {
					break
				}
			}
			require.Equal(t, test.tokens, tokens, name)
			if test.breaks > 0 {
				require.NoError(t, err, name)
			} else {
				require.Error(t, err, name)
				user := map[bool]infinitysip.UserID{true: a.user}[test.failed != 0]
				require.Equal(t, infinitysip.UserDeviceToken{DeviceID: test.failed, UserID: user}, last, name)
				require.ErrorContains(t, err, test.says, name)
			}
			if test.is != nil {
				require.ErrorIs(t, err, test.is, name)
			}
			if failed, ok := errors.AsType[*infinitysip.Error](err); test.op != "" {
				require.True(t, ok, "%s: %v", name, err)
				require.Equal(t, test.op, failed.Op, name)
			}
			require.Equal(t, test.removed, a.sent("Users.RemoveDevice"), name)
			require.Equal(t, test.added, a.sent("Users.AddDevice"), name)
			require.Len(t, a.owned(), test.owned, name)
			if len(test.with) > 0 {
				require.Empty(t, a.Requests(), name)
			}
		})
	}
}

// A loop whose context ends has the token of the device that was under way.
func TestRotateDeviceTokensWhoseContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := rotating(t, siptest.Options{}, 3)
		ctx, cancel := context.WithCancel(t.Context())
		a.Fail(siptest.On("Users.AddDevice").Nth(2).Before(func(*siptest.Server) { cancel() }))
		tokens := 0
		for token, err := range a.client.Users.RotateDeviceTokens(ctx, a.domain, a.user) {
			if err == nil {
				tokens++
				continue
			}
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
			require.Equal(t, infinitysip.UserDeviceToken{DeviceID: a.owned()[2], UserID: a.user}, token)
		}
		require.Equal(t, 2, tokens)
		require.Len(t, a.owned(), 3)
		require.Equal(t, 2, a.sent("Users.RemoveDevice"))
	})
}
