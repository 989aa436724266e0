package provision

import (
	"cmp"
	"time"

	"github.com/infinitysip/infinitysip"
)

// defaultWorkers is how many calls are made at a time when options do not say.
const defaultWorkers = 8

func workers(n int) int { return cmp.Or(max(n, 0), defaultWorkers) }

// PlanOptions say how to plan. Plan takes nil for the zero value.
type PlanOptions struct {
	// Prune deletes what the state does not name: the things of a section that
	// it gives, and the members of a list that it gives.
	Prune bool

	// MaxDeletes is the most that Prune may delete. 0 allows none, unless
	// MaxDeleteShare is set. A negative number is refused. Each of these counts as one:
	// a user, group, queue, network or device that is deleted, a user taken out of a
	// group, a device taken from a user, a group taken out of a queue, and each of the
	// last three that a delete takes along.
	MaxDeletes int

	// MaxDeleteShare is the most that Prune may delete as a share of what is there, from
	// 0 to 1: 0.02 is 2 %, rounded down to a whole number. It counts as MaxDeletes does.
	// What is there are the users, groups, queues, networks and devices of the sections
	// that the state gives, the devices that have a user, and the places in groups and
	// queues that Plan reads. If MaxDeletes is set too, the smaller of the two applies. 0
	// means MaxDeletes alone.
	MaxDeleteShare float64

	// CreateOnly makes the users, groups, queues, networks and devices of the state that
	// are missing, as the state describes them. It changes nothing that is there: no
	// field, no membership, no place in a queue, no owner. Prune still deletes things, but
	// takes nothing out of what stays.
	CreateOnly bool

	// SetSecrets plans to set the passwords and PINs that the state gives, also of users
	// who exist already. The API does not show them, so such a plan is never empty.
	SetSecrets bool

	// Unsettled are credentials of an earlier run that was interrupted, so that nobody
	// knows whether they are in force. CredentialFile.Unsettled returns them, for example.
	// A user of the state who is there gets the password and the PIN again, with
	// CreateOnly too; one who is not there yet is made with them. If the state gives
	// a password or a PIN itself, that is set instead. A device whose user the state
	// names gets another token. Users and devices that the state does not name are left
	// alone, and Changes.Notes name them.
	//
	// The secrets need not be those of the earlier run. If you cannot read what it has
	// kept, give new ones, from GeneratePassword and GeneratePIN.
	Unsettled []Credential

	// RotateTokens names devices of the state, by MAC address, that should get another
	// token, for example because theirs was lost. Until a device has the new one, it
	// cannot register. The API has no call for that: the device is taken from its user
	// and given back. So the state must name its owner: otherwise nobody would know the
	// owner after a run that ends in between.
	RotateTokens []string

	// Spares are extension numbers to use in between, where several things pass
	// theirs on in a circle, such as two users who swap. By default it is the
	// highest free number of as many digits.
	Spares []string

	// Workers is how many calls to make at a time; default 8.
	Workers int
}

// ApplyOptions say how to apply. Apply takes nil for the zero value.
type ApplyOptions struct {
	// Workers is how many calls to make at a time; default 8. The client's rate
	// limit applies too.
	Workers int

	// Progress, if set, is called after each change that was done, failed or is
	// blocked, never two at a time. Nothing new begins meanwhile, so it must be quick.
	Progress func(Progress)

	// Secrets returns the passwords and PINs that a plan was made with, those of its state
	// and of PlanOptions.Unsettled, for a plan that was read back. Use what State.Secrets
	// returns. Without Secrets, Apply refuses a plan that needs them before it sends
	// anything.
	Secrets func(user string) (Credential, error)

	// Password, if set, returns the password of a new user if the state gives none. By
	// default GeneratePassword does. Several workers call Password and PIN at a time. If
	// one of them returns an error, the change fails, and the user is not made.
	Password func(user string) (infinitysip.Secret, error)

	// PIN, if set, returns the PIN of a new user if the state gives none; the zero Secret
	// means no PIN. By default GeneratePIN does, for those whose HotdeskAllowed is true.
	PIN func(user string) (infinitysip.Secret, error)

	// Keep, if set, writes a secret down, so that it survives a crash. Apply calls it with
	// a password and a PIN before it sets them. The server makes a device's token. So
	// Apply calls Keep before the device gets one, without a Token in the Credential, and
	// Settle with the token. If Settle is nil, Apply calls Keep with the token, as soon as
	// it has it.
	//
	// After the first error of Keep, no change begins that needs it. Only one call of
	// Keep or Settle runs at a time.
	Keep func(Credential) error

	// Settle, if set, writes down what became of each secret that Keep was called with: its
	// State is CredentialConfirmed, CredentialRefused or CredentialUnknown. If Apply is
	// killed, some are never settled. After the first error of Settle, no change begins
	// that has a secret. The change whose secret it could not write is done all the same,
	// and its Result and the error of Apply hold the error.
	//
	// Several programs may make the same users at once, with a Settle that writes to one
	// place: see "Two machines at once" in the package documentation. If the answer to the
	// create of a user is lost, Apply sets the password itself, and the client's
	// RetryPolicy.SettleSecrets has no effect. If Settle is set, Apply may wait for some
	// minutes before that, to keep apart from another program. With Alone it does not.
	Settle func(Credential) error

	// Alone says that nobody else makes users of the domain or sets their passwords while
	// Apply runs, for example because of a lock. The caller promises this for people, for
	// other programs, and for the requests that a program had sent before it lost the
	// lock. So if the answer to a create is lost, Apply sets the password as soon as it
	// sees the user, mostly within seconds. It confirms a password however late the
	// answer comes.
	//
	// If Apply does not see the user, it makes it again no sooner than without Alone,
	// because lists may lag.
	//
	// If the promise is broken, a password may be confirmed that is not in force, because
	// somebody else has set another one meanwhile. Alone makes nothing twice that Apply
	// would not make twice without it.
	Alone bool

	// LimitWait is the longest refusal by the server's limit, or by a Limiter of the client,
	// for which Apply waits; default 5 minutes. One that does not say how long it holds
	// counts as one minute. A negative LimitWait waits for none.
	//
	// If a refusal is longer, Apply ends at once. Its error matches infinitysip.ErrRateLimited
	// and wraps the *infinitysip.Error of the refusal. The change that was refused has
	// StatusFailed. A change in doubt keeps an unknown outcome. All other changes that are
	// not done have StatusStopped.
	//
	// The client itself waits first, for up to its RetryPolicy.MaxThrottleWait.
	LimitWait time.Duration
}

// Progress reports how far Apply has come.
type Progress struct {
	Done, Total int     // numbers of changes: that have ended (done, failed or blocked), and of the plan
	Change      *Change // the one that has just ended
	Err         error   // as in its Result
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
// Of several for one user or device, the last one that is confirmed is in force. But if
// a later one is proposed or unknown, that one may be in force instead:
// PlanOptions.Unsettled sets it again.
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
	StatusBlocked Status = "blocked" // incomplete: something that it needs failed; a change of a group's users was done for the others
	StatusStopped Status = "stopped" // incomplete, or not begun: the context ended, the server refused the credentials, a limit let nothing through, or a secret could not be kept
)

// Result is what came of a change.
type Result struct {
	Change *Change // of the plan's Items; a copy, if another extension number was used in between
	Status Status
	Err    error // nil if the change is done, unless Settle failed for it

	// Password and PIN are those of a user who was made, or may have been, or whose
	// secrets were set. Token is that of a device that was given to a user. The API shows
	// none of them again.
	Password, PIN, Token infinitysip.Secret
}
