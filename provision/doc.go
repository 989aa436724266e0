// Package provision brings a domain to a desired state: its users, its groups and their
// members, its queues and the groups that they ring, its trusted networks, its devices
// and their owners.
//
//	desired, err := provision.ReadCSV(file, nil)               // or ReadJSON, or a State
//	err = desired.Check()                                      // every problem at once; nothing is sent
//	changes, err := provision.Plan(ctx, client, domain, desired, nil)
//	fmt.Print(changes)                                         // what would be done, as a diff
//	results, err := changes.Apply(ctx, client, &provision.ApplyOptions{Workers: 16})
//
// # What is left alone
//
// A plan leaves alone what the state does not mention: a section that is nil, a list that
// is nil, a field that is nil or an empty text. A section or a list that is given is
// complete, even an empty one. What it leaves out
//
//   - stays on the server, by default;
//   - is deleted if PlanOptions.Prune is set, and if the plan does not delete more than
//     MaxDeletes or MaxDeleteShare allows.
//
// That holds for users, groups, queues, networks and devices, for users in groups, for
// groups in queues, and for the owner of a device that should have none. A device that
// should have another owner moves without Prune too: that is a change, not a delete.
// PlanOptions.CreateOnly makes what is missing and changes nothing that is there.
//
// With a user or a group, the server also ends what depends on it: memberships, places in
// queues, the owner of a device. The plan names all of it (Change.Takes), and MaxDeletes
// counts it.
//
// # Plans are data
//
// A plan says what each change does, to what, from which value to which, what must be
// done before it, and what a delete takes along. It holds no secret and nothing of the
// process that made it. So you can print it, write it as JSON, read it back, cut it down
// (Only), name it in an approval (Digest), and apply it in another process.
//
// Apply does what was reviewed, or nothing. It first reads what the plan touches. If any
// of that has changed since the plan was made, it ends with ErrStale. It does not lock the
// domain after that.
//
// A plan that was read back does not hold the passwords and PINs that it was made with.
// Give them to Apply: ApplyOptions{Secrets: desired.Secrets()}. Without them Apply refuses
// such a plan before it sends anything.
//
// Changes.Notes say what the plan does not do although the state says it, and what a
// reader may overlook: what stays because nothing is pruned, what looks like a rename,
// what the API cannot change, and which texts the server seems to rewrite. A text that the
// server rewrites comes back as a change in every later plan.
//
// # Names
//
// Names of users, groups and queues are the same if they differ only in case (by
// strings.ToLower), or in how Unicode composes a letter (NFC). That holds in the state and
// on the server. A plan leaves the server's spelling as it is. If the server has two things
// of one name, the state means the one that is spelled as in the state. If neither is, or
// both are, Plan reports a problem. MAC addresses are compared as addresses, networks
// without their host bits, flags as flags. Anything else is compared to the letter.
//
// A field that the server does not show counts as empty. If the state gives it, each plan
// sets it again.
//
// A reference, such as a group's member, means a thing in the state if its section is
// given, and must be there. Otherwise it means a thing on the server.
//
// # Passwords, PINs, tokens
//
// A new user gets the password of the state, or else that of ApplyOptions.Password, or else
// one that GeneratePassword makes up. The PIN comes in the same way, but GeneratePIN
// makes one up only if HotdeskAllowed is true. Both are set when the user is made. The API
// does not show them, so a plan does not set them again, unless PlanOptions.SetSecrets is
// set. A device that gets an owner gets a token, which the API shows once.
//
// All of them come back in the Results, whatever else failed. A program that may itself
// be killed sets ApplyOptions.Keep and ApplyOptions.Settle; KeepCSV has both. Apply calls
// Keep with a password before it makes the user, and Settle when it knows what became of
// the password: confirmed, refused or unknown. A confirmed password is in force.
// PlanOptions.Unsettled takes what an interrupted run left unsettled.
//
// If the answer with a token is lost, or the token could not be kept, the change fails
// with infinitysip.ErrTokenLost; PlanOptions.RotateTokens gets another. Nothing that is
// printed or written shows a secret: no state, plan, result, error or Progress.
//
// # Failures
//
// Apply handles what it can by itself. If the outcome of a change is unknown, Apply looks
// again in the same run, and does what was not done, at most three times. If a limit
// refuses a change, the change waits. If a change fails, only those that need it are not
// done. If the server refuses the credentials, Apply begins nothing more.
//
// For all that is left, plan again, and apply the new plan. It does nothing twice, because
// the server has each name, address, network and extension number once, and because the
// client sends a create a second time only if the server said that it did not take the
// first, or a look showed that the thing is absent. If somebody else was first to create a
// thing (infinitysip.ErrConflict), the new plan finds it there. After a crash the next run
// goes on where the last one ended.
//
// Two machines at once are as safe, with one exception: the API has no key for a group in a
// queue. If two programs add the same group at the same moment, it is there twice. The
// next plan with Prune takes one out.
//
// # Two machines at once
//
// If two programs make the same users at the same time, each user is made once. The
// program that gets the answer has its password confirmed. If the answer is lost, nobody
// knows which password the user has, and the API does not show it. So Apply sets the
// password again. Two programs may both have to do that with the same user, and the API
// gives them no way to agree on an order. So Apply keeps them apart in time: they take
// turns, of 15 seconds or as long as one needs.
//
// That is not a proof. The password that was confirmed last may not be in force if
//
//   - both programs lost the answers to all users that they made, and drew the same turn
//     to a fraction of a second;
//   - one of them is minutes slower than the other;
//   - Settle takes seconds to write;
//   - the server carries out a request long after the client gave it up.
//
// Apply does not keep programs apart that set passwords of users who are there already
// (PlanOptions.SetSecrets, PlanOptions.Unsettled) or give one device another token
// (PlanOptions.RotateTokens, PlanOptions.Unsettled).
//
// To exclude all that, let one program at a time provision a domain. If a lock ensures
// that, set ApplyOptions.Alone: then Apply needs no turns, and waits for seconds instead of
// minutes.
//
// # Extension numbers
//
// If the server has each extension number once, two users cannot swap theirs directly: the
// server refuses whichever comes first. So a change that takes a number waits until its
// holder has given it up. In a circle, one of them gets a free number in between: one of
// PlanOptions.Spares, or else the highest free number of as many digits that is no
// emergency number, such as 9989. The plan names it. If the server refuses it, Apply tries
// others. If a run ends there, the next one goes on from there. If something that the state
// leaves alone holds a number, Plan reports a problem.
//
// # Lists
//
// Plan reads each list once. It also reads the members of the groups and queues whose
// members the state gives, or that lose some by its deletes. The API has no pages for users
// and groups, so Plan cannot see whether the server silently left some out. If a list has
// exactly 10,000 rows, which is where the sibling APIs cut, Plan refuses to create what is
// not among them.
//
// # Many domains
//
// A plan is of one domain. Domains share nothing but the MAC addresses of devices. So many
// domains are many small jobs, one for each domain, on the queue or the workflow engine
// that you have already. The input of a job is the domain's id and where its state is. It
// runs Plan and Apply, with the client of its account. It is done when the plan is empty,
// and runs again when it is not. The module github.com/infinitysip/infinitysip/fleet does
// that on River, with SQLite or PostgreSQL.
//
// A job may run twice, late, or on two machines without harm, for the reasons above. So
// at-least-once delivery is enough, and no job needs to know of another.
//
//   - Let the engine run one job of a domain at a time, and set ApplyOptions.Alone.
//   - Give each worker its own share of the account's rate (infinitysip.WithRateLimit).
//   - Have Keep and Settle write to a store that outlives the worker.
//   - With ApplyOptions.LimitWait, a job that the limit refuses ends, and the worker goes
//     on with another.
//
// To move a device from one domain to another, prune it in the first one before.
package provision
