// Package infinitysip is a client for the hosted SIP phone system of Infinity:
// the SIP part of its Config API v2. It manages domains, users, groups, queues
// and their members, trusted networks and PBX devices.
//
// # Start here
//
//	client, err := infinitysip.NewClient(infinitysip.APIKey(key))
//	…
//	domains, err := client.Domains.List(ctx)
//	…
//	id, err := client.Users.Create(ctx, domains[0].ID, infinitysip.UserCreateParams{
//		User:            "joe.blogs",
//		Password:        infinitysip.NewSecret(password),
//		DisplayName:     "Joe Blogs",
//		ExtensionNumber: "0100",
//	})
//
// Make one [Client] and keep it: it holds the connections, and any number of
// goroutines may use it. An [Option] changes the Client, a [CallOption] one call.
// [Client.WithCredentials] makes a Client for another account over the same connections.
// Package siptest has a server in memory, to test your own code without an account.
// docs/start.md in the repository leads from nothing to a whole program.
//
// # Optional fields
//
// In the params of a create, an optional field that is zero is not sent. An
// optional flag is a *bool, so that false can be sent: new(false). In the params
// of an update, nil leaves a field as it is, and new("") clears it. The update
// of a domain or a group has no optional fields, because the API has none there:
// start from [Domain.UpdateParams] or [Group.UpdateParams], which repeat the row.
//
// Params read JSON with the names of the API. The Validate method of params tells what
// a call would refuse.
//
// # Rows
//
// The fields of a row are plain Go values, whatever way the server spells them:
// "7" or 7, "1" or true, "" or null. Times are UTC, and zero where the server
// says never. Members that no field decodes are kept in Extra, in the form that
// json.Marshal writes. Passwords, PINs and device tokens are a [Secret], which prints
// as "[redacted]".
//
// A row marshals to JSON as the API writes it, without its id if that is zero. When
// it is read again, it is the same, except that its secrets are empty: the text
// "[redacted]" is never read as a secret. A struct that embeds a row has the methods
// of the row, so encoding/json does not see the struct's own fields: make the row a
// field with a name instead.
//
// # Lists
//
// A List is one request. If the answer is cut short, that is an error, never a
// shorter list. But a server may have a limit of its own, and does not say where it
// stops: the API's siblings give at most 10,000 rows. An All is an iterator. It ends
// after the first error. Break out of the loop, and nothing is left under way.
//
// Where the API documents limit and offset, an All reads page after page, up to
// Limit rows, some of them ahead of the loop (see [WithReadAhead]). Rows may come
// and go while it does. In the order of ids, which is the default, every row that
// is there all the time comes exactly once, so that a loop may delete what it is
// given. In an order of your own a row may be passed over, or come twice.
//
// # Finding by name
//
// A Find returns the one row of a name, a MAC address or a network. The exact name
// counts before one that differs in case alone, the exact prefix before another of the
// same network. Where the server's filter works, that is one request. If nothing comes
// of it, the client reads the whole list. If that does not have the row, the error
// matches [ErrNotFound]. No other error of a Find matches it: not if the list may not be
// whole, if a row has a network in a notation that this package does not know, or if the
// list itself is not found. A list that lags behind does not have what was just created.
// If several rows match, the error is an [*Error] and its Found has their ids.
//
// # Errors
//
// Bad input is a [*ValidationError]: it lists every problem, and nothing was
// sent. Any other error of a call is an [*Error]: it has the status, the server's
// words, and whether the call changed anything. Ask with [errors.Is]:
//
//	switch {
//	case errors.Is(err, infinitysip.ErrOutcomeUnknown):
//		// it may have taken effect: Found has the ids that the client saw
//	case errors.Is(err, infinitysip.ErrConflict):
//		// for example, the extension number is in use
//	}
//
// No error and no log record holds a password, a PIN, a token or a credential.
//
// # What this package does not have yet
//
// [Client.Do] makes any call of the API, and [Rows] reads any list, as the methods do:
// with the credentials, the limits and the retries of the Client. Secrets are known by
// their names. [Row] reads the row in an answer, [Collect] makes a slice of an iterator.
//
// # What is sent again
//
// The number is the most attempts, the first included. A failure is doubtful if
// the server may have carried out the call all the same. Turn: the call waits for
// another turn, which uses up no attempt.
//
//	failure                              read  update  delete  add members   create
//	no connection                         4      4       4         4           4
//	429                                  turn   turn    turn      turn        turn
//	503 while others are accepted        turn   turn    turn   send missing  look, turn
//	another 503 (doubtful)                4      3       3     send missing  look, resend
//	500 (doubtful)                        3      2       2     send missing  look
//	408, other 5xx except 501 (doubtful)  4      3       3     send missing  look
//	connection lost, silence (doubtful)   4      3       3     send missing  look
//	404, 410 after a doubtful attempt     1      1    success  send missing  look
//	409 after a doubtful attempt          1      1       1     send missing  look
//	redirect, unknown status (doubtful)   1      1       1       look        look
//	answer cut short                      3      -       -         -           -
//	any other 4xx, 501                    1      1       1         1           1
//
// The row "another 503" is also for an HTTP/2 server that says that it did not take a
// request.
//
// A POST of [Client.Do] is sent again only if no connection could be made, or after a
// 429. After any other doubtful failure the error matches [ErrOutcomeUnknown].
//
// Send missing: the client lists the members, and sends only the missing ones. A
// removal of members is sent as often as an update.
//
// Look: the client lists the things of that kind, at once, after 1 second and
// after 3 more. If the thing is there as it was sent, the call has succeeded; a user
// only with [RetryPolicy.SettleSecrets], because no row shows its password. If it is
// there with other values, the error matches [ErrConflict] and [ErrOutcomeUnknown].
// Resend: if it is not in the whole list, the client sends the create once more,
// but not that of a queue member, which has no name. In every other case the error
// matches [ErrOutcomeUnknown], says what the client saw, and has the ids in Found.
// The token of a device cannot be read again: see [ErrTokenLost].
//
// The waits are random, up to half a second at first and up to ten seconds later.
// A Retry-After of up to 5 minutes is obeyed. Redirects are never followed.
// [RetryPolicy] and [Limits] hold the numbers, docs/reliability.md the details.
//
// # Rate limits
//
// [WithRateLimit] sets how many requests a second a Client makes. Without it, the
// Client learns what the server accepts as soon as it refuses a request. A refused
// call waits for another turn for up to 5 minutes. A call whose turn would come
// after its context's deadline fails at once, with [ErrRateLimited].
// docs/limits.md says what many goroutines and several Clients get.
package infinitysip
