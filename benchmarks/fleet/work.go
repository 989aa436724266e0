//go:build unix

package main

import (
	"fmt"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// The work is the same in all ways: each domain gets these users, with passwords that are made
// up, encrypted and kept.

const (
	account       = "account"
	apiKey        = "key-of-the-account"
	usersOfDomain = 5
)

// domainName is the name of a domain: some domains are there to warm up.
func domainName(kind string, i int) string { return fmt.Sprintf("%s-%04d", kind, i) }

func domainNames(kind string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = domainName(kind, i)
	}
	return names
}

// desired is what a domain should be.
func desired(domain string) *provision.State {
	s := &provision.State{}
	for i := range usersOfDomain {
		user := fmt.Sprintf("user.%d", i)
		s.Users = append(s.Users, provision.User{
			User: user, DisplayName: fmt.Sprintf("User %d", i), ExtensionNumber: fmt.Sprint(200 + i),
			Email: new(user + "@" + domain + ".example.com"), DepartmentName: new("Sales"),
		})
	}
	return s
}

// hasAll tells whether the rows are those of the users of a domain, each once.
func hasAll(domain string, rows []infinitysip.User) error {
	want := map[string]provision.User{}
	for _, u := range desired(domain).Users {
		want[u.User] = u
	}
	for _, row := range rows {
		u, ok := want[row.User]
		if !ok || row.DisplayName != u.DisplayName || row.ExtensionNumber != u.ExtensionNumber || row.Email != *u.Email || row.DepartmentName != *u.DepartmentName {
			return fmt.Errorf("the user %q of domain %q is there twice, or differs", row.User, domain)
		}
		delete(want, row.User)
	}
	if len(want) > 0 {
		return fmt.Errorf("domain %q lacks %d users", domain, len(want))
	}
	return nil
}
