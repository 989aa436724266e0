package main

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// A trial is a domain to provision, of any size.
type trial struct {
	name   string
	before func(n int) *provision.State // on the server
	after  func(n int) *provision.State // as it should be
	same   bool                         // they are the same
	prune  bool
	noIDs  bool // a row of a user in a group has the user's name alone
}

var (
	trialSame       = trial{name: "same", before: company, after: company, same: true}
	trialRenamed    = trial{name: "renamed", before: company, after: renamed}
	trialSwapped    = trial{name: "swapped", before: users, after: swapped}
	trialIDs        = trial{name: "ids", before: crowd, after: crowd, same: true}
	trialNoIDs      = trial{name: "no ids", before: crowd, after: crowd, same: true, noIDs: true}
	trialReplaced   = trial{name: "replaced", before: ringing(0), after: ringing(1), prune: true}
	trialNewUsers   = trial{name: "new users", before: nothing, after: users}
	trialNewDevices = trial{name: "new users and devices", before: nothing, after: withDevices}
)

// trials are all of them.
func trials() []trial {
	return []trial{trialSame, trialRenamed, trialSwapped, trialIDs, trialNoIDs, trialReplaced, trialNewUsers, trialNewDevices}
}

func trialOf(name string) (trial, error) {
	for _, t := range trials() {
		if t.name == name {
			return t, nil
		}
	}
	return trial{}, fmt.Errorf("there is no trial %q", name)
}

func nothing(int) *provision.State { return new(provision.State) }

func userName(i int) string { return fmt.Sprintf("joe.blogs.%06d", i) }

func users(n int) *provision.State {
	s := &provision.State{Users: make([]provision.User, 0, n)}
	for i := range n {
		s.Users = append(s.Users, provision.User{
			User: userName(i), DisplayName: fmt.Sprintf("Joe Blogs %d", i), ExtensionNumber: strconv.Itoa(200_000 + i),
			Email: new(userName(i) + "@example.com"), DepartmentName: new("Sales"),
		})
	}
	return s
}

func withDevices(n int) *provision.State {
	s := users(n)
	s.Devices = make([]provision.Device, 0, n)
	for i := range n {
		s.Devices = append(s.Devices, provision.Device{MACAddress: fmt.Sprintf("10:20:30:%02X:%02X:%02X", i>>16, i>>8&255, i&255), Owner: new(userName(i))})
	}
	return s
}

// swapped is users, each with the extension number of a neighbour.
func swapped(n int) *provision.State {
	s := users(n)
	for i := 0; i+1 < n; i += 2 {
		s.Users[i].ExtensionNumber, s.Users[i+1].ExtensionNumber = s.Users[i+1].ExtensionNumber, s.Users[i].ExtensionNumber
	}
	return s
}

// addGroups puts every user into one of so many groups.
func addGroups(s *provision.State, groups int) *provision.State {
	for i := range groups {
		s.Groups = append(s.Groups, provision.Group{Name: fmt.Sprintf("group%04d", i), DisplayName: "Group", ExtensionNumber: strconv.Itoa(10_000 + i), Members: []string{}})
	}
	for i, u := range s.Users {
		g := &s.Groups[i%groups]
		g.Members = append(g.Members, u.User)
	}
	return s
}

// crowd is users in groups of 100.
func crowd(n int) *provision.State { return addGroups(users(n), max(n/100, 1)) }

const (
	companyGroups = 203
	companyQueues = 50
)

// company is users with a device each, in groups, which queues ring.
func company(n int) *provision.State {
	s := addGroups(withDevices(n), companyGroups)
	s.TrustedNetworks = []provision.TrustedNetwork{{Network: "203.0.113.0/24"}}
	for i := range companyQueues {
		q := provision.Queue{Name: fmt.Sprintf("queue%02d", i), DisplayName: "Queue", ExtensionNumber: strconv.Itoa(5_000 + i)}
		for j := range 4 {
			q.Members = append(q.Members, provision.QueueMember{Group: s.Groups[(4*i+j)%companyGroups].Name})
		}
		s.Queues = append(s.Queues, q)
	}
	return s
}

// renamed is the company, but one in a hundred users has another name.
func renamed(n int) *provision.State {
	s := company(n)
	for i := 0; i < n; i += 100 {
		s.Users[i].DisplayName = "Ann Other"
	}
	return s
}

// ringing is 2 n groups and a queue of half of them: the first or the second.
func ringing(half int) func(n int) *provision.State {
	return func(n int) *provision.State {
		s := addGroups(new(provision.State), 2*n)
		q := provision.Queue{Name: "queue", DisplayName: "Queue", ExtensionNumber: "5000"}
		for _, g := range s.Groups[half*n : half*n+n] {
			q.Members = append(q.Members, provision.QueueMember{Group: g.Name})
		}
		s.Queues = append(s.Queues, q)
		return s
	}
}

// start makes a server with what there is before the trial.
func (t trial) start(n int, latency time.Duration) (*siptest.Server, infinitysip.DomainID, error) {
	server := siptest.NewServer(siptest.Options{APIKey: bench.Key, MaxRows: 1_000_000})
	domain := server.AddDomain(infinitysip.Domain{DisplayName: "Large Ltd"})
	if err := put(server, domain, t.before(n)); err != nil {
		return nil, 0, err
	}
	if t.noIDs {
		id := regexp.MustCompile(`"userId":"\d+",`)
		server.Fail(siptest.On("Groups.ListUsers").Rewrite(func(body []byte) []byte { return id.ReplaceAll(body, nil) }))
	}
	if latency > 0 {
		server.Fail(siptest.On("*").Latency(latency))
	}
	return server, domain, nil
}

// put puts a state on a server.
func put(server *siptest.Server, domain infinitysip.DomainID, s *provision.State) error {
	ctx, client := context.Background(), server.InProcessClient()
	userIDs := make(map[string]infinitysip.UserID)
	for _, u := range s.Users {
		userIDs[u.User] = server.AddUser(domain, infinitysip.User{User: u.User, DisplayName: u.DisplayName, ExtensionNumber: u.ExtensionNumber,
			Email: *u.Email, DepartmentName: *u.DepartmentName})
	}
	groupIDs := make(map[string]infinitysip.GroupID)
	for _, g := range s.Groups {
		id := server.AddGroup(domain, infinitysip.Group{Name: g.Name, DisplayName: g.DisplayName, ExtensionNumber: g.ExtensionNumber,
			CallerNameFormat: provision.DefaultCallerNameFormat})
		groupIDs[g.Name] = id
		var members []infinitysip.UserID
		for _, name := range g.Members {
			members = append(members, userIDs[name])
		}
		if len(members) > 0 {
			if err := client.Groups.AddUsers(ctx, domain, id, members); err != nil {
				return err
			}
		}
	}
	for _, q := range s.Queues {
		id := server.AddQueue(domain, infinitysip.Queue{Name: q.Name, DisplayName: q.DisplayName, ExtensionNumber: q.ExtensionNumber})
		for order, m := range q.Members {
			_, err := client.Queues.CreateMember(ctx, domain, id, infinitysip.QueueMemberCreateParams{GroupID: groupIDs[m.Group],
				RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: order + 1})
			if err != nil {
				return err
			}
		}
	}
	for _, network := range s.TrustedNetworks {
		server.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix(network.Network)})
	}
	for _, d := range s.Devices {
		server.AddDevice(domain, infinitysip.Device{MACAddress: d.MACAddress, UserID: userIDs[*d.Owner]})
	}
	return nil
}
