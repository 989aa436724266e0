package suite_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// An option that the second step of a rotation refuses ends it before the first.
func TestARotationIsRefusedBeforeItsFirstStep(t *testing.T) {
	t.Parallel()
	s := always(204, "")
	_, err := stubClient(t, s).Users.RotateDeviceToken(t.Context(), 1, 2, 3, infinitysip.CallParam("pbxDeviceId", "5"))
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.Zero(t, s.count(), "nothing is sent")
}

// A form never has more values than PHP keeps.
func TestAParameterCountsInAForm(t *testing.T) {
	t.Parallel()
	s := always(204, "")
	client := stubClient(t, s, infinitysip.WithLimits(infinitysip.Limits{IDsPerRequest: 1000}))
	err := client.Queues.SetMemberOrder(t.Context(), 1, 2, numbered[infinitysip.QueueMemberID](1000), infinitysip.CallParam("x", "1"))
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "1001 values")
	require.Zero(t, s.count())
	require.NoError(t, client.Groups.RemoveUsers(t.Context(), 1, 2, numbered[infinitysip.UserID](1000), infinitysip.CallParam("x", "1", "2")))
	require.NoError(t, client.Groups.AddUsers(t.Context(), 1, 2, numbered[infinitysip.UserID](1000)))
	var sizes []int
	for _, form := range s.forms {
		sizes = append(sizes, len(form["userSpec[]"])+len(form["x"]))
	}
	require.Equal(t, []int{1000, 4, 1000}, sizes)
}

// PHP takes " format" for format, and "user Spec" for user_Spec.
func TestNamesThatPHPTakesForOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", " format", "format[]", "userSpec[]", " userSpec[]", "a b", "a.b", "x[", "x]", "[x]", "x[y", "é", "a\n", "x[ ]"} {
		s := always(204, "")
		err := stubClient(t, s).Groups.RemoveUsers(t.Context(), 1, 2, []infinitysip.UserID{3}, infinitysip.CallParam(name, "1"))
		require.ErrorIs(t, err, infinitysip.ErrInvalid, "%q", name)
		require.Zero(t, s.count(), "%q", name)
	}
	require.NoError(t, stubClient(t, always(204, "")).Groups.RemoveUsers(t.Context(), 1, 2, []infinitysip.UserID{3}, infinitysip.CallParam("new_param-2[a][]", "1")))
}

// What a parameter or a header says by its name is secret, and nothing else.
func TestSecretsOfCallOptions(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-t0ken"
	for name, option := range map[string]infinitysip.CallOption{
		"a token after a scheme": infinitysip.CallHeader("X-Auth-Token", "Bearer "+secret),
		"a cookie":               infinitysip.CallHeader("Cookie", "sid="+secret+"; a=b"),
		"a session":              infinitysip.CallHeader("X-Session", secret),
		"a credential":           infinitysip.CallHeader("X-Credential", secret),
		"an API key":             infinitysip.CallHeader("X-Api-Key", secret),
		"a password":             infinitysip.CallParam("sipPasswd", secret),
		"a PIN":                  infinitysip.CallParam("voicemailPin", secret),
		"a token":                infinitysip.CallParam("pbxdevicetoken", secret),
	} {
		_, err := stubClient(t, always(403, "bad "+secret+" here")).Users.Create(t.Context(), 1, newUser(), option)
		require.ErrorIs(t, err, infinitysip.ErrForbidden, name)
		require.ErrorContains(t, err, ": [the server's text held a secret: 21 bytes]", name)
		_, err = stubClient(t, always(403, "not here")).Users.Create(t.Context(), 1, newUser(), option)
		require.ErrorContains(t, err, ": not here", name)
	}
	for name, option := range map[string]infinitysip.CallOption{
		"pinned":   infinitysip.CallParam("showPinned", "0110"),
		"shipping": infinitysip.CallParam("shipping", "0110"),
		"author":   infinitysip.CallHeader("X-Author", "0110"),
		"short":    infinitysip.CallParam("newPin", "0"),
	} {
		_, err := stubClient(t, always(409, "extension 0110 is in use")).Users.Create(t.Context(), 1, newUser(), option)
		require.ErrorContains(t, err, "extension 0110 is in use", name)
	}
}

// A look has the headers of its call, the one before a create too, and no call of
// somebody else has them. It does not compare a secret.
func TestHeadersOfLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := always(200, `{"userId":"2"}`)
		elsewhere := stubClient(t, other, infinitysip.WithBaseURL("https://other.example"))
		var client *infinitysip.Client
		posted := false
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			_, err := elsewhere.Users.Get(req.Context(), 1, 2)
			require.NoError(t, err)
			switch {
			case req.Header.Get("X-Tenant") != "acme":
				return answer(403, ""), nil
			case req.Method == http.MethodPost:
				posted = true
				return answer(502, ""), nil
			case !posted:
				return answer(200, ""), nil
			}
			return answer(200, `{"queueMemberId":"9","queueId":"2","groupId":"3","ringStrategy":"all","voicemailPin":"****"}`), nil
		}}
		client = stubClient(t, s)
		id, err := client.Queues.CreateMember(t.Context(), 1, 2, infinitysip.QueueMemberCreateParams{GroupID: 3, RingStrategy: infinitysip.RingAll},
			infinitysip.CallHeader("X-Tenant", "acme"), infinitysip.CallParam("voicemailPin", "4711"))
		require.Zero(t, id)
		failed, ok := errors.AsType[*infinitysip.Error](err)
		require.True(t, ok, "%v", err)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, []int64{9}, failed.Found)
		require.ErrorContains(t, err, "the row with id 9 is as it was sent, but somebody else may have made it, with another voicemailPin")
		for _, req := range other.hits {
			require.Empty(t, req.Header.Get("X-Tenant"), "it is for one call of one client")
		}
	})
}

// The options of an iterator are those that it was made with.
func TestAnIteratorKeepsItsOptions(t *testing.T) {
	t.Parallel()
	shelf := newShelf(t, siptest.Options{}, 25)
	options := []infinitysip.CallOption{infinitysip.CallHeader("X-A", "1")}
	values := []string{"a"}
	param := infinitysip.CallParam("newParam", values...)
	values[0] = "changed"
	n := 0
	for _, err := range shelf.client.Devices.All(t.Context(), shelf.domain, &infinitysip.DeviceListOptions{PageSize: 10}, options...) {
		require.NoError(t, err)
		options[0] = infinitysip.CallHeader("X-A", "2")
		n++
	}
	require.Equal(t, 25, n)
	s := always(204, "")
	require.NoError(t, stubClient(t, s).Domains.Update(t.Context(), 1, infinitysip.DomainUpdateParams{DisplayName: "x"}, param))
	require.Equal(t, []string{"a"}, s.forms[0]["newParam"])
}

// A Response says nothing of a call before.
func TestAResponseIsOfItsCall(t *testing.T) {
	t.Parallel()
	client := stubClient(t, always(200, `{"userId":"2"}`, "X-Request-Id", "7"))
	var response infinitysip.Response
	_, err := client.Users.Get(t.Context(), 1, 2, infinitysip.CallResponse(&response))
	require.NoError(t, err)
	require.Equal(t, "7", response.RequestID)
	_, err = client.Users.Get(t.Context(), 1, 0, infinitysip.CallResponse(&response))
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.Zero(t, response)

	client = stubClient(t, always(201, `{"userId":"2"}`, "Location", "/users/2"))
	_, err = client.Users.Create(t.Context(), 1, newUser(), infinitysip.CallResponse(&response))
	require.NoError(t, err)
	require.Equal(t, "/users/2", response.Header.Get("Location"))
}

// A body is closed once, and not read after that, also if its answer was cut and the
// call is made again. A Retry-After of a success is no reason to wait.
func TestACutBodyIsClosedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
			open.Add(1)
			resp := answer(200, "", "Retry-After", "300")
			resp.Body = &onceBody{Reader: strings.NewReader(`{"userId":"2","us`), open: &open}
			return resp, nil
		}}
		start := time.Now()
		_, err := stubClient(t, s).Users.Get(t.Context(), 1, 2)
		require.ErrorContains(t, err, "cut short")
		require.Equal(t, 3, s.count())
		require.Zero(t, open.Load())
		require.Less(t, time.Since(start), 2*time.Second)
	})
}

type onceBody struct {
	io.Reader
	open   *atomic.Int64
	closed bool
}

func (b *onceBody) Read(p []byte) (int, error) {
	if b.closed {
		b.open.Add(1000)
	}
	return b.Reader.Read(p)
}

func (b *onceBody) Close() error {
	b.closed = true
	b.open.Add(-1)
	return nil
}

// A write that was carried out is doubtful, whatever error its transport returns.
func TestNoTurnOfAnotherClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limited := stubClient(t, always(200, ""), infinitysip.WithRateLimit(0.001, 1))
		_, err := limited.Domains.List(t.Context())
		require.NoError(t, err)
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := limited.Domains.List(ctx)
				return nil, err
			}
			return answer(200, `{"userId":"2","user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"0100"}`), nil
		}}
		_, err = stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "the row with id 2 is as it was sent")
		require.Equal(t, 1, s.countOf("Users.Create"))
	})
}
