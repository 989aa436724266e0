package verify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/verify"
)

var (
	errConflict = errors.New("conflict")
	errLost     = errors.New("502 Bad Gateway")
	errLook     = errors.New("503 Service Unavailable")
)

// look is what one look finds.
type look struct {
	found []verify.Candidate
	err   error
}

func finds(found ...verify.Candidate) look { return look{found: found} }

func equal(id int64) verify.Candidate { return verify.Candidate{ID: id} }

func differs(id int64, fields ...string) verify.Candidate {
	return verify.Candidate{ID: id, Differs: fields}
}

func rival(id int64) verify.Candidate {
	return verify.Candidate{ID: id, Rival: "extensionNumber", Differs: []string{"user"}}
}

var (
	nothing = look{}
	fails   = look{err: errLook}
)

// usual are the waits that a client has if it is told of none.
var usual = []time.Duration{0, time.Second, 3 * time.Second}

// search makes a Search that looks so, one look after the other, and tells how
// many are left.
func search(t *testing.T, looks ...look) (s *verify.Search, left func() int) {
	t.Helper()
	return &verify.Search{Where: "Users.List", Conflict: errConflict, Look: func(ctx context.Context, prove bool) ([]verify.Candidate, error) {
		require.NoError(t, ctx.Err())
		require.NotEmpty(t, looks, "one look too many")
		next := looks[0]
		looks = looks[1:]
		return next.found, next.err
	}}, func() int { return len(looks) }
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before  *look // if several may have the key
		created bool  // the server said so
		looks   []look
		verdict verify.Verdict
		id      int64
		took    time.Duration
		says    string // of the error of one that was not found, after what the create failed with
	}{
		"found at once": {
			looks: []look{finds(equal(7))}, verdict: verify.Present, id: 7,
		},
		"found late": {
			looks: []look{nothing, nothing, finds(equal(7))}, verdict: verify.Present, id: 7, took: 4 * time.Second,
		},
		"found after a look that failed": {
			looks: []look{fails, finds(equal(7))}, verdict: verify.Present, id: 7, took: time.Second,
		},
		"found, and it does not say its id": {
			looks: []look{finds(equal(0))}, verdict: verify.Present,
		},
		"absent": {
			looks: []look{nothing, nothing, nothing}, verdict: verify.Absent, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z absent",
		},
		"absent after a look that failed": {
			looks: []look{fails, nothing, nothing}, verdict: verify.Absent, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z failed (503 Service Unavailable), at 00:00:01.000Z absent, at 00:00:04.000Z absent",
		},
		"absent in two looks of three": {
			looks: []look{nothing, fails, nothing}, verdict: verify.Absent, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z failed (503 Service Unavailable), at 00:00:04.000Z absent",
		},
		"the last look failed": {
			looks: []look{nothing, nothing, fails}, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z failed (503 Service Unavailable)",
		},
		"one look was answered": {
			looks: []look{fails, fails, nothing}, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z failed (503 Service Unavailable), at 00:00:01.000Z failed (503 Service Unavailable), at 00:00:04.000Z absent",
		},
		"no look was answered": {
			looks: []look{fails, fails, fails}, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z failed (503 Service Unavailable), at 00:00:01.000Z failed (503 Service Unavailable), at 00:00:04.000Z failed (503 Service Unavailable)",
		},
		"rows that come with an error are not looked at": {
			looks: []look{{found: []verify.Candidate{equal(7)}, err: errLook}, fails, fails}, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z failed (503 Service Unavailable), at 00:00:01.000Z failed (503 Service Unavailable), at 00:00:04.000Z failed (503 Service Unavailable)",
		},

		"it differs": {
			looks: []look{finds(differs(7, "displayName", "email"))},
			says:  "conflict: the row with id 7 has the same name and another displayName, email than was sent; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
		"it differs, and is late": {
			looks: []look{nothing, finds(differs(7, "email"))}, took: time.Second,
			says: "conflict: the row with id 7 has the same name and another email than was sent; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z found",
		},
		"several": {
			looks: []look{finds(equal(7), equal(8))},
			says:  "several rows match what was sent, with the ids [7 8]; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
		"several, of which one is as it was sent": {
			looks: []look{finds(differs(7, "email"), equal(8))},
			says:  "several rows match what was sent, with the ids [7 8]; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
		"several that differ": {
			looks: []look{finds(differs(7, "email"), differs(8, "email"))},
			says:  "several rows match what was sent, with the ids [7 8]; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},

		"another key, and the number that was sent": {
			looks: []look{nothing, nothing, finds(rival(7))}, took: 4 * time.Second,
			says: "conflict: the row with id 7 has the same extensionNumber and another user than was sent; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z found",
		},
		"created, and another key with its number": {
			created: true, looks: []look{nothing, nothing, finds(rival(7))}, took: 4 * time.Second,
			says: "conflict: the row with id 7 has the same extensionNumber and another user than was sent; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z found",
		},
		"a look that is not answered in time is the last": {
			looks: []look{nothing, {err: fmt.Errorf("Users.List: %w", os.ErrDeadlineExceeded)}}, took: time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z failed (Users.List: i/o timeout)",
		},

		"created": {
			created: true, looks: []look{finds(equal(7))}, verdict: verify.Present, id: 7,
		},
		"created, and late": {
			created: true, looks: []look{nothing, finds(equal(7))}, verdict: verify.Present, id: 7, took: time.Second,
		},
		"created and rewritten": {
			created: true, looks: []look{finds(differs(7, "email")), finds(differs(7, "email")), finds(differs(7, "email"))},
			verdict: verify.Present, id: 7, took: 4 * time.Second,
		},
		"created and rewritten, and the last look failed": {
			created: true, looks: []look{finds(differs(7, "email")), finds(differs(7, "email")), fails}, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found otherwise, at 00:00:01.000Z found otherwise, at 00:00:04.000Z failed (503 Service Unavailable)",
		},
		"created and rewritten, and late": {
			created: true, looks: []look{nothing, nothing, finds(differs(7, "email"))}, verdict: verify.Present, id: 7, took: 4 * time.Second,
		},
		"created and rewritten, and another in its place": {
			created: true, looks: []look{finds(differs(7, "email")), finds(differs(7, "email")), finds(differs(8, "email"))},
			verdict: verify.Present, id: 8, took: 4 * time.Second,
		},
		"created beside another of its name": {
			created: true, looks: []look{finds(differs(7, "email"), equal(8))}, verdict: verify.Present, id: 8,
		},
		"created beside another of its name, and late": {
			created: true, looks: []look{finds(differs(7, "email")), finds(differs(7, "email")), finds(differs(7, "email"), equal(8))},
			verdict: verify.Present, id: 8, took: 4 * time.Second,
		},
		"created, and two are as it was sent": {
			created: true, looks: []look{finds(equal(7), equal(8))},
			says: "several rows match what was sent, with the ids [7 8]; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
		"created, and two are not": {
			created: true, looks: []look{finds(differs(7, "email")), finds(differs(7, "email"), differs(8, "email"))}, took: time.Second,
			says: "several rows match what was sent, with the ids [7 8]; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found otherwise, at 00:00:01.000Z found",
		},

		"others were there before": {
			before: new(finds(equal(3), differs(4, "email"))), looks: []look{finds(equal(3), differs(4, "email")), finds(equal(3), differs(4, "email"), equal(7))},
			verdict: verify.Present, id: 7, took: time.Second,
		},
		"others were there before, and it is absent": {
			before: new(finds(equal(3))), looks: []look{finds(equal(3)), finds(equal(3)), nothing},
			verdict: verify.Absent, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z absent",
		},
		"none was there before": {
			before: new(nothing), looks: []look{finds(equal(7))}, verdict: verify.Present, id: 7,
		},
		"none was there before, and two are": {
			before: new(nothing), looks: []look{finds(equal(7), equal(8))},
			says: "several rows match what was sent, with the ids [7 8]; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
		"one that does not say its id, where others were before": {
			before: new(finds(equal(3))), looks: []look{finds(equal(0), equal(3))}, verdict: verify.Present,
		},
		"it is not known what was there before": {
			before: new(fails), looks: []look{finds(equal(7))},
			says: "rows match what was sent, and may have been there before; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
		"it is not known what was there before, and nothing is": {
			before: new(fails), looks: []look{nothing, nothing, nothing}, verdict: verify.Absent, took: 4 * time.Second,
			says: "sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z absent",
		},
		"it is not known which were there before": {
			before: new(finds(equal(3), equal(0), equal(4))), looks: []look{finds(equal(3), equal(7))},
			says: "rows match what was sent, and may have been there before; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
		"it is not known which were there before, and those are there": {
			before: new(finds(equal(0), equal(3))), looks: []look{finds(equal(3)), finds(equal(3)), finds(equal(3), equal(0))}, took: 4 * time.Second,
			says: "rows match what was sent, and may have been there before; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 00:00:04.000Z found",
		},
		"created, where it is not known what was there before": {
			before: new(fails), created: true, looks: []look{finds(equal(7))},
			says: "rows match what was sent, and may have been there before; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z found",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				looks := test.looks
				if test.before != nil {
					looks = append([]look{*test.before}, looks...)
				}
				s, left := search(t, looks...)
				if test.before != nil {
					s.Before(t.Context())
				}
				start := time.Now()
				s.Sent(start, errLost)
				verdict, id := s.Run(t.Context(), test.created, usual)
				require.Equal(t, test.verdict, verdict)
				require.Equal(t, test.id, id)
				require.Equal(t, test.took, time.Since(start))
				require.Zero(t, left(), "looks that were not made")
				if verdict != verify.Present {
					require.EqualError(t, s.Err(), "502 Bad Gateway; "+test.says)
				}
			})
		})
	}
}

// Who knows what was there before spares the look before the create.
func TestKnownBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			looks   []look
			verdict verify.Verdict
			id      int64
		}{
			"the new one":           {[]look{finds(equal(3), equal(7))}, verify.Present, 7},
			"what was there before": {[]look{finds(equal(3)), finds(equal(3)), nothing}, verify.Absent, 0},
			"two new ones":          {[]look{finds(equal(3), equal(7), equal(8))}, verify.Undecided, 0},
		} {
			s, left := search(t, test.looks...)
			s.Before(verify.WithKnown(t.Context(), func(id int64) bool { return id == 3 }))
			require.False(t, s.New(3))
			require.True(t, s.New(7))
			s.Sent(time.Now(), errLost)
			verdict, id := s.Run(t.Context(), false, usual)
			require.Equal(t, test.verdict, verdict, name)
			require.Equal(t, test.id, id, name)
			require.Zero(t, left(), name)
		}
	})
}

// Only the last look must prove that the thing is absent: that costs more.
func TestTheLastLookProves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var proofs []bool
		s := &verify.Search{Where: "Users.List", Look: func(_ context.Context, prove bool) ([]verify.Candidate, error) {
			proofs = append(proofs, prove)
			return nil, nil
		}}
		s.Before(t.Context())
		s.Run(t.Context(), false, usual)
		s.Run(t.Context(), false, []time.Duration{time.Second})
		require.Equal(t, []bool{false, false, false, true, true}, proofs)
	})
}

// Found are the ids of the last look that was answered.
func TestFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			looks []look
			want  []int64
		}{
			"one":                {[]look{nothing, finds(equal(7))}, []int64{7}},
			"several":            {[]look{finds(equal(7), differs(8, "email"))}, []int64{7, 8}},
			"a conflict":         {[]look{finds(differs(7, "email"))}, []int64{7}},
			"another key":        {[]look{nothing, nothing, finds(rival(9))}, []int64{9}},
			"none":               {[]look{nothing, nothing, nothing}, nil},
			"one, and it failed": {[]look{nothing, nothing, fails}, nil},
		} {
			s, _ := search(t, test.looks...)
			s.Run(t.Context(), false, usual)
			require.Equal(t, test.want, s.Found, name)
		}
		s, _ := search(t, finds(differs(7, "email")), finds(differs(7, "email")), nothing)
		s.Run(t.Context(), true, usual)
		require.Empty(t, s.Found, "it is gone")
	})
}

// Two looks are absence, one is not, also if the second comes in a Run of its
// own.
func TestLooksAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := search(t, nothing, nothing)
		verdict, _ := s.Run(t.Context(), false, []time.Duration{0})
		require.Equal(t, verify.Undecided, verdict)
		verdict, _ = s.Run(t.Context(), false, []time.Duration{time.Minute})
		require.Equal(t, verify.Absent, verdict)

		s, _ = search(t, nothing, nothing, fails)
		verdict, _ = s.Run(t.Context(), false, []time.Duration{0, 0})
		require.Equal(t, verify.Absent, verdict)
		verdict, _ = s.Run(t.Context(), false, []time.Duration{time.Minute})
		require.Equal(t, verify.Undecided, verdict, "a look that failed is not absence")
		verdict, _ = s.Run(t.Context(), false, nil)
		require.Equal(t, verify.Undecided, verdict, "nor is none")

		s, _ = search(t)
		verdict, id := s.Run(t.Context(), false, nil)
		require.Equal(t, verify.Undecided, verdict, "no look")
		require.Zero(t, id)

		s, _ = search(t, nothing, fails)
		s.Before(t.Context())
		verdict, _ = s.Run(t.Context(), false, []time.Duration{0})
		require.Equal(t, verify.Undecided, verdict)

		s, _ = search(t, nothing, nothing)
		s.Before(t.Context())
		verdict, _ = s.Run(t.Context(), false, []time.Duration{0})
		require.Equal(t, verify.Undecided, verdict, "a look before the create is none after it")
	})
}

// A row that was seen and is gone is not the one that was created.
func TestARewrittenRowThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := search(t, finds(differs(7, "email")), nothing, nothing)
		verdict, id := s.Run(t.Context(), true, usual)
		require.NotEqual(t, verify.Present, verdict)
		require.Zero(t, id)
	})
}

// The waits are between a look and the next, however long the looks take. The
// time of a look is when it was answered.
func TestWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var began []time.Duration
		start := time.Now()
		s := &verify.Search{Where: "Users.Get", Look: func(context.Context, bool) ([]verify.Candidate, error) {
			began = append(began, time.Since(start))
			time.Sleep(250 * time.Millisecond) // the bubble's clock
			return nil, nil
		}}
		s.Sent(start, nil)
		verdict, _ := s.Run(t.Context(), false, []time.Duration{time.Second, 0, time.Hour})
		require.Equal(t, verify.Absent, verdict)
		require.Equal(t, []time.Duration{time.Second, 1250 * time.Millisecond, time.Hour + 1500*time.Millisecond}, began)
		require.EqualError(t, s.Err(), "sent at 00:00:00.000Z; looked for with Users.Get at 00:00:01.250Z absent, at 00:00:01.500Z absent, at 01:00:01.750Z absent")
	})
}

func TestAContextThatEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		looks  []look
		within time.Duration // negative: it has ended
		took   time.Duration
		says   string
	}{
		"in a wait": {
			[]look{nothing, nothing}, 2 * time.Second, 2 * time.Second,
			"context deadline exceeded; sent at 00:00:00.000Z; looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent",
		},
		"in a wait after a rewritten row": {
			[]look{finds(differs(7, "email"))}, 500 * time.Millisecond, 500 * time.Millisecond, "context deadline exceeded; sent at 00:00:00.000Z",
		},
		"before the first look": {nil, -1, 0, "context deadline exceeded; sent at 00:00:00.000Z"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, left := search(t, test.looks...)
			ctx, cancel := context.WithTimeout(t.Context(), test.within)
			defer cancel()
			start := time.Now()
			s.Sent(start, errLost)
			verdict, id := s.Run(ctx, true, usual)
			require.Equal(t, verify.Undecided, verdict, name)
			require.Zero(t, id, name)
			require.Equal(t, test.took, time.Since(start), name)
			require.Zero(t, left(), name)
			require.True(t, strings.HasPrefix(s.Err().Error(), "502 Bad Gateway; "+test.says), "%s: %v", name, s.Err())
			require.ErrorIs(t, s.Err(), context.DeadlineExceeded, name)
			require.ErrorIs(t, s.Err(), errLost, name)
		})
	}
}

// What the create failed with and what was found in its place are in the chain,
// the errors of looks are not: their status is not that of the create.
func TestTheChain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		looks []look
		is    []error
		isNot []error
	}{
		"absent":  {[]look{nothing, nothing}, []error{errLost, io.EOF}, []error{errConflict, errLook}},
		"failing": {[]look{fails, fails}, []error{errLost, io.EOF}, []error{errConflict, errLook}},
		"differs": {[]look{fails, finds(differs(7, "email"))}, []error{errLost, io.EOF, errConflict}, []error{errLook}},
		"several": {[]look{finds(equal(7), equal(8))}, []error{errLost, io.EOF}, []error{errConflict}},
	} {
		s, _ := search(t, test.looks...)
		s.Sent(time.Now(), errLost)
		s.Sent(time.Now(), io.EOF)
		verdict, _ := s.Run(t.Context(), false, []time.Duration{0, 0})
		require.NotEqual(t, verify.Present, verdict, name)
		for _, err := range test.is {
			require.ErrorIs(t, s.Err(), err, name)
		}
		for _, err := range test.isNot {
			require.NotErrorIs(t, s.Err(), err, name)
		}
	}
}

// Each time that a create was sent is in the error, in the order of the day and
// in UTC, and what it failed with, if it did.
func TestErrorOfASecondSend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := search(t, nothing, nothing, fails)
		s.Sent(time.Now().In(time.FixedZone("west", -3600)), errLost)
		require.EqualError(t, s.Err(), "502 Bad Gateway; sent at 00:00:00.000Z", "nobody has looked")
		verdict, _ := s.Run(t.Context(), false, []time.Duration{0, time.Second})
		require.Equal(t, verify.Absent, verdict)
		time.Sleep(12*time.Hour + 345*time.Millisecond + 999*time.Microsecond) // the bubble's clock
		s.Sent(time.Now(), nil)
		verdict, _ = s.Run(t.Context(), false, []time.Duration{0})
		require.Equal(t, verify.Undecided, verdict)
		require.EqualError(t, s.Err(), "502 Bad Gateway; sent at 00:00:00.000Z and 12:00:01.345Z; "+
			"looked for with Users.List at 00:00:00.000Z absent, at 00:00:01.000Z absent, at 12:00:01.345Z failed (503 Service Unavailable)")
		require.Equal(t, []error{errLost}, s.Err().(interface{ Unwrap() []error }).Unwrap())
	})
}

// What two calls failed with is told once.
func TestTheSameCauseTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := search(t)
		s.Sent(time.Now(), errLost)
		s.Sent(time.Now(), fmt.Errorf("%w", errLost))
		require.EqualError(t, s.Err(), "502 Bad Gateway; sent at 00:00:00.000Z and 00:00:00.000Z")
	})
}

func TestClock(t *testing.T) {
	t.Parallel()
	require.Equal(t, "22:30:05.007Z", verify.Clock(time.Date(2026, 11, 24, 23, 30, 5, 7_900_000, time.FixedZone("CET", 3600))))
}
