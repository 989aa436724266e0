package infinitysip_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// acme is a domain on a server of a kind, within a bubble of fake time.
type acme struct {
	*siptest.Server
	client *infinitysip.Client
	domain infinitysip.DomainID
	group  infinitysip.GroupID
	queue  infinitysip.QueueID
	user   infinitysip.UserID
	device infinitysip.DeviceID
}

func newAcme(t *testing.T, o siptest.Options, opts ...infinitysip.Option) *acme {
	t.Helper()
	a := &acme{Server: siptest.New(t, o)}
	a.client = a.InProcessClient(opts...)
	a.domain = a.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	var err error
	a.group, err = a.client.Groups.Create(t.Context(), a.domain, infinitysip.GroupCreateParams{Name: "all", DisplayName: "All", ExtensionNumber: "0200", CallerNameFormat: "{displayName}"})
	require.NoError(t, err)
	a.queue, err = a.client.Queues.Create(t.Context(), a.domain, infinitysip.QueueCreateParams{Name: "first", DisplayName: "First", ExtensionNumber: "0300"})
	require.NoError(t, err)
	params := newUser()
	params.User, params.ExtensionNumber = "first", "0101"
	a.user, err = a.client.Users.Create(t.Context(), a.domain, params)
	require.NoError(t, err)
	a.device, err = a.client.Devices.Create(t.Context(), a.domain, infinitysip.DeviceCreateParams{Name: "First", MACAddress: "10:20:30:00:00:01"})
	require.NoError(t, err)
	a.ResetRequests()
	return a
}

// sent counts the requests of a call.
func (a *acme) sent(op string) int {
	n := 0
	for _, req := range a.Requests() {
		if req.Op == op {
			n++
		}
	}
	return n
}

// creates are all calls that create, each with the count of what it makes.
func (a *acme) creates() map[string]struct {
	do    func(context.Context) (int64, error)
	count func() int
} {
	type create = struct {
		do    func(context.Context) (int64, error)
		count func() int
	}
	return map[string]create{
		"Users.Create": {
			func(ctx context.Context) (int64, error) {
				id, err := a.client.Users.Create(ctx, a.domain, newUser())
				return int64(id), err
			},
			func() int { return len(a.Users(a.domain)) - 1 },
		},
		"Groups.Create": {
			func(ctx context.Context) (int64, error) {
				id, err := a.client.Groups.Create(ctx, a.domain, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0201", RingRetry: true, CallerNameFormat: "{displayName}"})
				return int64(id), err
			},
			func() int { return len(a.Groups(a.domain)) - 1 },
		},
		"Queues.Create": {
			func(ctx context.Context) (int64, error) {
				id, err := a.client.Queues.Create(ctx, a.domain, infinitysip.QueueCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0301"})
				return int64(id), err
			},
			func() int { return len(a.Queues(a.domain)) - 1 },
		},
		"Queues.CreateMember": {
			func(ctx context.Context) (int64, error) {
				id, err := a.client.Queues.CreateMember(ctx, a.domain, a.queue, infinitysip.QueueMemberCreateParams{GroupID: a.group, RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: 1})
				return int64(id), err
			},
			func() int { return len(a.QueueMembers(a.domain, a.queue)) },
		},
		"TrustedNetworks.Create": {
			func(ctx context.Context) (int64, error) {
				id, err := a.client.TrustedNetworks.Create(ctx, a.domain, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Office"})
				return int64(id), err
			},
			func() int { return len(a.TrustedNetworks(a.domain)) },
		},
		"Devices.Create": {
			func(ctx context.Context) (int64, error) {
				id, err := a.client.Devices.Create(ctx, a.domain, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:00:00:02"})
				return int64(id), err
			},
			func() int { return len(a.Devices(a.domain)) - 1 },
		},
	}
}

// Whatever befalls a create, it happens at most once, and what its error or
// its success says is so.
func TestCreatesAreVerified(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		effect  func(siptest.Fault) siptest.Fault
		times   int // that the fault strikes
		sent    int
		made    int
		outcome infinitysip.Outcome // of its error; -1: a success
	}{
		"dropped after it was applied":  {siptest.Fault.CommitThenDrop, 1, 1, 1, -1},
		"dropped before":                {siptest.Fault.Drop, 1, 1, 0, infinitysip.Unknown},
		"502 after":                     {func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(502) }, 1, 1, 1, -1},
		"504 before":                    {func(f siptest.Fault) siptest.Fault { return f.Status(504) }, 1, 1, 0, infinitysip.Unknown},
		"500 after":                     {func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(500) }, 1, 1, 1, -1},
		"503 before, then healthy":      {func(f siptest.Fault) siptest.Fault { return f.Status(503) }, 1, 2, 1, -1},
		"500 before, twice":             {func(f siptest.Fault) siptest.Fault { return f.Status(500) }, 2, 2, 0, infinitysip.Unknown},
		"503 after, twice":              {func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(503) }, 2, 1, 1, -1},
		"redirected":                    {func(f siptest.Fault) siptest.Fault { return f.Status(302) }, 1, 1, 0, infinitysip.Unknown},
		"accepted, which is not enough": {func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(202) }, 1, 1, 1, -1},
		"silence":                       {func(f siptest.Fault) siptest.Fault { return f.Latency(time.Hour) }, 1, 1, 0, infinitysip.Unknown},
		"429 twice":                     {func(f siptest.Fault) siptest.Fault { return f.Status(429) }, 2, 3, 1, -1},
		"403":                           {func(f siptest.Fault) siptest.Fault { return f.Status(403) }, 1, 1, 0, infinitysip.NotApplied},
		"answer cut":                    {func(f siptest.Fault) siptest.Fault { return f.Truncate(4) }, 1, 1, 1, -1},
		"answer empty":                  {func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(201).Body("") }, 1, 1, 1, -1},
		"a page of HTML":                {func(f siptest.Fault) siptest.Fault { return f.Status(200).Body("<html>Log in</html>") }, 1, 1, 0, infinitysip.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for kind, options := range servers() {
				for op := range new(acme).creates() {
					synctest.Test(t, func(t *testing.T) {
						a := newAcme(t, options)
						create := a.creates()[op]
						a.Fail(test.effect(siptest.On(op)).Times(test.times))
						id, err := create.do(t.Context())
						where := fmt.Sprintf("%s on %s: %v", op, kind, err)
						require.Equal(t, test.made, create.count(), where)
						require.Equal(t, test.sent, a.sent(op), where)
						if test.outcome < 0 {
							require.NoError(t, err, where)
							require.NotZero(t, id, where)
							return
						}
						failed, ok := errors.AsType[*infinitysip.Error](err)
						require.True(t, ok, where)
						require.Zero(t, id, where)
						require.Equal(t, test.outcome, failed.Outcome, where)
						require.Equal(t, test.outcome == infinitysip.Unknown, errors.Is(err, infinitysip.ErrOutcomeUnknown), where)
						requireNoSecret(t, where, err)
					})
				}
			}
		})
	}
}

func TestVerifyTellsWhatItSaw(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		a.Fail(siptest.On("Users.Create").Status(502).Body("bad gateway"))
		start := time.Now()
		_, err := a.client.Users.Create(t.Context(), a.domain, newUser())
		require.Equal(t, 4*time.Second, time.Since(start))
		require.EqualError(t, err, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 502 Bad Gateway: bad gateway: "+
			"sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z absent "+
			"(it may have taken effect: look before you send it again)")
		require.ErrorIs(t, err, infinitysip.ErrUnavailable)
	})
}

func TestVerifyALookThatFailsIsNotAbsence(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]siptest.Fault{
		"refused": siptest.On("Users.List").Status(403),
		"cut":     siptest.On("Users.List").Truncate(10),
		"HTML":    siptest.On("Users.List").Body("<html>"),
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{})
			a.Fail(siptest.On("Users.Create").Status(503))
			a.Fail(fault)
			_, err := a.client.Users.Create(t.Context(), a.domain, newUser())
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, name)
			require.Equal(t, 1, a.sent("Users.Create"), name)
			require.ErrorContains(t, err, "failed", name)
		})
	}
}

// The API's page does not list the fields of most rows: one that does not show
// the key may be any of them.
func TestVerifyARowWithoutTheKeyIsNotAbsence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				return answer(503, ""), nil
			}
			return answer(200, `{"userId":"1","displayName":"Joe Blogs"}`), nil
		}}
		_, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "a row does not say its user")
		require.Equal(t, 1, s.countOf("Users.Create"))
	})
}

func TestVerifyFindsSomethingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{AllowDuplicates: true})
		other := newUser()
		other.DisplayName, other.Email = "Another Joe", "joe@example.com"
		id, err := a.client.Users.Create(t.Context(), a.domain, other)
		require.NoError(t, err)
		a.Fail(siptest.On("Users.Create").Drop())
		_, err = a.client.Users.Create(t.Context(), a.domain, newUser())
		require.ErrorIs(t, err, infinitysip.ErrConflict)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.ErrorContains(t, err, fmt.Sprintf("the row with id %d has the same name and another displayName than was sent", id))
	})
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{AllowDuplicates: true})
		first, err := a.client.Users.Create(t.Context(), a.domain, newUser())
		require.NoError(t, err)
		a.Fail(siptest.On("Users.Create").CommitThenDrop())
		_, err = a.client.Users.Create(t.Context(), a.domain, newUser())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.ErrorContains(t, err, fmt.Sprintf("[%d %d]", first, a.Users(a.domain)[2].ID))
		require.Len(t, a.Users(a.domain), 3, "and nothing is cleaned up")
	})
}

// A queue may ring the same group twice, so a member that was there before is
// not the one that was to be made.
func TestVerifyOfAQueueMember(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{CreateBody: siptest.CreateBodyNone})
		create := a.creates()["Queues.CreateMember"]
		first, err := create.do(t.Context())
		require.NoError(t, err)
		second, err := create.do(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first, second)

		a.Fail(siptest.On("Queues.CreateMember").Nth(1).CommitThenDrop())
		third, err := create.do(t.Context())
		require.NoError(t, err)
		require.NotContains(t, []int64{first, second}, third)

		a.Fail(siptest.On("Queues.CreateMember").Drop())
		_, err = create.do(t.Context())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 3, create.count())
	})
	// When it cannot be known what was there before, nothing is claimed.
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		create := a.creates()["Queues.CreateMember"]
		a.Fail(siptest.On("Queues.ListMembers").Nth(1).Status(403))
		a.Fail(siptest.On("Queues.CreateMember").CommitThenDrop())
		_, err := create.do(t.Context())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "may have been there before")
	})
}

func TestVerifyResendAfter(t *testing.T) {
	t.Parallel()
	policy := infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{ResendAfter: 10 * time.Minute})
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{}, policy)
		a.Fail(siptest.On("Users.Create").Nth(1).Drop())
		start := time.Now()
		_, err := a.client.Users.Create(t.Context(), a.domain, newUser())
		require.NoError(t, err)
		require.Equal(t, 2, a.sent("Users.Create"))
		require.GreaterOrEqual(t, time.Since(start), 10*time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{}, policy)
		a.Fail(siptest.On("Users.Create").Drop())
		_, err := a.client.Users.Create(t.Context(), a.domain, newUser())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 2, a.sent("Users.Create"), "once more, and no more")
	})
}

func TestVerifyEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		a.Fail(siptest.On("Users.Create").Drop())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := a.client.Users.Create(ctx, a.domain, newUser())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestALostToken(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]siptest.Fault{
		"dropped": siptest.On("Users.AddDevice").CommitThenDrop(),
		"cut":     siptest.On("Users.AddDevice").Truncate(30),
		"502":     siptest.On("Users.AddDevice").CommitThenStatus(502),
		"empty":   siptest.On("Users.AddDevice").CommitThenStatus(201).Body(""),
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{})
			a.Fail(fault.Times(1))
			token, err := a.client.Users.AddDevice(t.Context(), a.domain, a.user, a.device)
			require.Nil(t, token, name)
			require.ErrorIs(t, err, infinitysip.ErrTokenLost, name)
			require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown, name)
			failed, _ := errors.AsType[*infinitysip.Error](err)
			require.Equal(t, infinitysip.Applied, failed.Outcome, name)

			token, err = a.client.Users.RotateDeviceToken(t.Context(), a.domain, a.user, a.device)
			require.NoError(t, err, name)
			require.Len(t, token.Token.Reveal(), 25, name)
			require.Equal(t, a.user, a.Devices(a.domain)[0].UserID, name)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		a.Fail(siptest.On("Users.AddDevice").Times(1).Status(503))
		token, err := a.client.Users.AddDevice(t.Context(), a.domain, a.user, a.device)
		require.NoError(t, err, "absent in two looks, so it is sent once more")
		require.NotNil(t, token)

		a.Fail(siptest.On("Users.AddDevice").Status(403))
		_, err = a.client.Users.RotateDeviceToken(t.Context(), a.domain, a.user, a.device)
		require.ErrorIs(t, err, infinitysip.ErrForbidden)
		require.ErrorContains(t, err, "the device's old token is gone")

		_, err = a.client.Users.RotateDeviceToken(t.Context(), a.domain, a.user, a.device)
		require.ErrorIs(t, err, infinitysip.ErrNotFound, "there is no association to end")
	})
}

func TestAddsSendOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		effect func(siptest.Fault) siptest.Fault
		times  int
		sent   int
		ok     bool
	}{
		"applied, then dropped": {siptest.Fault.CommitThenDrop, 1, 1, true},
		"dropped":               {siptest.Fault.Drop, 2, 3, true},
		"always dropped":        {siptest.Fault.Drop, 9, 3, false},
		"500 twice":             {func(f siptest.Fault) siptest.Fault { return f.Status(500) }, 2, 2, false},
		"503":                   {func(f siptest.Fault) siptest.Fault { return f.Status(503) }, 1, 2, true},
		"504 after":             {func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(504) }, 1, 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{})
			a.Fail(test.effect(siptest.On("Groups.AddUsers")).Times(test.times))
			err := a.client.Groups.AddUsers(t.Context(), a.domain, a.group, []infinitysip.UserID{a.user})
			require.Equal(t, test.ok, err == nil, "%s: %v", name, err)
			require.Equal(t, test.sent, a.sent("Groups.AddUsers"), name)
			require.Equal(t, test.ok, len(a.GroupUsers(a.domain, a.group)) == 1, name)
			require.Equal(t, !test.ok, errors.Is(err, infinitysip.ErrOutcomeUnknown), name)
		})
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(503, "")
		client := stubClient(t, s)
		for range 100 {
			_, err := client.Users.List(t.Context(), 1)
			require.ErrorIs(t, err, infinitysip.ErrUnavailable)
		}
		require.Equal(t, 100+20, s.count(), "100 calls, and 100 / 5 attempts again")

		s = always(429, "")
		client = stubClient(t, s)
		for range 100 {
			_, err := client.Users.List(t.Context(), 1)
			require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		}
		require.Equal(t, 400, s.count(), "a server that says when to come back is no dead server")
	})
}
