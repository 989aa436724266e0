package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/infinitysip/infinitysip"
)

// ApplyOptions say how to apply; nil is the zero value.
type ApplyOptions struct {
	// Workers is how many calls to make at a time; default 8. The client's rate
	// limit holds besides.
	Workers int

	// Progress, if set, is called after each change that was done, failed or is
	// blocked, never two at a time. Nothing new begins meanwhile, so it is to
	// be quick.
	Progress func(Progress)

	// Password, if set, gives the password of a new user, where the state does
	// not. Otherwise GeneratePassword does. It is called by several workers at
	// a time, and so is PIN; an error of theirs fails the change, and the user
	// is not made.
	Password func(user string) (infinitysip.Secret, error)

	// PIN, if set, gives the PIN of a new user, where the state does not; the
	// zero Secret is none. Otherwise GeneratePIN does, for those whose
	// HotdeskAllowed is true.
	PIN func(user string) (infinitysip.Secret, error)

	// Keep, if set, is called with what cannot be read later: a new user's
	// password and PIN before the user is made, and a device's token as soon
	// as it is there. What it has written down survives a crash. Its error
	// fails the change; a user is then not made. It is never called two at a
	// time.
	Keep func(Credential) error
}

// Progress is how far an Apply is.
type Progress struct {
	Done, Total int    // changes
	Change      Change // the one that has just been done
	Err         error  // of one that was not
}

// Credential is what cannot be read from the API later: the password and
// the PIN of a user, or the token of a user's device.
//
// Of several for one user or device the last one counts. But where a user's
// change then fails with infinitysip.ErrConflict, the user has those of an
// earlier run, or of another machine. PlanOptions.SetSecrets sets others. If two
// programs make the same user at once, and the answer to one is lost, the last to
// set them is right.
type Credential struct {
	User   string
	Device string // MAC address; empty for a password

	Password, PIN, Token infinitysip.Secret
}

// Status is what came of a change. The zero value is none of the statuses.
type Status string

// The statuses.
const (
	StatusDone    Status = "done"
	StatusFailed  Status = "failed"  // Err tells why, and whether it may have taken effect
	StatusBlocked Status = "blocked" // incomplete: something that it needs failed; of users into or out of a group, it was done for those who could be
	StatusStopped Status = "stopped" // incomplete, or not begun: the context ended, or the server refused the credentials
)

// Result is what came of a change.
type Result struct {
	Change Change
	Status Status
	Err    error // nil when it is done

	// Password and PIN are those of a user who was made, or may have been;
	// Token is that of a device that was given to a user. The API shows none
	// of them again.
	Password, PIN, Token infinitysip.Secret
}

// MarshalJSON writes the result with the error as text, and no secret.
func (r Result) MarshalJSON() ([]byte, error) {
	text := ""
	if r.Err != nil {
		text = r.Err.Error()
	}
	return json.Marshal(struct {
		Change
		Status Status `json:"status"`
		Error  string `json:"error,omitzero"`
	}{r.Change, r.Status, text})
}

// Apply carries out the plan. It looks at the domain first: if the plan would
// be another by now, the error is ErrStale, and nothing was changed.
//
// A change that fails holds up those alone that need it. What takes something
// away needs what gives another: a queue loses no member before all its new ones
// are there, a user no group before being in those to go to, and a device no user
// before the next one is made. Only what hangs on a user or a group that is
// deleted does not wait.
//
// The results are those of all changes, in the order of Items, whatever failed,
// and hold every secret that came up; the error joins those of the changes that
// failed. When the context ends no change is begun any more, and the error is
// its error too. So it is when the server refuses the credentials
// (infinitysip.ErrUnauthorized), which the error says once, however many calls
// were under way. The client can go on as soon as they are accepted again.
//
// After an error, plan again and apply that: what is done is not done twice,
// and what was left in doubt is seen then. See the package's documentation.
func (c *Changes) Apply(ctx context.Context, client *infinitysip.Client, opts *ApplyOptions) ([]Result, error) {
	if c == nil || c.desired == nil {
		return nil, fmt.Errorf("provision: %w: these changes are not from Plan", infinitysip.ErrInvalid)
	}
	if err := c.tooManyDeletes(); err != nil {
		return nil, err
	}
	work, _, err := c.toDo(ctx, client)
	if _, invalid := errors.AsType[*CheckError](err); invalid {
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	} else if err != nil {
		return nil, err
	}
	if !c.same(work) {
		return nil, ErrStale
	}
	x := &execution{ctx: ctx, client: client, domain: c.domain}
	if opts != nil {
		x.opts = *opts
	}
	results := make([]Result, len(work))
	for i, change := range work {
		results[i].Change = c.Items[i]
		change.Change, change.result = &results[i].Change, &results[i]
	}
	x.run(work)
	var errs []error
	told := false
	for _, r := range results {
		if r.Status != StatusFailed {
			continue
		}
		if errors.Is(r.Err, infinitysip.ErrUnauthorized) && !errors.Is(r.Err, infinitysip.ErrOutcomeUnknown) {
			if told {
				continue
			}
			told = true
		}
		errs = append(errs, fmt.Errorf("%s: %w", r.Change, r.Err))
	}
	return results, errors.Join(append(errs, ctx.Err())...)
}

// step is one call, or a few that belong together.
type step struct {
	of *change
	do func(*execution) error

	needed  []*step // that must have succeeded
	waiting int     // steps that are to be over before
	next    []*step // that wait for this one
	err     error   // once it is over
}

// step adds a step to a change.
func (c *change) step(do func(*execution) error) *step {
	s := &step{of: c, do: do}
	c.steps++
	c.all = append(c.all, s)
	return s
}

// needs has a step wait for the success of others; nil ones are none.
func (s *step) needs(others ...*step) {
	for _, other := range others {
		if other != nil {
			s.needed = append(s.needed, other)
			s.follows(other)
		}
	}
}

// follows has a step wait until others are over; nil ones are none.
func (s *step) follows(others ...*step) {
	for _, other := range others {
		if other != nil {
			s.waiting++
			other.next = append(other.next, s)
		}
	}
}

// execution is an Apply under way.
type execution struct {
	ctx    context.Context
	client *infinitysip.Client
	domain infinitysip.DomainID
	opts   ApplyOptions

	keeping sync.Mutex

	mu    sync.Mutex // of what follows, and of the steps
	done  int
	total int
	left  int // steps
	ready chan *step

	refused bool // the server did not accept the credentials
}

// run does all steps, at most as many at a time as there are workers, each
// after those that it waits for.
func (x *execution) run(changes []*change) {
	var steps []*step
	for _, c := range changes {
		steps = append(steps, c.all...)
	}
	if len(steps) == 0 {
		return
	}
	x.total, x.left, x.ready = len(changes), len(steps), make(chan *step, len(steps))
	for _, s := range steps {
		if s.waiting == 0 {
			x.ready <- s
		}
	}
	var group sync.WaitGroup
	for range min(workers(x.opts.Workers), len(steps)) {
		group.Go(func() {
			for s := range x.ready {
				x.finish(s, x.try(s))
			}
		})
	}
	group.Wait()
}

// try does a step, unless it cannot be.
func (x *execution) try(s *step) error {
	for _, other := range s.needed {
		// What a step needs is over, so nobody writes this any more. Where it was
		// stopped, so is this one.
		if other.err != nil && !stopped(other.err) {
			return fmt.Errorf("%w: it needs what failed: %s", ErrBlocked, other.of.Change)
		}
	}
	if err := x.ctx.Err(); err != nil {
		return stoppedError{err}
	}
	x.mu.Lock()
	refused := x.refused
	x.mu.Unlock()
	if refused {
		return stoppedError{fmt.Errorf("the server refused the credentials: %w", infinitysip.ErrUnauthorized)}
	}
	return s.do(x)
}

// stoppedError is why nothing is begun any more.
type stoppedError struct{ error }

func (e stoppedError) Unwrap() error { return e.error }

func stopped(err error) bool {
	_, ok := errors.AsType[stoppedError](err)
	return ok
}

// finish notes how a step went, and lets go those that waited for it.
func (x *execution) finish(s *step, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s.err = err
	x.refused = x.refused || errors.Is(err, infinitysip.ErrUnauthorized)
	c := s.of
	if err != nil && c.result.Err == nil {
		c.result.Err = err
		switch {
		case stopped(err):
			c.result.Status = StatusStopped
		case errors.Is(err, ErrBlocked):
			c.result.Status = StatusBlocked
		default:
			c.result.Status = StatusFailed
		}
	}
	if c.steps--; c.steps == 0 {
		if c.result.Err == nil {
			c.result.Status = StatusDone
		}
		x.done++
		if x.opts.Progress != nil && c.result.Status != StatusStopped {
			x.opts.Progress(Progress{Done: x.done, Total: x.total, Change: *c.Change, Err: c.result.Err})
		}
	}
	for _, next := range s.next {
		if next.waiting--; next.waiting == 0 {
			x.ready <- next
		}
	}
	if x.left--; x.left == 0 {
		close(x.ready)
	}
}

// keep hands over a credential.
func (x *execution) keep(c Credential) error {
	if x.opts.Keep == nil {
		return nil
	}
	x.keeping.Lock()
	defer x.keeping.Unlock()
	return x.opts.Keep(c)
}

// secretsOfUser makes up the password and the PIN of a new user, as far as the
// state does not say, and keeps them.
func (x *execution) secretsOfUser(params *infinitysip.UserCreateParams, result *Result) (err error) {
	if params.Password.IsZero() {
		if params.Password, err = x.password(params.User); err != nil {
			return fmt.Errorf("no password: %w", err)
		}
	}
	if params.PIN.IsZero() {
		if params.PIN, err = x.pin(params); err != nil {
			return fmt.Errorf("no PIN: %w", err)
		}
	}
	if err := x.keep(Credential{User: params.User, Password: params.Password, PIN: params.PIN}); err != nil {
		return fmt.Errorf("the password could not be kept: %w", err)
	}
	result.Password, result.PIN = params.Password, params.PIN
	return nil
}

// createUser makes a user. If the answer is lost and the user is there, the client
// does not know who made it. It was not there when Apply began, so it is this one,
// unless somebody else made it since then. Setting its secrets makes it this one.
func createUser(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, params infinitysip.UserCreateParams) (infinitysip.UserID, error) {
	id, err := client.Users.Create(ctx, domain, params)
	failed, ok := errors.AsType[*infinitysip.Error](err)
	// The cause alone tells that the user is there with other values: the status is
	// also 409 if the first of two requests has made the user.
	if !ok || failed.Outcome != infinitysip.OutcomeUnknown || errors.Is(failed.Err, infinitysip.ErrConflict) || len(failed.Found) != 1 {
		return id, err
	}
	id = infinitysip.UserID(failed.Found[0])
	secrets := infinitysip.UserUpdateParams{Password: &params.Password}
	if !params.PIN.IsZero() {
		secrets.PIN = &params.PIN
	}
	if again := client.Users.Update(ctx, domain, id, secrets); again != nil {
		return 0, fmt.Errorf("%w; setting its password failed: %w", err, again)
	}
	return id, nil
}

func (x *execution) password(user string) (infinitysip.Secret, error) {
	if x.opts.Password != nil {
		return x.opts.Password(user)
	}
	return GeneratePassword(), nil
}

func (x *execution) pin(user *infinitysip.UserCreateParams) (infinitysip.Secret, error) {
	switch {
	case x.opts.PIN != nil:
		return x.opts.PIN(user.User)
	case user.HotdeskAllowed != nil && *user.HotdeskAllowed:
		return GeneratePIN(), nil
	}
	return infinitysip.Secret{}, nil
}

// addUsers puts those users into a group who could be made, and reports whether
// it did.
func (x *execution) addUsers(group *thing, users []*thing) (added bool, err error) {
	there, missing := split(users, func(user *thing) bool { return user.id != 0 })
	if len(there) > 0 {
		if err := x.client.Groups.AddUsers(x.ctx, x.domain, infinitysip.GroupID(group.id), idsOf[infinitysip.UserID](there)); err != nil {
			return false, err
		}
	}
	if len(missing) > 0 {
		return true, fmt.Errorf("%w for %d of %d: there is no %s", ErrBlocked, len(missing), len(users), missing[0])
	}
	return true, nil
}

// removeUsers takes those users out of a group who are in those to go to.
func (x *execution) removeUsers(group *thing, users []*thing, joins map[*thing][]*membership) error {
	leaving, staying := split(users, func(user *thing) bool {
		return !slices.ContainsFunc(joins[user], func(to *membership) bool { return !to.added })
	})
	if len(leaving) > 0 {
		if err := x.client.Groups.RemoveUsers(x.ctx, x.domain, infinitysip.GroupID(group.id), idsOf[infinitysip.UserID](leaving)); err != nil {
			return err
		}
	}
	if len(staying) > 0 {
		return fmt.Errorf("%w for %d of %d: %s is not yet in the group to go to", ErrBlocked, len(staying), len(users), staying[0])
	}
	return nil
}

// split parts things into those that are so and those that are not.
func split(all []*thing, so func(*thing) bool) (yes, no []*thing) {
	for _, t := range all {
		if so(t) {
			yes = append(yes, t)
		} else {
			no = append(no, t)
		}
	}
	return yes, no
}

func (x *execution) addDevice(user, device *thing, result *Result) error {
	added, err := x.client.Users.AddDevice(x.ctx, x.domain, infinitysip.UserID(user.id), infinitysip.DeviceID(device.id))
	if err != nil {
		return err
	}
	return x.keepToken(user.name, device, added.Token, result)
}

func (x *execution) rotateToken(user infinitysip.UserID, name string, device *thing, result *Result) error {
	added, err := x.client.Users.RotateDeviceToken(x.ctx, x.domain, user, infinitysip.DeviceID(device.id))
	if err != nil {
		return err
	}
	return x.keepToken(name, device, added.Token, result)
}

func (x *execution) keepToken(user string, device *thing, token infinitysip.Secret, result *Result) error {
	result.Token = token
	if err := x.keep(Credential{User: user, Device: device.shown(), Token: token}); err != nil {
		return fmt.Errorf("the token could not be kept: %w", err)
	}
	return nil
}

// release takes a device from a user, who may have lost it by now.
func (x *execution) release(user infinitysip.UserID, device *thing) error {
	err := x.client.Users.RemoveDevice(x.ctx, x.domain, user, infinitysip.DeviceID(device.id))
	if errors.Is(err, infinitysip.ErrNotFound) {
		return nil
	}
	return err
}
