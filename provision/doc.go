// Package provision brings a domain to a desired state: its users, its groups and
// who is in them, queues and what they ring, trusted networks, and devices and
// their owners.
//
//	desired, err := provision.ReadCSV(file, nil)               // or ReadJSON, or a State
//	err = desired.Check()                                      // every problem at once; nothing is sent
//	changes, err := provision.Plan(ctx, client, domain, desired, nil)
//	fmt.Print(changes)                                         // what would be done, as a diff
//	results, err := changes.Apply(ctx, client, &provision.ApplyOptions{Workers: 16})
//
// # What is left alone
//
// What a state does not mention stays as it is: a section that is nil, a list
// that is nil, a field that is nil or an empty text. A list that is given, even
// an empty one, is complete. But what it leaves out stays too, unless
// PlanOptions.Prune is set: then it is deleted, if there is no more of it than
// MaxDeletes or MaxDeleteShare allows. That is so for things, for users in groups,
// for groups in queues, and for a device that is to be nobody's. A device that is
// to be another user's is moved, with Prune or without: that is a change of the
// device, not a delete. PlanOptions.CreateOnly makes what is missing and changes
// nothing that is there.
//
// With a user or a group, the server also ends what hangs on it: memberships,
// places in queues, the owner of a device. The plan names all of it (Change.Takes),
// and MaxDeletes counts it.
//
// # Plans are data
//
// A plan says what each change does, to which thing, from which value to which,
// what must be done before it, and what a delete takes along. It holds no secret
// and nothing of the process that made it. So it can be printed, written as JSON,
// read back, cut down (Only), named in an approval (Digest) and applied by another
// process. What was reviewed is what is applied, or nothing: Apply looks first, at
// just what the plan touches, and if anything of that has changed since it ends with
// ErrStale. It does not lock the domain after that.
//
// A plan that was read back does not hold the passwords and PINs that it was made
// with. Hand them to Apply: ApplyOptions{Secrets: desired.Secrets()}. Without them
// Apply refuses the plan before anything is sent.
//
// Changes.Notes say what the plan does not do although the state says it, and what
// a reader may overlook: what stays because nothing is pruned, what looks like a
// rename, what the API cannot change, which texts the server seems to rewrite. The
// last are the changes that may come back in every plan.
//
// # Names
//
// Names of users, groups and queues that differ only in case (by strings.ToLower),
// or only in how Unicode composes a letter (NFC), are the same name, in the state
// and on the server. The spelling on the server stays. If the server has two such
// things, the one that is spelled as in the state is meant; if neither is, or both
// are, Plan tells so. MAC addresses are compared as addresses, networks without
// their host bits, flags as flags. Anything else is compared to the letter. A field
// that the server does not show counts as empty: what a state says of it is sent
// each time. A reference is to a thing in the state, if its section is given, and
// must be there; or else to one on the server.
//
// # Passwords, PINs, tokens
//
// A new user has the password of the state, or of ApplyOptions.Password, or one
// that GeneratePassword makes up. So it is with PINs, but they are made up only
// for users who may hot-desk. Both are set when the user is made and not again,
// since the API does not show them: PlanOptions.SetSecrets sets them. A device that
// is given to a user gets a token, which the API shows once.
//
// All of them come back in the Results, whatever else failed. A program that may
// itself be killed sets ApplyOptions.Keep and ApplyOptions.Settle; KeepCSV has both.
// Keep is told a password before its user is made, Settle what became of it:
// confirmed, refused or unknown. A password that is confirmed is in force.
// PlanOptions.Unsettled takes up what a run that was cut left unsettled.
//
// If the answer with a token is lost, or Keep fails for a token, the change fails
// with infinitysip.ErrTokenLost; PlanOptions.RotateTokens gets another. Nothing that
// is printed or written shows a secret: no state, plan, result, error or Progress.
//
// # Failures
//
// Apply settles what it can. A change whose outcome is unknown is looked at again
// in the same run, and done if it was not, three times at most. A change that a
// limit refuses waits. A change that fails holds up only those that need it. If the
// server refuses the credentials, nothing more begins.
//
// What is left has one way out: plan again, and apply that. What is done is not done
// twice. What keeps it so is that the server has each name, address, network and
// extension number once, and that the client sends a create a second time only if
// the server said that it did not take the first, or a look showed that the thing
// is absent. If somebody else was first to create a thing (infinitysip.ErrConflict),
// the new plan finds it there. After a crash the next run goes on where the last
// one ended. It is as safe to run on two machines at once, with one exception: the
// API has no key for a group in a queue, so two who add the same one at the same
// moment add it twice. The next plan with Prune takes one out.
//
// # Two machines at once
//
// Two programs that make the same users at the same time make each user once. Who
// was told that it made the user has its password confirmed. If the answer was lost,
// nobody knows whose password the user has, and the API does not show it: so it is set.
// Two programs may both have to do that with the same user. The API has nothing by
// which they could agree on an order, so Apply keeps them apart in time: they take
// turns, of 15 seconds or as long as one needs. That is not a proof. The one that was
// confirmed last is not in force if both lost the answers to all users that they made and
// drew the same turn to a fraction of a second, if one of them is minutes slower than
// the other, if Settle takes seconds to write, or if the server carries out a request long
// after it was given up. Nor is anything kept apart where two programs set passwords
// of users who are there already (PlanOptions.SetSecrets, PlanOptions.Unsettled). To
// exclude all that, let one program at a time provision a domain. Where a lock sees to
// that, set ApplyOptions.Alone: then Apply needs no turns, and waits for seconds instead of
// minutes.
//
// # Extension numbers
//
// A server that has each extension number once refuses to let two users swap
// theirs, whichever is sent first. So a change that takes a number waits until
// its holder has given it up, and in a circle one of them gets a free number in
// between: one of PlanOptions.Spares, or else the highest that is free and does not
// begin as an emergency number does: 9989 if theirs has four digits. The plan names
// it. If the server refuses it, Apply tries others. If a run ends there, the next
// one goes on from there. A number that is held by something that the state
// leaves alone is a problem that Plan tells.
//
// # Lists
//
// Plan reads each list once and, of the groups and queues whose members the
// state gives or which hang on what it deletes, the members. The API has no pages
// for users and groups: a server that left some of them out and did not say so
// could not be told from one that has no more. Where one gives exactly 10,000, which
// is where the sibling APIs cut, Plan refuses to create any that is not among them.
//
// # Many domains
//
// A plan is of one domain, and domains share nothing but the MAC addresses of
// devices. So many domains are many small jobs: one for each domain, on the
// queue or the workflow engine that you have already. Its input is the domain's
// id and where its state is; what it does is Plan and Apply, with the client of
// its account; it is done when the plan is empty, and is run again when it is
// not. The module github.com/infinitysip/infinitysip/fleet does that on River, with SQLite
// or PostgreSQL. Running a job twice, late, or on two machines does no harm, for the
// reasons above, so at-least-once delivery is enough, and no job needs to know
// of another. Let the engine run one job a domain at a time (ApplyOptions.Alone), give
// each worker the share of the account's rate that is its own (WithRateLimit), and have
// Keep and Settle write to a store that outlives the worker. With ApplyOptions.LimitWait
// a job that the limit refuses ends, and the worker goes on with another. To move a device from one
// domain to another, prune it there first.
package provision
