package provision

import (
	"cmp"
	"time"

	"github.com/infinitysip/infinitysip"
)

// defaultWorkers is how many calls are made at a time when options do not say.
const defaultWorkers = 8

func workers(n int) int { return cmp.Or(max(n, 0), defaultWorkers) }

// PlanOptions say how to plan; nil is the zero value.
type PlanOptions struct {
	// Prune deletes what the state does not name: the things of a section that
	// it gives, and the members of a list that it gives.
	Prune bool

	// MaxDeletes is the most that Prune may delete; 0 allows none, and a
	// negative number is refused. What Changes.Deletes counts is one each: a
	// thing, a user taken out of a group, a device taken from a user, a group
	// taken out of a queue, and each of these that a delete takes along.
	MaxDeletes int

	// MaxDeleteShare is the most that Prune may delete as a share of what is there:
	// 0.02 is a fiftieth. It counts as MaxDeletes does. What is there are the users,
	// groups, queues, networks and devices of the sections that the state gives, the
	// devices that have a user, and the places in groups and queues that Plan reads.
	// Where MaxDeletes is set too, the smaller of both counts. It is from 0 to 1.
	MaxDeleteShare float64

	// CreateOnly changes nothing that is there: users, groups, queues, networks
	// and devices of the state are made if they are missing, with what the state
	// says of them, and left alone if they are there, with their groups, their
	// places in queues and their owners. Prune deletes things all the same, but takes
	// nothing out of what stays.
	CreateOnly bool

	// SetSecrets plans to set the password and the PIN that the state gives
	// of users who exist already. The API does not show them, so such a plan
	// is never empty.
	SetSecrets bool

	// Unsettled are credentials of an earlier run that was cut, so that nobody
	// knows whether they are in force: those of CredentialFile.Unsettled, say. A
	// user of the state who is there gets the password and the PIN again, with
	// CreateOnly too; one who is not there yet is made with them. If the state gives
	// a password or a PIN itself, that is set instead. A device whose user the state
	// names gets another token. Users and devices that the state does not name are left
	// alone.
	//
	// The secrets need not be those of the earlier run: who cannot read what it has kept
	// gives new ones, of GeneratePassword and GeneratePIN.
	Unsettled []Credential

	// RotateTokens names devices of the state, by MAC address, that are to get
	// another token: because theirs was lost, say. Until the device has it, it
	// cannot register. The API has no call for that: the device is taken from
	// its user and given back. So the state must name its owner: otherwise a run that
	// ends in between would lose whose it was.
	RotateTokens []string

	// Spares are extension numbers to use in between, where several things pass
	// theirs on in a circle, such as two users who swap. The default is the
	// highest that is free.
	Spares []string

	// Workers is how many calls to make at a time; default 8.
	Workers int
}

// ApplyOptions say how to apply; nil is the zero value.
type ApplyOptions struct {
	// Workers is how many calls to make at a time; default 8. The client's rate
	// limit holds besides.
	Workers int

	// Progress, if set, is called after each change that was done, failed or is
	// blocked, never two at a time. Nothing new begins meanwhile, so it is to
	// be quick.
	Progress func(Progress)

	// Secrets gives a plan that was read back the passwords and PINs that it was made
	// with: those of its state and of PlanOptions.Unsettled. What State.Secrets
	// returns does so. Without it Apply refuses such a plan before anything is sent.
	Secrets func(user string) (Credential, error)

	// Password, if set, gives the password of a new user, where the state does
	// not. Otherwise GeneratePassword does. It is called by several workers at
	// a time, and so is PIN; an error of theirs fails the change, and the user
	// is not made.
	Password func(user string) (infinitysip.Secret, error)

	// PIN, if set, gives the PIN of a new user, where the state does not; the
	// zero Secret is none. Otherwise GeneratePIN does, for those whose
	// HotdeskAllowed is true.
	PIN func(user string) (infinitysip.Secret, error)

	// Keep, if set, is told a secret before it is used: a password and a PIN
	// before they are set. The server makes a device's token. So Keep is told of the
	// device before it gets one, with no Token in the Credential, and Settle is told
	// the token; if Settle is nil, Keep is told the token as soon as it is there.
	// What Keep has written down survives a crash. After its first
	// error nothing begins that would need it. It is never called two at a time,
	// and never beside Settle.
	Keep func(Credential) error

	// Settle, if set, is told what became of each secret that Keep was told:
	// its State is CredentialConfirmed, CredentialRefused or CredentialUnknown.
	// If Apply is killed, some are never settled. After its first error nothing
	// begins that has a secret, as after one of Keep; the change whose secret it
	// was told is done all the same, and its result and Apply's error hold the error.
	//
	// Several programs may make the same users at once, and tell Settle to write to
	// one place. See "Two machines at once" in the documentation of the package. Apply
	// sets the password of a user whose answer was lost by itself, so a client with
	// RetryPolicy.SettleSecrets does not do it too. If Settle is set, Apply may wait for
	// some minutes before that, to keep apart from another program. With Alone it does not.
	Settle func(Credential) error

	// Alone says that nobody else makes users of the domain or sets their passwords while
	// Apply is under way: a lock sees to that, say. The caller promises it of people, of
	// other programs, and of the requests that a program had sent before it lost the lock.
	// So Apply sets the password of a user whose answer was lost as soon as it sees the user,
	// mostly within seconds, and confirms a password however late the answer comes.
	//
	// What Apply does not see is made again no sooner than without Alone, because lists
	// may lag.
	//
	// If the promise is broken, a password may be confirmed that is not in force: somebody
	// else has set another one meanwhile. Nothing is made twice that would not be without Alone.
	Alone bool

	// LimitWait is the longest refusal by the server's limit, or by a Limiter of the client,
	// for which Apply waits; default 5 minutes. One that does not say how long it holds
	// counts as one minute. A negative LimitWait waits for none.
	//
	// If a refusal is longer, Apply ends at once. Its error matches
	// infinitysip.ErrRateLimited and, for errors.As, the refusal. The change that was refused is
	// StatusFailed, what was in doubt is unknown, and all else is StatusStopped.
	//
	// Before that the client waits by itself, as its RetryPolicy.MaxThrottleWait says.
	LimitWait time.Duration
}

// Progress reports how far Apply has come.
type Progress struct {
	Done, Total int     // changes; those that were stopped are not done
	Change      *Change // the one that has just ended
	Err         error   // of one that was not done
}

// CredentialState is what is known of a secret. The zero value is none of the
// states.
type CredentialState string

// What can be known of a secret.
const (
	CredentialProposed  CredentialState = "proposed"  // it is about to be set
	CredentialConfirmed CredentialState = "confirmed" // it was set: the server said so
	CredentialRefused   CredentialState = "refused"   // it was not set
	CredentialUnknown   CredentialState = "unknown"   // nobody knows whether it was set
)

// Credential is what cannot be read from the API later: the password and
// the PIN of a user, or the token of a user's device.
//
// Of several for one user or device, the last one that is confirmed is in force,
// unless a later one is proposed or unknown, which may be: PlanOptions.Unsettled sets
// that again.
type Credential struct {
	State  CredentialState `json:"state"`
	User   string          `json:"user"`
	Device string          `json:"device,omitzero"` // MAC address; empty for a password

	// In JSON a secret is "[redacted]".
	Password infinitysip.Secret `json:"password,omitzero"`
	PIN      infinitysip.Secret `json:"pin,omitzero"`
	Token    infinitysip.Secret `json:"token,omitzero"`
}

// Status is what came of a change. The zero value is none of the statuses.
type Status string

// What can come of a change.
const (
	StatusDone    Status = "done"
	StatusFailed  Status = "failed"  // Err tells why, and whether it may have taken effect
	StatusBlocked Status = "blocked" // incomplete: something that it needs failed; of users into or out of a group, it was done for those who could be
	StatusStopped Status = "stopped" // incomplete, or not begun: the context ended, the server refused the credentials, a limit let nothing through, or a secret could not be kept
)

// Result is what came of a change.
type Result struct {
	Change *Change // of the plan's Items; a copy, if another extension number was used in between
	Status Status
	Err    error // nil when it is done, unless Settle failed then

	// Password and PIN are those of a user who was made, or may have been, or
	// who got others; Token is that of a device that was given to a user. The API
	// shows none of them again.
	Password, PIN, Token infinitysip.Secret
}
