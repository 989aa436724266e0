package suite_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// pagesOfProxies are number 61: a 503, and then a proxy's page that says 404. It
// does not say that a thing is gone.
func pagesOfProxies() []fault {
	deletes := []call{usersDelete, usersRemoveDevice}
	const wait = 500 * time.Millisecond
	var list []fault
	for name, page := range map[string]string{
		"HTML":           "<html><head><title>404 Not Found</title></head><body>nginx</body></html>",
		"a doctype":      "<!DOCTYPE html>\n<html></html>",
		"blanks first":   "\r\n\t <html></html>",
		"many blanks":    strings.Repeat("\n", 4000) + "<html></html>",
		"a BOM first":    "\ufeff<!doctype html><html></html>",
		"a comment":      "<!-- proxy-3 --><h1>Not found</h1>",
		"XML":            `<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`,
		"a page of keys": "<html><pre>authorization: ApiKey " + canaryKey + "</pre></html>",
		"a long page":    "<html>" + strings.Repeat("x", 100_000) + "</html>",
	} {
		for _, status := range []int{404, 410} {
			for _, applied := range []bool{false, true} {
				list = append(list, fault{
					n: 61, name: fmt.Sprintf("503, then %d with %s, applied %t", status, name, applied), calls: deletes, setUp: withDevice,
					faults: func(c call) faults {
						first := faultOn(c.op).Times(1).Status(503)
						if applied {
							first = faultOn(c.op).Times(1).CommitThenStatus(503)
						}
						return faults{first, faultOn(c.op).Nth(2).Times(1).Status(status).Body(page)}
					},
					applied: applied, outcome: unknown, is: []error{infinitysip.ErrNotFound}, hits: hits{"call": 2}, most: wait,
				})
			}
		}
		list = append(list, fault{ // nor that an association is not there
			n: 61, name: "503, then a look that is a 404 with " + name, calls: []call{usersAddDevice},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).CommitThenStatus(503), faultOn(c.look).Times(3).Status(404).Body(page)}
			},
			applied: true, outcome: unknown, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 1, "look": 3}, most: 4 * time.Second,
		})
	}
	for name, said := range map[string]string{"text": "no userId 1", "a string": `"not found"`, "an object": `{"message":"a < b"}`, "nothing": ""} {
		list = append(list, fault{
			n: 61, name: "503, then the API's 404: " + name, calls: deletes, setUp: withDevice,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).CommitThenStatus(503), faultOn(c.op).Nth(2).Times(1).Status(404).Body(said)}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 2}, most: wait,
		})
	}
	return list
}

// revoked is number 68: the credentials end in the middle of a run. Each call hears
// so, and the Client goes on as soon as they are good again: keys rotate.
func revoked() []trial {
	return []trial{{68, "in the middle of a run", inVirtualTime(func(t *testing.T) {
		const users, from, to = 100, 30, 70
		a := newWorse(t, siptest.Options{})
		for i := range users {
			switch i {
			case from:
				a.SetAPIKey("another-key")
			case to:
				a.SetAPIKey(canaryKey)
			}
			a.ResetRequests()
			began := time.Now()
			params := newUser()
			params.User, params.ExtensionNumber = fmt.Sprint("u", i), fmt.Sprint(1000+i)
			_, err := a.client.Users.Create(t.Context(), a.domain, params)
			require.Zero(t, time.Since(began))
			require.Len(t, a.Requests(), 1)
			if i < from || i >= to {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, infinitysip.ErrUnauthorized)
			require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
			requireNoSecret(t, "revoked", err)
		}
		require.Len(t, a.Users(a.domain), 1+users-(to-from))
	})}, {68, "between a create and its looks", inVirtualTime(func(t *testing.T) {
		for _, c := range alike {
			a := newWorse(t, siptest.Options{})
			a.Fail(siptest.On(c.op).Times(1).After(func(s *siptest.Server) { s.SetAPIKey("another-key") }).CommitThenStatus(503))
			m := a.create(t, "revoked", c, 1)
			m.requireUnknown(t, "revoked")
			require.NotErrorIs(t, m.err, infinitysip.ErrUnauthorized, "that is a look's, not the create's")
			a.SetAPIKey(canaryKey)
			_, err := a.client.Users.Get(t.Context(), a.domain, a.user)
			require.NoError(t, err)
		}
	})}, {68, "between two attempts", inVirtualTime(func(t *testing.T) {
		for _, c := range updates {
			a := newWorse(t, siptest.Options{})
			furnish(a)
			a.Fail(siptest.On(c.op).Times(1).After(func(s *siptest.Server) { s.SetAPIKey("another-key") }).CommitThenStatus(503))
			_, err := c.do(t.Context(), a)
			require.ErrorIs(t, err, infinitysip.ErrUnauthorized, c.op)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, c.op+": the first attempt may have been applied")
			a.SetAPIKey(canaryKey)
			_, err = a.client.Domains.Get(t.Context(), a.domain)
			require.NoError(t, err)
		}
	})}}
}

// insertedPages are number 69: as many rows as a page has are inserted between two
// pages. The page before comes again, and the server is not stuck.
func insertedPages() []trial {
	byName := infinitysip.OrderBy(infinitysip.DeviceFields.Name.Asc())
	type kind struct {
		name   string
		sort   []infinitysip.Sort[infinitysip.Device]
		server siptest.Options
	}
	kinds := []kind{
		{"by id", nil, siptest.Options{}},
		{"by id, asked for", infinitysip.OrderBy(infinitysip.DeviceFields.ID.Asc()), siptest.Options{}},
		{"by name", byName, siptest.Options{}},
		{"by name, backwards", infinitysip.OrderBy(infinitysip.DeviceFields.Name.Desc()), siptest.Options{}},
		{"filters ignored", byName, siptest.Options{IgnoreFilters: true}},
	}
	var trials []trial
	for _, k := range kinds {
		for _, ahead := range []int{0, 1, 4} {
			for size := 1; size <= 4; size++ {
				for at := 2; at <= 5; at++ {
					trials = append(trials, trial{69, fmt.Sprintf("%s, %d ahead, pages of %d, before page %d", k.name, ahead, size, at), inVirtualTime(func(t *testing.T) {
						a := newWorse(t, k.server, infinitysip.WithReadAhead(ahead))
						for i := range 4*size + 1 {
							a.AddDevice(a.domain, infinitysip.Device{ID: infinitysip.DeviceID(100 + i), Name: fmt.Sprintf("m%02d", i), MACAddress: fmt.Sprintf("10:20:30:00:01:%02x", i)})
						}
						must(0, a.client.Devices.Delete(t.Context(), a.domain, a.device))
						a.Fail(siptest.On("Devices.List").Nth(at).Before(func(s *siptest.Server) {
							for i := range size { // the first by id and by name, or the last by name backwards
								name := fmt.Sprintf("a%02d", i)
								if k.name == "by name, backwards" {
									name = fmt.Sprintf("z%02d", i)
								}
								s.AddDevice(a.domain, infinitysip.Device{ID: infinitysip.DeviceID(50 + i), Name: name, MACAddress: fmt.Sprintf("10:20:30:00:02:%02x", i)})
							}
						}))
						got := make(map[infinitysip.DeviceID]int)
						for device, err := range a.client.Devices.All(t.Context(), a.domain, &infinitysip.DeviceListOptions{PageSize: size, Sort: k.sort}) {
							require.NoError(t, err)
							got[device.ID]++
						}
						// Pages that are asked for together may be read in any order, and in an order of
						// one's own nothing but the offset tells them apart.
						inTurn := k.sort == nil || k.name == "by id, asked for" || ahead < 2
						for i := 0; inTurn && i < 4*size+1; i++ {
							require.Equal(t, 1, got[infinitysip.DeviceID(100+i)], "the row %d, of what was there all the time", 100+i)
						}
						require.Empty(t, a.UnusedFaults())
					})})
				}
			}
		}
	}

	// A server that gives the same page whatever the offset is is stuck.
	return append(trials, trial{69, "a server that repeats a page", inVirtualTime(func(t *testing.T) {
		for _, ahead := range []int{0, 1, 4} {
			for _, sort := range [][]infinitysip.Sort[infinitysip.Device]{byName, infinitysip.OrderBy(infinitysip.DeviceFields.Updated.Asc())} {
				asked := 0
				s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
					if asked++; asked > 20 {
						return answer(200, ""), nil // or it would never end
					}
					return answer(200, rowOf("Devices.Create", 1, "")+rowOf("Devices.Create", 2, "")), nil
				}}
				rows := 0
				var last error
				for _, err := range stubClient(t, s, infinitysip.WithReadAhead(ahead)).Devices.All(t.Context(), 1, &infinitysip.DeviceListOptions{PageSize: 2, Sort: sort}) {
					if last = err; err == nil {
						rows++
					}
				}
				require.ErrorIs(t, last, infinitysip.ErrPaginationStuck)
				require.Equal(t, 2, rows)
				require.LessOrEqual(t, asked, 3+ahead)
			}
		}
	})})
}

// silence is number 70: a server that takes connections and says nothing. A create
// ends, its looks included, within the time for the headers and the time for an
// attempt.
func silence() []fault {
	all := append(slices.Clone(creates), usersAddDevice)
	total := func(header, attempt time.Duration) time.Duration { return header + attempt }
	return []fault{
		{
			n: 70, name: "from the beginning", calls: all, everywhere: true,
			faults:  func(call) faults { return faults{faultOn("*").Hang()} },
			outcome: unknown, says: "no answer for 30s", most: total(30*time.Second, time.Minute),
		},
		{
			n: 70, name: "after it was applied", calls: slices.DeleteFunc(slices.Clone(all), func(c call) bool { return c.before > 0 }), everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).CommitThenHang(), faultOn("*").Hang()} },
			applied: true, outcome: unknown, says: "no answer for 30s", hits: hits{"call": 1, "look": 1}, most: total(30*time.Second, time.Minute),
		},
		{
			n: 70, name: "after a 503", calls: slices.DeleteFunc(slices.Clone(all), func(c call) bool { return c.before > 0 }), everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503), faultOn("*").Hang()} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "no answer for 30s", hits: hits{"call": 1, "look": 1}, most: total(30*time.Second, time.Minute),
		},
		{
			n: 70, name: "with less patience", calls: all,
			opts:    []infinitysip.Option{infinitysip.WithLimits(infinitysip.Limits{HeaderTimeout: 5 * time.Second, AttemptTimeout: 10 * time.Second})},
			faults:  func(call) faults { return faults{faultOn("*").Hang()} },
			outcome: unknown, says: "no answer for 5s", most: total(5*time.Second, 10*time.Second),
		},
		{
			n: 70, name: "looks whose rows do not come", calls: slices.DeleteFunc(slices.Clone(all), func(c call) bool { return c.before > 0 }), setUp: furnish,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Hang(), faultOn(c.look).SlowBody(1, time.Hour)}
			},
			outcome: unknown, says: "no answer for 30s", most: total(30*time.Second, time.Minute),
		},
		{
			n: 70, name: "through a limit of the client's own", calls: []call{usersCreate}, opts: []infinitysip.Option{infinitysip.WithRateLimit(10, 1)},
			faults:  func(call) faults { return faults{faultOn("*").Hang()} },
			outcome: unknown, says: "no answer for 30s", most: total(30*time.Second, time.Minute),
		},
		{
			n: 70, name: "with more attempts", calls: []call{usersCreate}, opts: []infinitysip.Option{infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 10})},
			faults:  func(call) faults { return faults{faultOn("*").Hang()} },
			outcome: unknown, says: "no answer for 30s", hits: hits{"call": 1, "look": 1}, most: total(30*time.Second, time.Minute),
		},
	}
}
