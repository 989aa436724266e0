// Package provision makes of a domain what a list says it is to be: its users,
// groups and who is in them, queues and what they ring, trusted networks, and
// devices and whose they are.
//
//	desired, err := provision.ReadCSV(file)                    // or ReadJSON, or a State
//	err = desired.Check()                                      // every problem at once; nothing is sent
//	changes, err := provision.Plan(ctx, client, domain, desired, nil)
//	fmt.Print(changes)                                         // what would be done, as a diff
//	results, err := changes.Apply(ctx, client, &provision.ApplyOptions{Workers: 16})
//
// # What is left alone
//
// What a state does not mention stays as it is: a section that is nil, a list
// that is nil, a field that is nil or an empty text. A list that is given, even
// an empty one, is all there is to be. But what it leaves out stays too, unless
// PlanOptions.Prune is set: then it is deleted, if there is no more of it than
// MaxDeletes. That is so for things, for users in groups, for groups in queues,
// and for a device that is to be nobody's. A device that is to be another user's
// is moved, with Prune or without: that is a change of the device, not a delete.
//
// With a user or a group, the server also ends what hangs on it: memberships,
// places in queues, whose a device is.
//
// # Names
//
// Names of users, groups and queues that differ in case alone (by
// strings.ToLower) are the same name, in the state and on the server, and the
// case on the server stays. If the server has two such things, the one that is
// spelled as in the state is meant; if neither is, or both are, Plan tells so.
// MAC addresses are compared as addresses, networks without their host bits,
// flags as flags. Anything else is compared to the letter, and a field that the
// server does not show counts as empty: what a state says of it is sent each
// time. A reference is to what is in the state, if its section is given, and must
// be there; or else to what is on the server.
//
// # Passwords, PINs, tokens
//
// A new user has the password of the state, or of ApplyOptions.Password, or one
// that GeneratePassword makes up. So it is with PINs, but they are made up only
// for those who may hot-desk. Both are set when the user is made and not again,
// since the API does not show what they are: PlanOptions.SetSecrets sets them. A
// device that is given to a user gets a token, which the API shows once.
//
// All of them come back in the Results, whatever else failed. A program that may
// itself be killed sets ApplyOptions.Keep, which gets a password before its
// user is made. Where the answer with a token is lost, the change fails with
// infinitysip.ErrTokenLost; PlanOptions.RotateTokens gets another. Nothing that
// is printed or written shows any of them: no state, plan, result, error or
// Progress.
//
// # Plan again
//
// A plan is for the domain as it was. Apply looks again first, and does nothing
// (ErrStale) if the plan would be another by now. It does not lock the domain
// after that. What keeps things right is that the server has each name, address,
// network and extension number once, and that the client sends a create a second
// time only if the server said that it did not take the first, or a look showed
// that it is absent after a 503.
//
// So the way out of every failure is the same: plan again, and apply what is
// left. Where the outcome of a change was unknown, the new plan shows whether it
// was made. A user whose answer was lost, and who is there, gets its password and
// PIN at once. Where somebody else was first to create a thing
// (infinitysip.ErrConflict), the new plan finds it there. After a crash the next
// run goes on where the last one ended. It is as safe to run on two machines at
// once, with one exception: the API has no key for a group in a queue, so two who
// add the same one at the same moment add it twice. The next plan with Prune
// takes one out.
//
// # Extension numbers
//
// A server that has each extension number once refuses to let two users swap
// theirs, whichever is sent first. So a change that takes a number waits until
// its holder has given it up, and in a circle one of them gets a free number in
// between, the highest that there is: 9999 if theirs has four digits, 998 if it
// has three, since 999 is for emergencies. If that is where a run ends, the next
// one goes on from there. A number that is held by something that the state
// leaves alone is a problem that Plan tells.
//
// # Lists
//
// Plan reads each list once and, of the groups and queues whose members the
// state gives, the members. The API has no pages for users and groups: a server
// that left some of them out and did not say so could not be told from one
// that has no more. Where one gives exactly 10,000, which is where the sibling
// APIs cut, Plan refuses to create any that is not among them.
//
// # Many domains
//
// A plan is of one domain, and domains share nothing but the MAC addresses of
// devices. So many domains are many small jobs: one for each domain, on the
// queue or the workflow engine that you have already. Its input is the domain's
// id and where its state is; what it does is Plan and Apply, with the client of
// its account; it is done when the plan is empty, and is run again when it is
// not. Running a job twice, late, or on two machines does no harm, for the
// reasons above, so at-least-once delivery is enough, and no job needs to know
// of another. Let the engine run one job a domain at a time, give each worker
// the share of the account's rate that is its own (WithRateLimit), and have Keep
// write to a store that outlives the worker. To move a device from one domain to
// another, prune it there first.
package provision
