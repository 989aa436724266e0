package suite_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/siptest"
)

// answers is a stub for creates, updates and reads. Each func is told how many requests of
// its kind there were.
func answers(create, update, read func(n int) *http.Response) *stub {
	creates, updates, reads := 0, 0, 0
	var mu sync.Mutex
	return &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case req.Method == http.MethodGet:
			reads++
			return read(reads), nil
		case strings.HasSuffix(infinitysip.OperationFromContext(req.Context()), ".Update"):
			updates++
			return update(updates), nil
		}
		creates++
		return create(creates), nil
	}}
}

func each(status int, body string, headers ...string) func(int) *http.Response {
	return func(int) *http.Response { return answer(status, body, headers...) }
}

// requireOutcome requires an Error with this outcome, and returns its Found.
func requireOutcome(t *testing.T, want infinitysip.Outcome, err error, what ...any) (found []int64) {
	t.Helper()
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok, what...)
	require.Equal(t, want, failed.Outcome, what...)
	return failed.Found
}

// An error tells each time that the create was sent, so that a log of the server can be
// searched for it.
func TestTheErrorTellsWhenACreateWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		time.Sleep(time.Minute)
		a.Fail(siptest.On("Groups.Create").Status(503))
		_, err := groupsCreate.do(t.Context(), a)
		require.ErrorContains(t, err, "sent at 00:01:00.000Z and 00:01:04.000Z; looked for with Groups.List at 00:01:00.000Z absent")
	})
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Minute)
		err := salesGroup(t.Context(), stubClient(t, answers(each(201, ""), nil, each(200, ""))))
		requireOutcome(t, infinitysip.OutcomeApplied, err)
		require.ErrorContains(t, err, "created, but its id is not known; sent at 00:01:00.000Z; looked for with Groups.List at 00:01:00.000Z absent")
	})
}

// A create that succeeded has no id as long as no row shows one. If several rows may be
// the one, the error has their ids.
func TestCreatedAndItsIDIsNotShown(t *testing.T) {
	t.Parallel()
	const row = `"groupName":"sales","displayName":"Sales"}` + "\n"
	for name, test := range map[string]struct {
		list  string
		found []int64
	}{
		"a row without an id": {"{" + row, []int64{0}},
		"two rows":            {`{"groupId":"8",` + row + `{"groupId":"9",` + row, []int64{8, 9}},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := salesGroup(t.Context(), stubClient(t, answers(each(201, ""), nil, each(200, test.list))))
			found := requireOutcome(t, infinitysip.OutcomeApplied, err, name)
			require.ErrorContains(t, err, "created, but its id is not known", name)
			require.Equal(t, test.found, found, name)
		})
	}
}

// A 200 is no 201: its row is believed if it has an id and the name that was sent, was not
// there before, and no secret was sent, which it would not show.
func TestA200ThatIsNotBelieved(t *testing.T) {
	t.Parallel()
	const member = `{"queueMemberId":"5","groupId":"1"}`
	user := func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Users.Create(ctx, 1, newUser()))
	}
	queueMember := func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Queues.CreateMember(ctx, 1, 2, infinitysip.QueueMemberCreateParams{GroupID: 1, RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: 1}))
	}
	for name, test := range map[string]struct {
		do         func(context.Context, *infinitysip.Client) error
		post, list string
		believed   bool
	}{
		"the first id":                 {salesGroup, `{"groupId":"1","groupName":"sales","displayName":"Sales"}`, "", true},
		"no id":                        {salesGroup, `{"groupName":"sales","displayName":"Sales"}`, "", false},
		"another name, and its number": {salesGroup, `{"groupId":"5","groupName":"night","extensionNumber":"0201"}`, "", false},
		"a user, who has secrets":      {user, `{"userId":"5","user":"joe.blogs","extensionNumber":"0100"}`, "", false},
		"a member":                     {queueMember, member, "", true},
		"a member that was there":      {queueMember, member, member, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := test.do(t.Context(), stubClient(t, answers(each(200, test.post), nil, each(200, test.list))))
			if test.believed {
				require.NoError(t, err, name)
				return
			}
			requireOutcome(t, infinitysip.OutcomeUnknown, err, name)
		})
	}
}

// A row of a 201 may leave its domain empty. An id of several digits in the Location is
// read as it is.
func TestA201ThatIsBelieved(t *testing.T) {
	t.Parallel()
	for name, post := range map[string]func(int) *http.Response{
		"no domain":         each(201, `{"groupId":"12","domainId":"","groupName":"sales"}`),
		"its place":         each(201, "", "Location", "/config/v2/sip/domains/1/groups/12"),
		"the only one, 200": each(200, `{"groupId":"12","groupName":"sales"}`),
	} {
		s := &stub{respond: func(int, *http.Request) (*http.Response, error) { return post(0), nil }}
		id, err := stubClient(t, s).Groups.Create(t.Context(), 1, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0201", CallerNameFormat: "{displayName}"})
		require.NoError(t, err, name)
		require.Equal(t, infinitysip.GroupID(12), id, name)
		require.Equal(t, 1, s.count(), name)
	}
	first := always(201, "", "Location", "/config/v2/sip/domains/1/groups/1")
	require.NoError(t, salesGroup(t.Context(), stubClient(t, first)))
	require.Equal(t, 1, first.count())
	id, err := stubClient(t, answers(each(201, "", "Location", "/config/v2/sip/domains/1/groups/99999999999999999999"), nil, each(200, `{"groupId":"7","groupName":"sales"}`))).
		Groups.Create(t.Context(), 1, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0201", CallerNameFormat: "{displayName}"})
	require.NoError(t, err)
	require.Equal(t, infinitysip.GroupID(7), id, "an id that is too large is none")
}

// A token that comes with a 200 is one, if it is for the user and the device.
func TestATokenWithA200(t *testing.T) {
	t.Parallel()
	const token = `{"pbxDeviceId":"3","userId":"2","pbxDeviceToken":"` + canaryToken + `"}`
	got, err := stubClient(t, always(200, token)).Users.AddDevice(t.Context(), 1, 2, 3)
	require.NoError(t, err)
	require.Equal(t, canaryToken, got.Token.Reveal())
	for name, body := range map[string]string{
		"another device": strings.Replace(token, `"3"`, `"4"`, 1), "another user": strings.Replace(token, `"2"`, `"4"`, 1), "no token": `{"pbxDeviceId":"3","userId":"2"}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			_, err := stubClient(t, answers(each(200, body), nil, each(404, "")), atOnce()).Users.AddDevice(t.Context(), 1, 2, 3)
			requireOutcome(t, infinitysip.OutcomeUnknown, err, name)
		})
	}
}

// A member of another group is not the one that was lost: groups have no notations, as
// networks have.
func TestAnotherMemberIsNoRival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		other, err := groupsCreate.do(t.Context(), a)
		require.NoError(t, err)
		_, err = a.client.Queues.CreateMember(t.Context(), a.domain, a.queue, infinitysip.QueueMemberCreateParams{GroupID: other.(infinitysip.GroupID), RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: 1})
		require.NoError(t, err)
		a.Fail(siptest.On("Queues.CreateMember").Drop())
		_, err = queuesCreateMember.do(t.Context(), a)
		require.NotErrorIs(t, err, infinitysip.ErrConflict)
		require.Empty(t, requireOutcome(t, infinitysip.OutcomeUnknown, err))
	})
}

// A redirect made nothing that could appear later. Nor is a server's wait kept to before
// the looks, unless the create is sent again after it.
func TestHowLongACreateIsLookedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		post func(int) *http.Response
		took time.Duration
		sent int
	}{
		"a redirect":                    {each(302, "", "Location", "/elsewhere"), 0, 1},
		"no answer of the API":          {each(504, "", "Retry-After", "30"), 4 * time.Second, 1},
		"too many":                      {each(503, "", "Retry-After", "30"), 34 * time.Second, 2},
		"too many, without a time":      {each(503, ""), 8 * time.Second, 2},
		"too many, for too long a time": {each(503, "", "Retry-After", "3600"), 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(test.post, nil, each(200, ""))
			start := time.Now()
			requireOutcome(t, infinitysip.OutcomeUnknown, salesGroup(t.Context(), stubClient(t, s)), name)
			require.Equal(t, test.took, time.Since(start), name)
			require.Equal(t, test.sent, s.countOf("Groups.Create"), name)
		})
	}
}

// A create that a busy server refused is looked for once more if the looks fail. One look
// alone does not prove that it is absent, so then it is not sent again; neither is it if
// another's row is in its place.
func TestLooksAfterARefusal(t *testing.T) {
	t.Parallel()
	group := infinitysip.GroupCreateParams{Name: "late", DisplayName: "Late", ExtensionNumber: "0700", CallerNameFormat: "{displayName}"}
	for name, test := range map[string]struct {
		waits []time.Duration
		fails int // looks
		made  bool
		looks int
	}{
		"two looks, which fail":    {[]time.Duration{0, 0}, 2, true, 2 + 1 + 3},
		"one look, which fails":    {[]time.Duration{0}, 1, false, 1},
		"one look":                 {[]time.Duration{0}, 0, false, 3},
		"three looks, which fail":  {nil, 3, true, 3 + 2 + 3},
		"six looks, and all fail":  {nil, 6, false, 6},
		"two looks, and four fail": {[]time.Duration{0, 0}, 4, false, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{VerifyWaits: test.waits}))
			a.Fail(siptest.On("Groups.Create").Times(1).Status(503))
			if test.fails > 0 {
				a.Fail(siptest.On("Groups.List").Times(test.fails).Status(403))
			}
			_, err := a.client.Groups.Create(t.Context(), a.domain, group)
			if test.made {
				require.NoError(t, err, name)
			} else {
				requireOutcome(t, infinitysip.OutcomeUnknown, err, name)
			}
			require.Equal(t, test.looks, a.sent("Groups.List"), name)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		other := group
		other.DisplayName, other.ExtensionNumber = "Other", "0701"
		must(somebody(a.Server).Groups.Create(t.Context(), a.domain, other))
		a.Fail(siptest.On("Groups.Create").Times(1).Status(503))
		_, err := a.client.Groups.Create(t.Context(), a.domain, group)
		require.ErrorIs(t, err, infinitysip.ErrConflict)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 1, a.sent("Groups.List"), "its row does not go away")
	})
}

// A create that is sent again costs as much as any attempt, so a server that is down does
// not get it twice once nothing is left of the quota.
func TestACreateThatTheQuotaDoesNotPayFor(t *testing.T) {
	t.Parallel()
	for quota, sent := range map[int]int{1: 1, 1000: 2} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(each(503, ""), nil, each(200, ""))
			requireOutcome(t, infinitysip.OutcomeUnknown, salesGroup(t.Context(), stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{Quota: quota}))))
			require.Equal(t, sent, s.countOf("Groups.Create"))
		})
	}
}

// SettleSecrets sets the secrets of the user that was found, as often as any update is
// sent. It sets none of a row without an id, none of a group, and none that another
// package of this module sees to.
func TestWhoseSecretsAreSettled(t *testing.T) {
	t.Parallel()
	settle := infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true})
	user := func(id string) func(int) *http.Response {
		return each(200, `{`+id+`"user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"0100"}`)
	}
	busyOnce := func(n int) *http.Response {
		if n == 1 {
			return answer(503, "")
		}
		return answer(200, "")
	}
	for id, put := range map[string]func(int) *http.Response{"1": each(200, ""), "12": each(200, ""), "13": busyOnce} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(each(502, ""), put, user(`"userId":"`+id+`",`))
			got, err := stubClient(t, s, settle).Users.Create(t.Context(), 1, newUser())
			require.NoError(t, err, id)
			require.Equal(t, id, fmt.Sprint(got))
			s.mu.Lock()
			defer s.mu.Unlock()
			require.Equal(t, "/config/v2/sip/domains/1/users/"+id, s.hits[len(s.hits)-1].URL.Path)
		})
	}
	for name, test := range map[string]struct {
		list func(int) *http.Response
		do   func(context.Context, *infinitysip.Client) error
	}{
		"a row without an id": {user(""), func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.Create(ctx, 1, newUser()))
		}},
		"a group": {each(200, `{"groupId":"5","groupName":"sales","displayName":"Sales"}`), func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Groups.Create(ctx, 1, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0201", CallerNameFormat: "{displayName}"}, infinitysip.CallParam("voicemailPassword", canaryPassword)))
		}},
		"a follower": {user(`"userId":"5",`), func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.Create(new(attempt.Follower).Context(ctx), 1, newUser()))
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(each(502, ""), each(200, ""), test.list)
			err := test.do(t.Context(), stubClient(t, s, settle))
			requireOutcome(t, infinitysip.OutcomeUnknown, err, name)
			require.ErrorContains(t, err, "somebody else may have made it, with another ", name)
			require.Zero(t, s.countOf("Users.Update"), name)
			require.Equal(t, 2, s.count(), name)
		})
	}
}

// An add that failed is sent again with those alone who are missing, after the wait that
// the server asks for, if that is acceptable. Else the error tells who is missing.
func TestAnAddIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		add  func(int) *http.Response
		took time.Duration
		sent int
	}{
		"too many":                      {each(503, "", "Retry-After", "30"), 30 * time.Second, 2},
		"too many, for too long a time": {each(503, "", "Retry-After", "3600"), 0, 1},
		"a page with a 201":             {each(201, "<html>welcome</html>"), 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(test.add, nil, each(200, `{"userId":"11"}`+"\n"+`{"userId":"13"}`))
			start := time.Now()
			err := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 2})).Groups.AddUsers(t.Context(), 1, 2, []infinitysip.UserID{11, 12, 13, 14})
			requireOutcome(t, infinitysip.OutcomeUnknown, err, name)
			require.ErrorContains(t, err, "Z 2 of them were not there, the first 12", name)
			took := time.Since(start)
			require.GreaterOrEqual(t, took, test.took, name)
			require.Less(t, took, test.took+time.Second, name)
			require.Equal(t, test.sent, s.countOf("Groups.AddUsers"), name)
			if test.sent > 1 {
				require.Equal(t, []string{"11", "12", "13", "14"}, s.form(1)["userSpec[]"], name)
				require.Equal(t, []string{"12", "14"}, s.form(3)["userSpec[]"], name)
			}
		})
	}
}

// A list whose rows show no name does not prove that one is absent. Neither does one whose
// end cannot be read.
func TestListsThatProveNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		list func(*http.Request) *http.Response
		want string
	}{
		"rows without names": {func(*http.Request) *http.Response { return answer(200, `{"groupId":"5"}`) }, "a row does not say its groupName"},
		"its end is refused": {func(req *http.Request) *http.Response {
			if req.URL.Query().Get("offset") != "" {
				return answer(403, "not the end")
			}
			return answer(200, `{"groupId":"5","groupName":"night"}`+"\n"+`{"groupId":"6","groupName":"day"}`)
		}, "not the end"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					return answer(503, ""), nil
				}
				return test.list(req), nil
			}}
			err := salesGroup(t.Context(), stubClient(t, s))
			requireOutcome(t, infinitysip.OutcomeUnknown, err, name)
			require.ErrorContains(t, err, test.want, name)
			require.Equal(t, 1, s.countOf("Groups.Create"), name)
		})
	}
}

// A row with the number that was sent, and another name, is a rival only once all rows are
// known: the one that was made may yet appear.
func TestARivalThatIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const night, sales = `{"groupId":"5","groupName":"night","extensionNumber":"0201"}` + "\n", `{"groupId":"8","groupName":"sales"}` + "\n"
		s := answers(each(502, ""), nil, func(n int) *http.Response {
			if n == 1 {
				return answer(200, night)
			}
			return answer(200, night+sales)
		})
		require.NoError(t, salesGroup(t.Context(), stubClient(t, s)))
	})
}

// A page of a proxy does not tell that a device is nobody's.
func TestAPageInPlaceOfADevice(t *testing.T) {
	t.Parallel()
	for body, sent := range map[string]int{"": 2, "<html>not found</html>": 1} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(each(503, ""), nil, each(404, body))
			_, err := stubClient(t, s).Users.AddDevice(t.Context(), 1, 2, 3)
			requireOutcome(t, infinitysip.OutcomeUnknown, err, body)
			require.Equal(t, sent, s.countOf("Users.AddDevice"), body)
		})
	}
}

// A row that comes twice is one. Rows without ids are one only if they are equal.
func TestFindARowThatComesTwice(t *testing.T) {
	t.Parallel()
	for list, found := range map[string]bool{
		`{"groupId":"5","groupName":"sales"}` + "\n" + `{"groupId":"5","groupName":"sales"}`:                                            true,
		`{"groupId":"1","groupName":"sales","displayName":"Sales"}` + "\n" + `{"groupId":"1","groupName":"sales","displayName":"Sold"}`: true,
		`{"groupId":"1","groupName":"sales"}` + "\n" + `{"groupId":"5","groupName":"sales"}`:                                            false,
		`{"groupName":"sales","displayName":"Sales"}` + "\n" + `{"groupName":"sales","displayName":"Sales"}`:                            true,
		`{"groupName":"sales","displayName":"Sales"}` + "\n" + `{"groupName":"sales","displayName":"Sold"}`:                             false,
	} {
		row, err := stubClient(t, always(200, list)).Groups.Find(t.Context(), 1, "sales")
		if found {
			require.NoError(t, err, list)
			require.Equal(t, "sales", row.Name)
		} else {
			require.ErrorContains(t, err, "2 rows have this groupName", list)
		}
	}
}

// A goroutine that ends within a call that has looks did not succeed.
func TestObserverOfAWriteThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"create", "addDevice", "add", "find"} {
		n := new(notes)
		client := stubClient(t, transportFunc(func(*http.Request) (*http.Response, error) {
			runtime.Goexit()
			return nil, nil
		}), infinitysip.WithObserver(n.observer()))
		var ended sync.WaitGroup
		ended.Go(func() {
			if name == "find" {
				_, _ = client.Users.Find(t.Context(), 1, "joe")
			} else {
				_ = oneOfEach(client)[name](t.Context())
			}
		})
		ended.Wait()
		require.Len(t, n.calls, 1, name)
		require.Error(t, n.calls[0].Err, name)
		require.Equal(t, name != "find", n.calls[0].Outcome == infinitysip.OutcomeUnknown, name)
	}
}
