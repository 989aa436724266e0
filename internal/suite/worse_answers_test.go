package suite_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// answersOfAnother are number 45: answers to a create that are about something else.
func answersOfAnother() []fault {
	const looks = 10 * time.Second // and more
	withAssociation := append(slices.Clone(creates), usersAddDevice)
	list := []fault{
		{
			n: 45, name: "a gateway answers with the list", everywhere: true, calls: withAssociation, client: through(asGets),
			outcome: unknown, says: "does not look like the API's answer", attempts: 1, most: looks,
		},
		{
			n: 45, name: "a gateway answers with a long list", everywhere: true, calls: withAssociation, setUp: furnish, client: through(asGets),
			outcome: unknown, says: "does not look like the API's answer", attempts: 1, most: looks,
		},
		{ // as after any answer that is lost: what was to be made is there
			n: 45, name: "a gateway answers with the list, which has the very same alone", everywhere: true, calls: alike, setUp: alone, client: through(asGets),
			outcome: found, found: []int64{2}, attempts: 1, most: looks,
		},
		{
			n: 45, name: "a gateway answers with the list, which has another of the same name alone", everywhere: true, setUp: aloneOtherwise, client: through(asGets),
			calls:   []call{usersCreate, groupsCreate, queuesCreate, devicesCreate},
			outcome: unknown, is: []error{infinitysip.ErrConflict}, found: []int64{2}, attempts: 1, most: looks,
		},
		{
			n: 45, name: "a gateway answers with the list, which has the same network alone", everywhere: true, setUp: aloneOtherwise, client: through(asGets), calls: []call{trustedNetworksCreate},
			outcome: unknown, is: []error{infinitysip.ErrConflict}, found: []int64{1}, attempts: 1, most: looks,
		},
		{
			n: 45, name: "a gateway answers with the list, which has the same group alone", everywhere: true, calls: []call{queuesCreateMember},
			setUp:   func(a *acme) { must(queuesCreateMember.do(context.Background(), a)) },
			client:  through(asGets),
			outcome: unknown, says: "absent", attempts: 1, most: looks,
		},
		{
			n: 45, name: "the server keeps another name, and says so", calls: named("joe.blogs.of.acme"), server: siptest.Options{
				CreateBody: siptest.CreateBodyRow, RewriteKey: func(_, key string) string { return key[:min(8, len(key))] },
			},
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},
	}
	for where, body := range map[string]func(op string) string{
		"another":               anothersRow,
		"another domain's":      func(op string) string { return rowOf(op, 1, `,"domainId":"2"`) },
		"another, bare":         func(op string) string { return rowOf(op, 1, `,"domainId":2`) },
		"of several, as a list": func(op string) string { return anothersRow(op) + rowOf(op, 2, "") },
		"of several, as an array": func(op string) string {
			return "[" + anothersRow(op) + "," + rowOf(op, 2, "") + "]"
		},
	} {
		several := strings.HasPrefix(where, "of several") // which of them it is, is not known, and that is all
		made := fault{
			n: 45, name: "201 with a row of " + where + ", applied", everywhere: true, applied: true, most: looks,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Body(body(c.op))} },
			outcome: found, hits: hits{"call": 1, "look": 1},
		}
		not := fault{
			n: 45, name: "201 with a row of " + where + ", not applied", everywhere: true, most: looks,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(201).Body(body(c.op))} },
			outcome: unknown, attempts: 1,
		}
		if several {
			made.outcome, not.outcome = succeeds, applied // so the server says
		}
		list = append(list, made, not)
	}
	return list
}

// locations are number 46: a 201 says the id in its Location alone.
func locations() []trial {
	one := func(op string) int64 { // the id of what a create makes on acme
		if op == "Queues.CreateMember" || op == "TrustedNetworks.Create" {
			return 1
		}
		return 2
	}
	var list []fault
	for name, location := range map[string]func(path string, id int64) string{
		"absolute":              func(path string, id int64) string { return fmt.Sprintf("https://siptest.invalid%s/%d", path, id) },
		"with a query":          func(path string, id int64) string { return fmt.Sprintf("%s/%d?format=json#top", path, id) },
		"a path":                func(path string, id int64) string { return fmt.Sprintf("%s/%d", path, id) },
		"a path from elsewhere": func(path string, id int64) string { return fmt.Sprintf("/internal%s/%d", path, id) },
		"relative": func(path string, id int64) string {
			return fmt.Sprintf("%s/%d", path[strings.LastIndex(path, "/")+1:], id)
		},
		"singular":     func(path string, id int64) string { return fmt.Sprintf("%s/%d", path[:len(path)-1], id) },
		"another case": func(path string, id int64) string { return fmt.Sprintf("%s/%d", strings.ToLower(path), id) },
	} {
		list = append(list, fault{
			n: 46, name: "201 with a Location alone: " + name, everywhere: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body("").Header("Location", location(pathOf(c.op, 1), one(c.op)))}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		})
	}
	for name, location := range map[string]func(op string) string{
		"of another domain":  func(op string) string { return pathOf(op, 2) + "/9" },
		"of another kind":    func(op string) string { return "/config/v2/sip/domains/1/things/9" },
		"of the list":        func(op string) string { return pathOf(op, 1) },
		"below the row":      func(op string) string { return pathOf(op, 1) + "/9/devices" },
		"with no id":         func(op string) string { return pathOf(op, 1) + "/new" },
		"with an id of 0":    func(op string) string { return pathOf(op, 1) + "/0" },
		"with an id below 0": func(op string) string { return pathOf(op, 1) + "/-9" },
		"too long an id":     func(op string) string { return pathOf(op, 1) + "/99999999999999999999" },
		"no URL":             func(string) string { return "://9" },
		"of a page":          func(string) string { return "https://siptest.invalid/welcome" },
	} {
		list = append(list, fault{
			n: 46, name: "201 with a Location that is not believed: " + name, everywhere: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body("").Header("Location", location(c.op))}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		})
	}
	for _, status := range []int{200, 204, 500} {
		list = append(list, fault{
			n: 46, name: fmt.Sprintf("%d with a Location", status), everywhere: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(status).Body("").Header("Location", pathOf(c.op, 1)+"/1")}
			},
			outcome: unknown, most: 4 * time.Second,
		})
	}
	trials := trialsOf(list)
	return append(trials, trial{46, "a list that lags shows a namesake that was deleted", inVirtualTime(func(t *testing.T) {
		const lag = time.Minute
		for _, c := range creates {
			a := newWorse(t, siptest.Options{ListLag: lag})
			old := must(c.do(t.Context(), a))
			time.Sleep(lag)
			a.remove(c.op, old)
			a.Fail(siptest.On(c.op).Times(1).Body("").Header("Location", fmt.Sprintf("%s/%d", pathOf(c.op, 1), one(c.op)+1)))
			m := a.create(t, "after its namesake", c, 1)
			require.NoError(t, m.err)
			require.Equal(t, one(c.op)+1, m.id, c.op)
			require.Equal(t, c.before, m.hits[c.look], c.op)
		}
	})})
}
