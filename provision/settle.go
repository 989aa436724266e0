package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/attempt"
)

// gatherSecrets asks for the secrets that the changes name and the plan does not
// have, because it was read back.
func (x *execution) gatherSecrets() error {
	x.secrets = map[string]userSecrets{}
	var (
		lacking []string
		failed  error
	)
	for i := range x.plan.Items {
		c := &x.plan.Items[i]
		if len(c.Secrets) == 0 || x.secretsOf(c).have(c.Secrets) {
			continue
		}
		var given Credential
		if x.opts.Secrets != nil {
			var err error
			if given, err = x.opts.Secrets(c.Name); err != nil && failed == nil {
				failed = err
			}
		}
		if s := (userSecrets{given.Password, given.PIN}); s.have(c.Secrets) {
			x.secrets[c.Name] = s
		} else {
			lacking = append(lacking, "user "+printable(c.Name))
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	text := fmt.Sprintf("the plan sets passwords or PINs of %s that it does not hold, because a saved plan holds no secret: apply it together with the state that it was made from, and with what earlier runs left unsettled; nothing was changed: %s", count(len(lacking), "user"), enumerate(lacking, ", "))
	if failed != nil {
		return invalid("%s: %w", text, failed)
	}
	return invalid("%s", text)
}

// have reports whether none of the secrets of those names is missing.
func (s userSecrets) have(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return name == "password" && s.password.IsZero() || name == "pin" && s.pin.IsZero()
	})
}

// secretsOf are the secrets that a change names.
func (x *execution) secretsOf(c *Change) (s userSecrets) {
	from, ok := x.secrets[c.Name]
	for _, name := range []string{c.Name, fold(c.Name)} {
		if !ok {
			from, ok = x.plan.secrets[name]
		}
	}
	if slices.Contains(c.Secrets, "password") {
		s.password = from.password
	}
	if slices.Contains(c.Secrets, "pin") {
		s.pin = from.pin
	}
	return s
}

// createUser makes a user.
func (x *execution) createUser(i int, c *Change) (infinitysip.UserID, error) {
	params := infinitysip.UserCreateParams{User: c.Name}
	if err := fillFields(&params, c.Fields); err != nil {
		return 0, err
	}
	r := &x.results[i]
	if !x.has(i, markTold) {
		if err := x.newSecrets(c, &params); err != nil {
			return 0, err
		}
		r.Password, r.PIN = params.Password, params.PIN
		if err := x.keep(i); err != nil {
			return 0, fmt.Errorf("the password could not be kept, so the user was not made: %w", err)
		}
	}
	params.Password, params.PIN = r.Password, r.PIN
	var id infinitysip.UserID
	since, err := x.timed(x.ctx, func(ctx context.Context) (err error) {
		id, err = x.client.Users.Create(ctx, x.domain, params)
		return err
	})
	if err != nil && outcome(err) != infinitysip.OutcomeApplied {
		return 0, err
	}
	if id != 0 {
		x.marks[i] |= markMade
	}
	x.keeping.Lock()
	defer x.keeping.Unlock()
	if x.opts.Settle == nil || x.opts.Alone || time.Since(since) < freshMade {
		return id, cmp.Or(err, x.tellSettle(i, CredentialConfirmed)) // perhaps its id alone is not known
	}
	return id, cmp.Or(err, errLateAnswer)
}

// errLateAnswer is why a user who was made is in doubt all the same.
var errLateAnswer = fmt.Errorf("the user was made, but the answer was late, so another program may have set another password meanwhile: %w", infinitysip.ErrOutcomeUnknown)

// timed makes a call that sets a password, and tells since when it may be in force:
// since the call was sent the last time.
func (x *execution) timed(ctx context.Context, call func(context.Context) error) (since time.Time, err error) {
	follower, began := new(attempt.Follower), time.Now()
	err = call(follower.Context(ctx))
	if err == nil {
		x.spent.Add(int64(time.Since(began))) // with what was tried before: a turn needs the time for that too
		x.calls.Add(1)
	}
	return follower.Sent, err
}

// newSecrets makes up the secrets of a new user, as far as the state gave none.
func (x *execution) newSecrets(c *Change, params *infinitysip.UserCreateParams) (err error) {
	given := x.secretsOf(c)
	params.Password, params.PIN = given.password, given.pin
	if params.Password.IsZero() {
		params.Password = GeneratePassword()
		if x.opts.Password != nil {
			if params.Password, err = x.opts.Password(c.Name); err != nil {
				return fmt.Errorf("no password: %w", err)
			}
		}
	}
	switch {
	case !params.PIN.IsZero():
	case x.opts.PIN != nil:
		if params.PIN, err = x.opts.PIN(c.Name); err != nil {
			return fmt.Errorf("no PIN: %w", err)
		}
	case params.HotdeskAllowed != nil && *params.HotdeskAllowed:
		params.PIN = GeneratePIN()
	}
	return nil
}

// updateUser changes a user.
func (x *execution) updateUser(i int, c *Change) error {
	var params infinitysip.UserUpdateParams
	if err := fillFields(&params, c.Fields); err != nil {
		return err
	}
	if len(c.Secrets) > 0 {
		r := &x.results[i]
		given := x.secretsOf(c)
		if r.Password, r.PIN = given.password, given.pin; !r.Password.IsZero() {
			params.Password = &r.Password
		}
		if !r.PIN.IsZero() {
			params.PIN = &r.PIN
		}
		if !x.has(i, markTold) {
			if err := x.keep(i); err != nil {
				return fmt.Errorf("the password could not be kept, so it was not set: %w", err)
			}
		}
	}
	return x.client.Users.Update(x.ctx, x.domain, infinitysip.UserID(c.ID), params)
}

// settleFound makes sure that a user whose making is in doubt has the password that was
// kept. Somebody else may have made that user in the same moment, or set the password
// since. There is no way to see which it has, so it is set.
//
// Two programs may do so with the same user. The password in force is the one that
// was set last, so both must tell Settle in the order in which the server did it. The
// API has nothing by which they could agree on that. So they keep apart in time. This
// is the whole rule:
//
//   - Who made a user says so within freshMade of sending the create, or not at all:
//     a later answer leaves the user in doubt, as a lost one does.
//   - Nobody sets the password of a user before it was there for roundWait: it must be
//     in a list that was read before the wait. Else it waits for another round.
//   - Then they take turns, if a password is to be set. The turn of a program is the place,
//     among all new users by id, of the first one that it made for certain. No two made
//     the same user, so no two have the same turn. A program that has no such user, or
//     none among the first, takes turns by chance.
//   - A turn is long enough to set all that is in doubt, twice over. When three quarters
//     of it are over nothing is set any more: the rest waits for another round.
//   - Settle is told right after the answer. If that took longer than freshSet, and longer
//     than usual, another's may have come in between, and the password is set again.
//   - What is in doubt after the last round is unknown.
//
// Who is alone needs none of that: it sets the password as soon as the user is there.
//
// So two of them confirm in the wrong order only if both got turns by chance, and the same
// ones to less than a second; or if the waits of one began so much later, or a request
// was carried out so much later than it was sent, that their turns meet.
func (x *execution) settleFound(i int, c *Change, id int64) error {
	if c.Kind != KindUser || x.has(i, markSettled) {
		return nil
	}
	r := &x.results[i]
	if !x.opts.Alone && !x.before[id] {
		return x.doubts[i]
	}
	params := infinitysip.UserUpdateParams{Password: &r.Password}
	if !r.PIN.IsZero() {
		params.PIN = &r.PIN
	}
	ctx := x.ctx
	if !x.opts.Alone {
		x.setting.Lock()
		defer x.setting.Unlock()
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(x.ctx, x.turnEnd)
		defer cancel()
	}
	for range 3 {
		since, err := x.timed(ctx, func(ctx context.Context) error {
			return x.client.Users.Update(ctx, x.domain, infinitysip.UserID(id), params)
		})
		switch {
		case err != nil && ctx.Err() != nil && x.ctx.Err() == nil:
			return x.doubts[i]
		case err != nil:
			return fmt.Errorf("%w; setting the password of the user who was found failed: %w", x.doubts[i], err)
		}
		if told, err := x.confirm(i, since); told {
			return err
		}
	}
	return x.doubts[i]
}

// confirm tells Settle that a password is in force, unless it was set so long ago that
// another may be by now. Others may hold up Settle, so the time is looked at when it
// is this one's turn.
func (x *execution) confirm(i int, since time.Time) (told bool, err error) {
	x.keeping.Lock()
	defer x.keeping.Unlock()
	if x.opts.Settle != nil && !x.opts.Alone && time.Since(since) >= max(freshSet, 2*x.pace()) {
		return false, nil
	}
	return true, x.tellSettle(i, CredentialConfirmed)
}

// pace is how long a call that sets a password takes, with what it takes to tell Settle.
func (x *execution) pace() time.Duration {
	return time.Duration(x.spent.Load() / max(x.calls.Load(), 1))
}

// turn tells how long others may take who go first with the users whose making is in
// doubt, and how long it is the turn of this program then. See settleFound.
func (x *execution) turn(doubts []int) (before, long time.Duration) {
	names := map[string]bool{}
	for _, i := range doubts {
		if c := x.results[i].Change; c.makesUser() {
			names[fold(c.Name)] = true
		}
	}
	if len(names) == 0 {
		return 0, 0
	}
	began := time.Now()
	rows, err := x.client.Users.List(x.ctx, x.domain)
	if err != nil {
		return 0, 0 // no password is set in the next round
	}
	x.spent.Add(int64(time.Since(began)))
	x.calls.Add(1)
	mine := map[infinitysip.UserID]bool{}
	for i := range x.results {
		if x.has(i, markMade) {
			mine[infinitysip.UserID(x.made[i])] = true
		}
	}
	sortBy(rows, func(row infinitysip.User) infinitysip.UserID { return row.ID })
	x.before = map[int64]bool{}
	place, known, found := 0, false, 0
	for i := range rows {
		id := int64(rows[i].ID)
		x.before[id] = true
		if names[fold(rows[i].User)] {
			found++
		}
		if known || place == maxTurns || x.shelves[KindUser].byID[id] != nil {
			continue
		}
		if known = mine[rows[i].ID]; !known {
			place++
		}
	}
	long = max(turnWait, 2*x.pace()*time.Duration(found))
	switch {
	case x.opts.Settle == nil, found == 0: // nothing is confirmed, or there is nobody whose password is set
		return 0, long
	case known:
		return long * time.Duration(place), long
	}
	return long*time.Duration(place) + rand.N(anyTurn*long), long //nolint:gosec // it need not be unpredictable
}

// announce tells Keep, before a device gets a token, that it is about to. If the
// process is killed before the token is written down, a later run finds that there.
// Without Settle nobody would tell what became of it.
func (x *execution) announce(i int) error {
	if x.opts.Settle == nil || x.has(i, markTold) {
		return nil
	}
	if err := x.keep(i); err != nil {
		return fmt.Errorf("nothing could be kept, so the device did not get its token: %w", err)
	}
	return nil
}

// keepToken keeps a device's token.
func (x *execution) keepToken(i int, token infinitysip.Secret) error {
	x.results[i].Token = token
	var err error
	if x.opts.Settle != nil {
		x.settleAs(i, CredentialConfirmed, &err)
	} else {
		err = x.keep(i)
	}
	if err != nil {
		return fmt.Errorf("%w: it could not be kept: %w", infinitysip.ErrTokenLost, err)
	}
	return nil
}

// credential is what Keep and Settle are told of a change.
func (x *execution) credential(i int, state CredentialState) Credential {
	r := &x.results[i]
	c := Credential{State: state, User: r.Change.Name, Password: r.Password, PIN: r.PIN}
	if r.Change.Kind == KindOwner {
		c.User, c.Device, c.Token = r.Change.To.Name, r.Change.Name, r.Token
	}
	return c
}

// keep tells Keep the secrets of a change. After its first error it is told nothing
// more, but of tokens that are there.
func (x *execution) keep(i int) error {
	x.setting.Lock()
	defer x.setting.Unlock()
	x.keeping.Lock()
	defer x.keeping.Unlock()
	if x.results[i].Token.IsZero() {
		// While it waited, the context may have ended, or another may have failed.
		if err := x.stop(x.results[i].Change, false); err != nil {
			x.results[i].Password, x.results[i].PIN = infinitysip.Secret{}, infinitysip.Secret{}
			return err
		}
	}
	x.marks[i] |= markTold
	if x.opts.Keep == nil {
		return nil
	}
	err := x.opts.Keep(x.credential(i, CredentialProposed))
	x.noteUnkept(err)
	return err
}

func (x *execution) noteUnkept(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.unkept == nil {
		x.unkept = err
	}
}

// settle tells Settle what became of the secrets of a change that is over.
func (x *execution) settle(i int, err *error) {
	switch {
	case !x.has(i, markTold) || x.has(i, markSettled):
	case *err == nil || !x.results[i].Token.IsZero():
		x.settleAs(i, CredentialConfirmed, err)
	case x.has(i, markDoubt), errors.Is(*err, infinitysip.ErrTokenLost):
		x.settleAs(i, CredentialUnknown, err)
	default:
		x.settleAs(i, CredentialRefused, err)
		x.results[i].Password, x.results[i].PIN = infinitysip.Secret{}, infinitysip.Secret{}
	}
}

// settleAs tells Settle. Its error is that of the change, if that has none: the change
// was done all the same.
func (x *execution) settleAs(i int, state CredentialState, err *error) {
	x.keeping.Lock()
	defer x.keeping.Unlock()
	if failed := x.tellSettle(i, state); failed != nil && err != nil && *err == nil {
		*err = failed
	}
}

// tellSettle is settleAs for those who hold keeping.
func (x *execution) tellSettle(i int, state CredentialState) error {
	x.marks[i] |= markSettled
	if x.opts.Settle == nil {
		return nil
	}
	began := time.Now()
	err := x.opts.Settle(x.credential(i, state))
	x.spent.Add(int64(time.Since(began)))
	if err != nil {
		err = settleError{fmt.Errorf("it was done, but that its secret is in force could not be written down: %w", err)}
		x.noteUnkept(err)
	}
	return err
}

// settleError is an error of Settle.
type settleError struct{ error }

func (e settleError) Unwrap() error { return e.error }

// find finds a thing whose making is in doubt. The id is 0 if it is not there, for
// certain; then it can be made again.
func (x *execution) find(i int, c *Change) (int64, error) {
	if x.seen == nil {
		return 0, x.doubts[i]
	}
	s := x.among[c.Kind]
	t, several := s.find(c.Name)
	switch {
	case several != "":
		return 0, decidedError{fmt.Errorf("%s: %w: %w", several, infinitysip.ErrConflict, x.doubts[i])}
	case t == nil && (!s.whole || x.rewritten(c, s)):
		return 0, x.doubts[i]
	case t == nil:
		return 0, nil
	}
	for f := range c.Fields {
		if now := s.value(t, c.Fields[f].Field); now != nil && !same(now, c.Fields[f].To) {
			return 0, decidedError{fmt.Errorf("%s is there with another %s, perhaps made by somebody else: %w: %w", t, c.Fields[f].Field, infinitysip.ErrConflict, x.doubts[i])}
		}
	}
	return t.id, nil
}

// rewritten reports whether a thing may be there under another name, as the server
// writes it: something new has its extension number, or a device without a readable
// address its name.
func (x *execution) rewritten(c *Change, s *shelf) bool {
	number := c.takesNumber()
	for id, t := range s.byID {
		if x.shelves[c.Kind].byID[id] == nil && (number != "" && t.extension == number || s.key(t.name) == "") {
			return true
		}
	}
	return false
}

// lookAgain reads what the changes that are in doubt touch.
func (x *execution) lookAgain(doubts []int) {
	w := wanted{}
	all := members{map[infinitysip.GroupID]bool{}, map[infinitysip.UserID]bool{}, map[infinitysip.QueueID]bool{}}
	for _, i := range doubts {
		c := x.results[i].Change
		switch {
		case c.Kind == KindOwner:
			w.devices, w.users = true, true // by whose names rows may say whose they are
		case c.Kind == KindGroupMembers:
			w.users, w.groups = true, true
			all.groups[infinitysip.GroupID(x.id(&c.Ref))] = true
		case c.Op != OpCreate:
		case c.Kind.isThing():
			w.list(c.Kind)
		case c.Kind == KindQueueMember:
			w.queues = true
			all.queues[infinitysip.QueueID(x.id(&c.Ref))] = true
		}
	}
	w.lists = func(*snapshot) members { return all }
	seen, err := look(x.ctx, x.client, x.domain, workers(x.opts.Workers), w)
	wait, limited := limitOf(err)
	switch {
	case err == nil:
		x.seen, x.among = seen, shelves(seen)
	case errors.Is(err, infinitysip.ErrUnauthorized):
		x.refused = fmt.Errorf("the server refused the credentials: %w", infinitysip.ErrUnauthorized)
	case limited && wait > x.longestLimit():
		x.closing = tooLong(err)
	}
}
