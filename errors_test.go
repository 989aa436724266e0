package infinitysip_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestValidationErrorText(t *testing.T) {
	t.Parallel()
	_, err := stubClient(t, always(204, "")).Devices.Create(t.Context(), 0, infinitysip.DeviceCreateParams{MACAddress: "x"})
	require.EqualError(t, err, "infinitysip: Devices.Create: invalid, nothing was sent: domainId: must be a positive id, not 0; pbxDeviceName: required; "+
		`deviceMacAddress: not a MAC address of six octets: "x"`)
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	const call = "infinitysip: Users.Get: GET /config/v2/sip/domains/1/users/2"
	failed := infinitysip.Error{Op: "Users.Get", Method: "GET", Path: "/config/v2/sip/domains/1/users/2", Attempts: 1, Outcome: infinitysip.OutcomeNotApplied}
	for name, test := range map[string]struct {
		set  func(*infinitysip.Error)
		want string
	}{
		"no answer":        {func(e *infinitysip.Error) { e.Err = io.EOF }, ": EOF"},
		"status":           {func(e *infinitysip.Error) { e.StatusCode = 404 }, ": 404 Not Found"},
		"unknown status":   {func(e *infinitysip.Error) { e.StatusCode = 999 }, ": 999"},
		"message":          {func(e *infinitysip.Error) { e.StatusCode, e.Message = 409, "in use" }, ": 409 Conflict: in use"},
		"attempts":         {func(e *infinitysip.Error) { e.StatusCode, e.Attempts = 500, 3 }, ": 500 Internal Server Error (after 3 attempts)"},
		"wait":             {func(e *infinitysip.Error) { e.StatusCode, e.RetryAfter = 429, 90*time.Second }, ": 429 Too Many Requests (try again in 1m30s)"},
		"unknown outcome":  {func(e *infinitysip.Error) { e.Outcome = infinitysip.OutcomeUnknown }, " (it may have taken effect: look before you send it again)"},
		"applied all told": {func(e *infinitysip.Error) { e.Outcome, e.Err = infinitysip.OutcomeApplied, infinitysip.ErrTokenLost }, ": the device is associated, but its token was lost"},
	} {
		e := failed
		test.set(&e)
		require.EqualError(t, &e, call+test.want, name)
		require.Equal(t, e.Err, errors.Unwrap(&e), name)
	}
	require.EqualError(t, &infinitysip.Error{StatusCode: 409}, "infinitysip: 409 Conflict", "as a fake makes it")
}

func TestErrorIs(t *testing.T) {
	t.Parallel()
	sentinels := []error{
		infinitysip.ErrInvalid, infinitysip.ErrUnauthorized, infinitysip.ErrForbidden, infinitysip.ErrNotFound, infinitysip.ErrConflict,
		infinitysip.ErrRateLimited, infinitysip.ErrUnavailable, infinitysip.ErrOutcomeUnknown, infinitysip.ErrTokenLost, infinitysip.ErrPaginationStuck,
	}
	for status, want := range map[int]error{
		0: nil, 200: nil, 400: infinitysip.ErrInvalid, 401: infinitysip.ErrUnauthorized, 403: infinitysip.ErrForbidden, 404: infinitysip.ErrNotFound,
		409: infinitysip.ErrConflict, 410: infinitysip.ErrNotFound, 429: infinitysip.ErrRateLimited, 500: nil, 501: nil,
		502: infinitysip.ErrUnavailable, 503: infinitysip.ErrUnavailable, 504: infinitysip.ErrUnavailable,
	} {
		for _, outcome := range []infinitysip.Outcome{infinitysip.OutcomeUnknown, infinitysip.OutcomeNotApplied, infinitysip.OutcomeApplied} {
			err := &infinitysip.Error{StatusCode: status, Outcome: outcome}
			for _, sentinel := range sentinels {
				is := sentinel == want || sentinel == infinitysip.ErrOutcomeUnknown && outcome == infinitysip.OutcomeUnknown
				require.Equal(t, is, errors.Is(err, sentinel), "%d, %v: %v", status, outcome, sentinel)
			}
		}
	}
	require.ErrorIs(t, &infinitysip.ValidationError{}, infinitysip.ErrInvalid)
}

func TestOutcomesInWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "unknown, not applied, applied", fmt.Sprintf("%v, %v, %v", infinitysip.OutcomeUnknown, infinitysip.OutcomeNotApplied, infinitysip.OutcomeApplied))
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	_, err := stubClient(t, always(409, strings.Repeat("é", 1<<20))).Users.Create(t.Context(), 1, newUser())
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.LessOrEqual(t, len(failed.Message), 512)
	require.LessOrEqual(t, len(failed.Body), 16<<10)

	// A secret across the end of what is read must not leave its first half.
	for n := range len(pin) {
		filler := strings.Repeat("x", 16<<10-n)
		_, err := stubClient(t, always(409, filler+pin+password)).Users.Create(t.Context(), 1, newUser())
		failed, _ := errors.AsType[*infinitysip.Error](err)
		require.NotContains(t, string(failed.Body), "9")
	}
}
