// Package siptest is a SIP Config API in memory: a server with users, groups,
// queues, trusted networks and devices, for tests of programs that use package
// infinitysip. No account and no network are needed.
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
// It is as stubborn as the real one. It reads forms as PHP does, knows each of
// the API's spellings and no other, refuses what is not documented, enforces
// unique names and extensions, and answers numbers as strings. Where nobody
// knows what the real server does, Options take one side or the other; a
// program that is right passes on both. An order of a queue's members goes by the
// keys of the array, and must name each of them once: the API's page does not say
// what becomes of the others.
//
// Filters know all the operands of the API. For re and nre an expression may
// stand bare or between slashes with flags after them, as PHP has it; it is one
// of Go's, which has no look-around and no back-references. glob takes *, ?,
// [abc] and [!abc].
//
// # Looking in
//
// Domains, Users, Groups and their like read what the server holds, without a
// call. Requests tells what was sent, and in which order, Connections whether
// any connection was left open.
//
// # Failing
//
// Fail makes the server fail, at the call and in the way that a test needs:
//
//	srv.Fail(siptest.On("Users.Create").Nth(3).CommitThenDrop())
//	srv.Fail(siptest.On("*").Times(2).Status(429).Header("Retry-After", "1"))
//	srv.Fail(siptest.On("Users.List").TruncateRows(2).Framing(siptest.FramingClose))
//	srv.Fail(siptest.On("*").For(time.Minute).Reset())
//
// Nth, Times and For say when. Drop, Reset, ResetStream, GoAway and Hang give
// no answer, Status, Body, Rewrite, Header and Framing another one, Truncate,
// Endless, SlowHeaders and SlowBody one that is hard to read, and Raw anything
// at all. Before and After do what a test likes, such as what somebody else
// might do at that moment; StripBody and Latency are what happens on the way to
// the server. RequireFaultsUsed fails a test whose faults did not all strike.
//
// All of it is acted out both on the socket and in process, as far as there is
// something to act out: CloseIdle, Options.HTTP2 and Options.TLS are of the
// socket alone.
//
// # Time
//
// InProcessClient and Transport reach the server without a socket, and it
// answers on the goroutine that asks. Within testing/synctest all waiting, that
// of Options.Latency, of the faults and of the client's retries, then takes no
// time at all. Make the server there too.
//
// Wait waits for what is still under way when a client has given up.
package siptest
