// Package infinitysip is a client for the hosted SIP phone system of Infinity:
// the SIP part of its Config API v2, all 43 calls of it. It manages domains,
// users, groups, queues and their members, trusted networks and PBX devices.
//
// # Getting started
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
// goroutines may use it. Package siptest has a server to run your own code on,
// with no account.
//
// # Optional fields
//
// In the params of a create, an optional field that is zero is not sent; an
// optional flag is a *bool, so that new(false) can be. In the params of an
// update every optional field is a pointer: nil leaves it as it is, new("")
// clears it. The API has no optional parameter in the update of a domain or a
// group: start from [Domain.UpdateParams] or [Group.UpdateParams], which repeat
// the row.
//
// # Rows
//
// The fields of a row are plain Go values. The server may send a number as a
// string or the other way round, "" or null: each is taken as the field needs
// it. Times are UTC, and zero where the server says never. What no field
// claims is kept in Extra. Passwords, PINs and device tokens are [Secret]
// values, which print as "[redacted]".
//
// # Lists
//
// A List is one request and returns what it gets; if the answer is cut short
// that is an error, never a shorter list. (Only where a server of HTTP/1 marks
// the end of a list by nothing but the end of the connection can a cut between
// two rows not be seen.) An All is an iterator. It ends after the first error.
// Breaking out of the loop ends the request. Where the API does not document
// limit and offset it is one request, whose rows are yielded as they arrive.
//
// Where the API documents them, an All asks for page after page until one is
// empty, and once a full page shows that there is more it asks for up to four
// pages ahead of its reader; [WithReadAhead] changes how many. When the loop
// ends, however it does, nothing of that is still under way.
//
// Rows may come and go while a list is read. By id, which is the order unless
// you say otherwise, every row that was there all the time is yielded exactly
// once: where a page does not join the one before, the list goes on with the
// ids greater than the last one. So a loop may delete the rows that it is
// given. In an order of your own there is the offset alone to go by: a row that
// is deleted or added moves those after it, so that one of them may be passed
// over, or come twice. The same holds where the server does not sort and filter
// by id.
//
// # Errors
//
// Bad input is a [*ValidationError], which lists every problem; nothing was
// sent. Any other error of a call is an [*Error], with the status, what the
// server said and whether the call changed anything. Ask by [errors.Is]:
//
//	switch {
//	case errors.Is(err, infinitysip.ErrConflict):
//		// the extension number is in use, say
//	case errors.Is(err, infinitysip.ErrOutcomeUnknown):
//		// the answer was lost: look before you create it again
//	}
//
// No error and no log record holds a password, a PIN, a token or a credential,
// and this package writes no form and no query value into one. What a server
// says of a filter's value may show it.
//
// # What is tried again
//
// At most four attempts, with random waits that double from half a second to
// ten seconds:
//
//   - any call, when no connection was had, so that nothing was sent (but not
//     for a host name that does not exist, or a certificate that is not
//     trusted), and when the server says 429;
//   - what reads, and what does no harm when repeated (updates, deletes, the
//     order of queue members), when the server says 408 or 5xx but 501, or the
//     connection is lost, or the answer does not come;
//   - a List or Get whose answer is cut short.
//
// A delete that is sent again and finds nothing (404) has succeeded.
//
// An add of members that may have arrived is looked after: those who are not
// in are sent again. A create that may have arrived is looked for by its
// natural key: a user, a group or a queue by name, a device by its MAC
// address, a network by its CIDR, a queue member by its group, beside those
// that were there before, an association by itself. The looks come at once,
// after 1 second, and after 3 more. A list is believed to be whole if it has
// fewer than 10,000 rows, which is where the sibling APIs cut.
//
//   - One row that has what was sent: the create is a success, with its id.
//   - One row that differs: the error is one of [ErrConflict] and
//     [ErrOutcomeUnknown], and gives the id.
//   - None, though two looks were answered, after a 500 or a 503: it is sent
//     once more.
//   - Anything else: the error is one of [ErrOutcomeUnknown] and says what was
//     looked at and when. [RetryPolicy] has ResendAfter for those who know how
//     long the server may take.
//
// The same look gives the id when the answer to a create has none; if that
// fails the error's Outcome is [Applied]. The token of an association cannot
// be looked up: see [ErrTokenLost].
//
// After a 429 the wait is a second at least. A Retry-After of up to a minute is
// obeyed; a longer one, or one past the context's deadline, ends the call at
// once and stands in the error. The context ends every wait. Redirects are
// errors. A Client has a quota for its retries, so that a service that is down
// is not asked four times as often. [WithRetryPolicy] and [WithLimits] change
// the numbers.
//
// # Rate limits
//
// [WithRateLimit] sets how many calls a second a Client starts, whoever makes
// them. Without it nothing is limited until the server says 429. The call that
// is refused waits, and no other. How fast the server accepts calls in the two
// seconds after that, ten a second at the least, becomes the limit for all
// calls of the Client. From then on a second with refusals lowers it, by their
// share, from a twentieth to a third, and a second that used it up without any
// raises it, by a tenth until it was lowered once, by a hundredth after that.
// It is forgotten two minutes after the last 429. For a server that takes less
// than ten calls a second say so with [WithRateLimit], or some of many calls at
// a time may use up their attempts. A call whose turn would come after its
// context's deadline fails at once, with [ErrRateLimited].
package infinitysip
