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
// program that is right passes on both.
//
// # Looking in
//
// Users, Groups and their like read what the server holds, without a call.
// Requests tells what was sent, and in which order.
//
// # Failing
//
// Fail makes the server fail, at the call and in the way that a test needs:
//
//	srv.Fail(siptest.On("Users.Create").Nth(3).CommitThenDrop())
//	srv.Fail(siptest.On("*").Times(2).Status(429).Header("Retry-After", "1"))
//
// # Time
//
// InProcessClient and Transport reach the server without a socket, and it
// answers on the goroutine that asks. Within testing/synctest all waiting, that
// of Options.Latency and of the client's retries, then takes no time at all.
package siptest
