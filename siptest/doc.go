// Package siptest is a fake of the SIP Config API: a server in memory with
// users, groups, queues, trusted networks and devices. Test a program that uses
// package infinitysip against it. You need no account and no network.
//
//	func TestProvision(t *testing.T) {
//		srv := siptest.New(t)
//		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
//
//		err := provision(t.Context(), srv.Client(), domain)
//
//		require.NoError(t, err)
//		require.Len(t, srv.Users(domain), 2)
//	}
//
// # What the server assumes
//
// The API's page leaves much open. The server follows the rules below. Some of
// them name the option that changes them. Test your program with both settings,
// because nobody knows which one is right.
//
// Checks and statuses:
//
//   - The server checks the credentials (401), the path (404, or 405 for a wrong
//     method), the form or the query (400), the ids in the form (404) and the
//     uniqueness (409), in this order. A refused request changes nothing. The
//     body of an error is plain text (option ErrorBody).
//   - A path is exact: case, escapes and slashes count (option Paths). An id has no
//     sign and no leading zero.
//   - The server reads a form as PHP does. The Content-Type must be
//     application/x-www-form-urlencoded. PHP silently drops the end of a long
//     form (option MaxInputVars).
//   - A POST, PUT or DELETE with a query is an error. So are a parameter that is
//     not documented, a required parameter that is missing, and an update with
//     no parameter. All parameters of a group's update are required (option
//     GroupUpdates).
//   - Names, display names, extension numbers and passwords must not be empty.
//     Other texts may be.
//   - A flag is 0 or 1. A number or an id is whole and not negative. A text is
//     UTF-8. A MAC address has colons, hyphens or dots. callerNameFormat has no
//     variables but the three on the page. The server does not check the format
//     of extension numbers, phone numbers, PINs and e-mail addresses.
//   - All requests are accepted (option Limit). A limit refuses a request before
//     anything else is checked.
//
// Uniqueness (options AllowDuplicates and DuplicateStatus):
//
//   - Within a domain, each user name, group name, queue name and network is
//     unique. Networks are compared without host bits: 10.0.20.10/24 equals
//     10.0.20.0/24. MAC addresses are compared without separators and case.
//   - Within a domain, an extension number belongs to one user, group or queue.
//   - A MAC address is unique among all domains.
//   - Everything else may repeat. A queue may have a group twice.
//   - A key is stored as it was sent, a MAC address in capitals with colons
//     (options Rewrites and RewriteKey).
//   - A device has at most one user. A second association is a 409, even with
//     the same user. No option changes this.
//
// Rows:
//
//   - A row has its ids, the parameters of its form, createDatetime and
//     updateDatetime. A domain also has its host name, as domain. A queue member
//     has no dates. A row of a group's users or a user's groups has both ids, the
//     name, displayName and extensionNumber.
//   - Every value is a JSON string (option BareNumbers). Slashes and characters
//     outside ASCII are escaped, as PHP does it.
//   - Rows do not show passwords and PINs (option EchoSecrets). Each association
//     of a device creates a token of 25 hexadecimal digits and shows it once.
//   - Times are UTC (option Zone). updateDatetime is 0000-00-00 00:00:00 until the first
//     update. A device is also updated when its user changes.
//   - A parameter that was not sent is "", or "0" for a number, a flag or an id.
//     A device without a user has userId "0" and user "".
//   - Each kind of row counts its ids from 1, across all domains. The server
//     never uses an id again.
//
// Changes:
//
//   - The answer to a create is the new id alone (option CreateBody), except
//     where the page shows another answer.
//   - Adding a user to a group twice succeeds. So does removing a user who is not
//     in the group.
//   - Deleting a user removes it from all groups and from its devices. Deleting
//     a group removes it from all users and deletes its queue members. Deleting
//     a queue deletes its members.
//   - The keys of the array give the order of queue members. The array must name
//     every member once. The members then get ringOrder 1, 2, 3 and so on.
//
// Lists:
//
//   - Rows are sorted by id, queue members by ringOrder and then by id. Rows that
//     are equal under a requested sort keep this order.
//   - A list has at most 10,000 rows (option MaxRows). It shows a change at once
//     (option ListLag).
//   - Every list and read accepts display and format=jsonarray.
//   - Lists honour filter, sort, limit and offset where they are documented
//     (options IgnorePaging and IgnoreFilters). Other lists ignore them (option
//     UndocumentedQuery), and reads refuse them.
//   - Two numbers are compared as numbers, other values as text. A sort puts
//     numbers before texts.
//   - bool tests whether a field is empty. "0" is not empty.
//   - re and nre take a regular expression of Go. It has no look-around and no
//     back-references. As in PHP, slashes may enclose it and flags may follow.
//     glob takes *, ?, [abc] and [!abc].
//
// # The server's data
//
// AddDomain, AddUser, AddGroup, AddQueue, AddTrustedNetwork and AddDevice add rows
// as they are given, with their ids, dates and secrets, without a request.
//
// Copy makes a new server with the same rows, and other options.
//
// Domains, Users, Groups and similar methods return the server's data without a
// request. Requests returns all requests in the order of arrival, and
// Options.Observe gets each one. Connections shows whether a connection is still
// open.
//
// # Calls of your own
//
// Handle adds a call that the server does not have, under a pattern of
// http.ServeMux:
//
//	srv.Handle("GET /config/v2/sip/domains/{id}/voicemail", handler)
//
// Its requests are checked, limited, recorded and hit by faults, as those of the
// API's own calls are. The name for On is the pattern.
//
// # Limits
//
// A [Limit] accepts so many requests a second or a minute, or so many at a time:
//
//	srv.SetLimit(&siptest.Limit{Requests: 20})
//	srv.SetLimit(&siptest.Limit{Requests: 5, RetryAfter: siptest.RetryAfterSeconds})
//
// Options.Limit sets it from the beginning. Refused tells how many requests were
// refused. SetAPIKey changes the key that the server accepts.
//
// # Faults
//
// Fail makes the server fail at a chosen call, in a chosen way:
//
//	srv.Fail(siptest.On("Users.Create").Nth(3).CommitThenDrop())
//	srv.Fail(siptest.On("*").Times(2).Status(429).Header("Retry-After", "1"))
//	srv.Fail(siptest.On("Users.List").TruncateRows(2).Framing(siptest.FramingClose))
//	srv.Fail(siptest.On("*").For(time.Minute).Reset())
//
// The names are those of the API's calls: a Find is hit as its List, and Client.Do as
// the call that it makes.
//
// A [Fault] has these methods:
//
//   - Nth, Times and For choose the requests.
//   - Drop, Reset, ResetStream, ResetStreamWith, GoAway, GoAwayBelow and Hang send
//     no answer.
//   - Status, Body, Rewrite, Header and Framing change the answer.
//   - Truncate, TruncateRows, Endless, SlowHeaders and SlowBody make the answer
//     hard to read.
//   - Raw sends any bytes, and Stray sends them after the answer.
//   - Before and After run a function of the test, for example to make another
//     client's request at that moment.
//   - StripBody and Latency change what happens on the way to the server.
//
// ParseFault reads a fault from a text, such as "Users.Create nth=3 drop".
//
// RequireFaultsUsed fails a test if a fault did not strike.
//
// Faults work over the socket and in process, but Stray only over the socket. Only
// the socket has CloseIdle, Options.KeepRequests and Options.IdleTimeout, which
// close connections, and Options.HTTP2 and Options.TLS.
//
// # Other programs
//
// A program in another language uses the server over its socket. Options.Addr
// is its address, and Listen reports why that cannot be had. [Options] are read from
// JSON and written as such, with the same names. In the command infinitysip,
// "infinitysip siptest" serves it.
//
// # Time
//
// InProcessClient and Transport reach the server without a socket. The server
// answers on the caller's goroutine. Within testing/synctest no wait takes real
// time: not Options.Latency, not a fault's wait, not the client's retries.
// Create the server within the same bubble.
//
// After a client gave up on a request, Wait waits until the server is done with
// it.
package siptest
