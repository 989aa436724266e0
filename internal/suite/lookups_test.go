package suite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

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

func TestRotateDeviceToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		a.Fail(siptest.On("Users.AddDevice").Times(1).CommitThenDrop())
		_, err := a.client.Users.AddDevice(t.Context(), a.domain, a.user, a.device)
		require.ErrorIs(t, err, infinitysip.ErrTokenLost)

		token, err := a.client.Users.RotateDeviceToken(t.Context(), a.domain, a.user, a.device)
		require.NoError(t, err)
		require.Len(t, token.Token.Reveal(), 25)
		require.Equal(t, a.user, a.Devices(a.domain)[0].UserID)

		a.Fail(siptest.On("Users.AddDevice").Status(403))
		_, err = a.client.Users.RotateDeviceToken(t.Context(), a.domain, a.user, a.device)
		require.ErrorIs(t, err, infinitysip.ErrForbidden)
		require.ErrorContains(t, err, "the device's old token is gone")
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, "it is no longer as it was")

		_, err = a.client.Users.RotateDeviceToken(t.Context(), a.domain, a.user, a.device)
		require.ErrorIs(t, err, infinitysip.ErrNotFound, "there is no association to end")
	})
}

// The API's page lists the fields of neither members nor users of a group. A
// row that does not say its id says nothing of who is there.
func TestRowsThatDoNotSayTheirID(t *testing.T) {
	t.Parallel()
	renamed := func(op, name string) siptest.Fault {
		return siptest.On(op).Rewrite(func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(`"`+name+`"`), []byte(`"ref"`)) })
	}
	for name, fault := range map[string]siptest.Fault{
		"applied, 503":     siptest.On("Queues.CreateMember").Times(1).CommitThenStatus(503),
		"applied, dropped": siptest.On("Queues.CreateMember").Times(1).CommitThenDrop(),
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{ResendAfter: time.Hour}))
			_, err := queuesCreateMember.do(t.Context(), a)
			require.NoError(t, err)
			a.ResetRequests()
			a.Fail(renamed("Queues.ListMembers", "queueMemberId"))
			a.Fail(fault)
			_, err = queuesCreateMember.do(t.Context(), a)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, name)
			require.ErrorContains(t, err, "may have been there before", name)
			require.Equal(t, 1, a.sent("Queues.CreateMember"), name)
			require.Len(t, a.QueueMembers(a.domain, a.queue), 2, name)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		a.Fail(renamed("Groups.ListUsers", "userId"))
		a.Fail(siptest.On("Groups.AddUsers").CommitThenStatus(504))
		err := a.client.Groups.AddUsers(t.Context(), a.domain, a.group, []infinitysip.UserID{a.user})
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "a row does not say its userId")
		require.Equal(t, 1, a.sent("Groups.AddUsers"))
	})
}

// A server may keep a key otherwise than it was sent: without the length of a
// single address, in lower case, without blanks around it.
func TestVerifyFindsAKeyThatTheServerRewrote(t *testing.T) {
	t.Parallel()
	salesWithABlank := func(ctx context.Context, c *infinitysip.Client) error {
		_, err := c.Groups.Create(ctx, 1, infinitysip.GroupCreateParams{Name: "sales ", DisplayName: "Sales", ExtensionNumber: "1", CallerNameFormat: "{displayName}"})
		return err
	}
	for _, test := range []struct {
		name, row string
		finds     func(filter string) bool // whether it finds the row; nil: the server ignores it
		create    func(context.Context, *infinitysip.Client) error
		is        error // nil: it is the one
	}{
		{"an address", `{"trustedNetworkId":"5","network":"10.0.0.1"}`, func(filter string) bool { return strings.HasSuffix(filter, ",10.0.0.1") }, func(ctx context.Context, c *infinitysip.Client) error {
			_, err := c.TrustedNetworks.Create(ctx, 1, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.0.1/32")})
			return err
		}, nil},
		{"case", `{"userId":"5","user":"JOE.blogs"}`, nil, func(ctx context.Context, c *infinitysip.Client) error {
			_, err := c.Users.Create(ctx, 1, newUser())
			return err
		}, infinitysip.ErrConflict},
		{"blanks", `{"groupId":"5","groupName":"sales"}`, nil, salesWithABlank, infinitysip.ErrConflict},
		{"blanks, asked for", `{"groupId":"5","groupName":"sales"}`, func(filter string) bool {
			op, want, _ := strings.Cut(strings.TrimPrefix(filter, "groupName-"), "-value-")
			return op == "eqi" && want == "sales" || op == "inci" && strings.Contains("sales", want)
		}, salesWithABlank, infinitysip.ErrConflict},
	} {
		synctest.Test(t, func(t *testing.T) {
			posts := 0
			s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					posts++
					return answer(503, ""), nil
				}
				filter := req.URL.Query().Get("filter[]")
				if test.finds != nil && !test.finds(filter) {
					return answer(200, ""), nil
				}
				return answer(200, test.row), nil
			}}
			err := test.create(t.Context(), stubClient(t, s))
			require.Equal(t, 1, posts, test.name)
			if test.is == nil {
				require.NoError(t, err, test.name)
				return
			}
			require.ErrorIs(t, err, test.is, test.name)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, test.name)
			require.ErrorContains(t, err, "the row with id 5 has the same name and another spelling of ", test.name)
		})
	}
}

// Only the fields that hold an address are compared as one: a name that looks
// like one is a name.
func TestVerifyANameThatLooksLikeAnAddress(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"00-50-56-ab-cd-ef", "0050.56ab.cdef", "00:50:56:Ab:cd:ef", "00:50:56:ab:cd:ef", "10.0.0.1", "10.0.0.1/24"} {
		for _, twice := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t, siptest.Options{AllowDuplicates: twice, UndocumentedQuery: siptest.UndocumentedQueryHonoured})
				a.Fail(siptest.On("Queues.Create").Nth(1).CommitThenStatus(503))
				params := infinitysip.QueueCreateParams{Name: name, DisplayName: "Door", ExtensionNumber: "0301"}
				before := len(a.Queues(a.domain))
				id, err := a.client.Queues.Create(t.Context(), a.domain, params)
				require.NoError(t, err, name)
				queues := a.Queues(a.domain)[before:]
				require.Len(t, queues, 1, name)
				require.Equal(t, queues[0].ID, id, name)
			})
		}
	}
}

// Absence needs the whole list. A server does not say that it cut one, so the client
// asks for the last row, and those after it. Where the server does not know offset, a list of
// a length at which servers cut may be cut, and so may one of 10,000 rows anywhere.
func TestVerifyAListThatMayGoOn(t *testing.T) {
	t.Parallel()
	const ignores, refuses, honours, fails = "ignores offset", "refuses offset", "honours offset", "fails for offset"
	for _, test := range []struct {
		rows   int
		offset string
		resent bool
	}{
		{0, honours, true},
		{1, ignores, true}, {1, refuses, true}, {1, honours, true}, {2, honours, true}, {2, fails, false},
		{49, ignores, true}, {50, ignores, false}, {50, refuses, false}, {50, honours, true},
		{99, refuses, true}, {128, refuses, false}, {100, ignores, false}, {128, ignores, false}, {101, ignores, true}, {1000, honours, true}, {1000, ignores, false},
		{9_999, ignores, true}, {9_999, refuses, true}, {10_000, ignores, false}, {10_000, honours, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			list := strings.Repeat(`{"userId":"1","user":"somebody.else"}`+"\n", test.rows)
			s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
				offset := req.URL.Query().Get("offset")
				switch {
				case req.Method == http.MethodPost:
					return answer(503, ""), nil
				case offset == "" || test.offset == ignores:
					return answer(200, list), nil // whatever the filter is
				case test.offset == refuses:
					return answer(400, "unknown parameter offset"), nil
				case test.offset == fails:
					return answer(500, ""), nil
				}
				require.Equal(t, fmt.Sprint(test.rows-1), offset)
				require.Empty(t, req.URL.Query()["sort[]"], "a server that sorts may know no offset")
				return answer(200, list[:len(list)/test.rows]), nil
			}}
			_, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
			require.Equal(t, test.resent, s.countOf("Users.Create") == 2, test)
		})
	}
}

// A list may be cut to nothing, and not show it. Another client may delete rows while
// the pages of a list are read, so that the last one moves to a page that was read.
func TestVerifyListsThatHideTheLastRow(t *testing.T) {
	t.Parallel()
	for _, c := range alike {
		synctest.Test(t, func(t *testing.T) {
			a := newWorse(t, siptest.Options{AllowDuplicates: true})
			a.Fail(siptest.On(c.op).Times(1).CommitThenStatus(503))
			a.Fail(siptest.On(c.look).TruncateRows(0).Framing(siptest.FramingClose))
			m := a.create(t, "no length", c, 1)
			m.requireUnknown(t, "no length")
		})
	}
	for _, deleted := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			const rows = 40
			a := newWorse(t, siptest.Options{AllowDuplicates: true, MaxRows: rows, IgnoreFilters: true})
			a.fill("Devices.Create", rows)
			others, next := a.Devices(a.domain)[:deleted], a.Transport()
			a.client = a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
				if req.URL.Query().Get("offset") != "" {
					for _, device := range others {
						must(0, somebody(a.Server).Devices.Delete(context.Background(), a.domain, device.ID))
					}
					others = nil
				}
				return next.RoundTrip(req)
			})}))
			a.Fail(siptest.On("Devices.Create").Times(1).CommitThenStatus(503))
			m := a.create(t, "a row goes", devicesCreate, 1)
			require.Len(t, m.rows, 1)
			require.NoError(t, m.err)
		})
	}
}

// A filter proves presence only. A row that it leaves out, of another name and of the
// same number, may be the one: the server may have changed the name.
func TestVerifyARival(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		row   string
		found []int64
		do    func(context.Context, *infinitysip.Client) error
	}{
		"a user's number": {`{"userId":"5","user":"joe_blogs","extensionNumber":"0100"}`, []int64{5}, func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.Create(ctx, 1, newUser()))
		}},
		"less its zeros": {`{"userId":"5","user":"joe_blogs","extensionNumber":"100"}`, []int64{5}, func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.Create(ctx, 1, newUser()))
		}},
		"another number": {`{"userId":"5","user":"joe_blogs","extensionNumber":"1001"}`, nil, func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.Create(ctx, 1, newUser()))
		}},
		"a group's number":                         {`{"groupId":"5","groupName":"SALES-2","extensionNumber":"0201"}`, []int64{5}, salesGroup},
		"a device's name":                          {`{"pbxDeviceId":"5","deviceMacAddress":"","pbxDeviceName":"Lobby"}`, []int64{5}, lobbyDevice},
		"another's device":                         {`{"pbxDeviceId":"5","deviceMacAddress":"","pbxDeviceName":"Hall"}`, nil, lobbyDevice},
		"a row without any":                        {`{"groupId":"5","groupName":"night"}`, nil, salesGroup},
		"a network, in a notation of the server's": {`{"trustedNetworkId":"5","network":"10.0.20.0/255.255.255.0"}`, []int64{5}, officeNetwork},
		"another network":                          {`{"trustedNetworkId":"5","network":"10.0.21.0/255.255.255.0"}`, nil, officeNetwork},
	} {
		synctest.Test(t, func(t *testing.T) {
			posts := 0
			s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
				switch {
				case req.Method == http.MethodPost:
					posts++
					return answer(503, ""), nil
				case len(req.URL.Query()) > 0:
					return answer(200, ""), nil // what the filter leaves out, or there is after the last row
				}
				return answer(200, test.row), nil
			}}
			err := test.do(t.Context(), stubClient(t, s))
			failed, ok := errors.AsType[*infinitysip.Error](err)
			require.True(t, ok, name)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, name)
			require.Equal(t, len(test.found) > 0, errors.Is(err, infinitysip.ErrConflict), name)
			require.Equal(t, test.found, failed.Found, name)
			require.Equal(t, map[bool]int{true: 1, false: 2}[len(test.found) > 0], posts, name)
		})
	}
}

func salesGroup(ctx context.Context, c *infinitysip.Client) error {
	return errorOf(c.Groups.Create(ctx, 1, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0201", CallerNameFormat: "{displayName}"}))
}

func lobbyDevice(ctx context.Context, c *infinitysip.Client) error {
	return errorOf(c.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:00:00:02"}))
}

func officeNetwork(ctx context.Context, c *infinitysip.Client) error {
	return errorOf(c.TrustedNetworks.Create(ctx, 1, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.20.10/24")}))
}

// What looks saw before a create was sent again says nothing of what that did.
func TestVerifyAfterEachCreate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		require.NoError(t, a.client.Users.Update(t.Context(), a.domain, a.user, infinitysip.UserUpdateParams{Email: new("x@example.com")}))
		a.ResetRequests()
		a.Fail(siptest.On("Users.Create").Times(2).Status(503)) // refusals
		a.Fail(siptest.On("Users.List").Nth(6).Times(2).Status(403))
		a.Fail(siptest.On("Users.List").Nth(11).Times(3).Status(403))
		_, err := a.client.Users.Create(t.Context(), a.domain, newUser())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, "one look of six was answered")
		require.Equal(t, 2, a.sent("Users.Create"))
	})
}

// A row does not show its secrets. So a user who is found after a lost answer is no
// success, unless the client is told to set them.
func TestSettleSecrets(t *testing.T) {
	t.Parallel()
	for _, settle := range []bool{false, true} {
		for _, made := range []bool{false, true} { // by the call, or by somebody else
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: settle}))
				fault := siptest.On("Users.Create").Times(1).CommitThenDrop()
				if !made {
					fault = siptest.On("Users.Create").Times(1).Drop().Before(func(srv *siptest.Server) {
						params := newUser()
						params.Password = infinitysip.NewSecret("the other's")
						must(somebody(srv).Users.Create(context.Background(), 1, params))
					})
				}
				a.Fail(fault)
				id, err := a.client.Users.Create(t.Context(), a.domain, newUser())
				user := a.Users(a.domain)[1]
				require.Equal(t, 1, a.sent("Users.Create"))
				if settle {
					require.NoError(t, err)
					require.Equal(t, user.ID, id)
					require.Equal(t, 1, a.sent("Users.Update"))
				} else {
					failed, ok := errors.AsType[*infinitysip.Error](err)
					require.True(t, ok, "%v", err)
					require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
					require.Equal(t, []int64{int64(user.ID)}, failed.Found)
					require.Zero(t, a.sent("Users.Update"))
				}
				require.Equal(t, settle || made, user.Password.Reveal() == canaryPassword)
				require.Equal(t, canaryPIN, user.PIN.Reveal())
			})
		}
	}
	// A secret that cannot be set is no success.
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true}))
		a.Fail(siptest.On("Users.Create").Times(1).CommitThenDrop())
		a.Fail(siptest.On("Users.Update").Status(403))
		_, err := a.client.Users.Create(t.Context(), a.domain, newUser())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, infinitysip.ErrForbidden, "it is not the create's")
		require.ErrorContains(t, err, "setting its secrets failed")
	})
}

// Where the server said that a thing is there, the one row of its key is it,
// whatever the server made of what was sent, unless one that is as it was sent
// comes to light.
func TestCreatedAndRewritten(t *testing.T) {
	t.Parallel()
	const (
		other = `{"groupId":"7","groupName":"sales","displayName":"Other"}` + "\n"
		equal = `{"groupId":"8","groupName":"sales","displayName":"Sales"}` + "\n"
	)
	for name, test := range map[string]struct {
		looks []string // what they show
		id    infinitysip.GroupID
	}{
		"rewritten":                           {[]string{other, other, other}, 7},
		"as it was sent":                      {[]string{equal}, 8},
		"another of its name, and it is late": {[]string{other, other + equal}, 8},
		"another of its name, and it is last": {[]string{other, other, other + equal}, 8},
		"it is late and rewritten":            {[]string{"", "", other}, 7},
	} {
		synctest.Test(t, func(t *testing.T) {
			looks := test.looks
			s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					return answer(201, ""), nil
				}
				look := looks[0]
				looks = looks[1:]
				return answer(200, look), nil
			}}
			id, err := stubClient(t, s).Groups.Create(t.Context(), 1, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "1", CallerNameFormat: "{displayName}"})
			require.NoError(t, err, name)
			require.Equal(t, test.id, id, name)
			require.Empty(t, looks, name)
		})
	}
}

// What went wrong with a look-up is not what went wrong with the create.
func TestALookUpsErrorIsNotTheCreates(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403, 404, 503} {
		synctest.Test(t, func(t *testing.T) {
			srv := siptest.New(t, siptest.Options{CreateBody: siptest.CreateBodyNone})
			domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
			srv.Fail(siptest.On("Users.List").Status(status))
			_, err := srv.InProcessClient().Users.Create(t.Context(), domain, newUser())
			require.Error(t, err)
			for _, sentinel := range []error{infinitysip.ErrInvalid, infinitysip.ErrForbidden, infinitysip.ErrNotFound, infinitysip.ErrUnavailable, infinitysip.ErrOutcomeUnknown} {
				require.NotErrorIs(t, err, sentinel)
			}
		})
	}
}

// A create whose answer has no id finds it among many like it.
func TestCreateWithoutAnID(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t, siptest.Options{CreateBody: siptest.CreateBodyNone})
	client := srv.InProcessClient()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	for i := range 20 {
		params := newUser()
		params.User, params.ExtensionNumber = fmt.Sprintf("joe%d", i), fmt.Sprint(100+i)
		id, err := client.Users.Create(t.Context(), domain, params)
		require.NoError(t, err)
		require.Equal(t, srv.Users(domain)[i].ID, id)
	}
}

// A token that came is not thrown away for ids that are not repeated with it.
func TestATokenWithoutIDs(t *testing.T) {
	t.Parallel()
	token, err := stubClient(t, always(201, `{"pbxDeviceToken":"`+canaryPIN+`"}`)).Users.AddDevice(t.Context(), 1, 2, 3)
	require.NoError(t, err)
	require.Equal(t, canaryPIN, token.Token.Reveal())
	require.Equal(t, infinitysip.DeviceID(3), token.DeviceID)
	require.Equal(t, infinitysip.UserID(2), token.UserID)
}

// A create that is refused, as one of too many, is not lost because a look fails: the
// server accepts others, so the client looks again.
func TestALookThatFailsAfterARefusal(t *testing.T) {
	t.Parallel()
	for _, fails := range []int{3, 6} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{})
			require.NoError(t, a.client.Users.Update(t.Context(), a.domain, a.user, infinitysip.UserUpdateParams{FirstName: new("Busy")}))
			a.Fail(siptest.On("Groups.Create").Times(1).Status(503))
			a.Fail(siptest.On("Groups.List").Times(fails).Status(403))
			_, err := a.client.Groups.Create(t.Context(), a.domain, infinitysip.GroupCreateParams{Name: "late", DisplayName: "Late", ExtensionNumber: "0700", CallerNameFormat: "{displayName}"})
			require.Equal(t, fails == 3, err == nil, "%v", err)
			require.Equal(t, fails > 3, errors.Is(err, infinitysip.ErrOutcomeUnknown))
		})
	}
}

// What follows the row of a create is not waited for longer than an error's text.
func TestACreateWhoseAnswerGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			resp := answer(201, "")
			resp.ContentLength, resp.Body = -1, io.NopCloser(io.MultiReader(strings.NewReader(`{"groupId":"7"}`+"\n"), readerFunc(func([]byte) (int, error) {
				<-req.Context().Done()
				return 0, req.Context().Err()
			})))
			return resp, nil
		}}
		start := time.Now()
		id, err := stubClient(t, s).Groups.Create(t.Context(), 1, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName}"})
		require.NoError(t, err)
		require.Equal(t, infinitysip.GroupID(7), id)
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}
