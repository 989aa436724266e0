package infinitysip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/form"
	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/retry"
	"github.com/infinitysip/infinitysip/internal/rows"
	"github.com/infinitysip/infinitysip/internal/verify"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// A thing is created once. If the answer to a create is lost, or does not say the
// id, the client looks for the thing by its natural key. It sends the create again
// only if it looked and the thing is not there.

// write is a create or an add of members: a call that must not be repeated blindly.
type write interface {
	// decode reads the answer of a success.
	decode(*http.Response) error

	// look finds out what a failed attempt did, and tells whether to send the call
	// again.
	look(ctx context.Context, failed *Error) (again bool, err error)
}

// sendUntilSettled sends a write, and sends it again as long as look says so.
func (c *caller) sendUntilSettled(ctx context.Context, call *call, w write) error {
	for {
		call.began = time.Now()
		err := c.do(ctx, call, w.decode)
		failed, ok := errors.AsType[*Error](err)
		if !ok {
			return err
		}
		if again, err := w.look(ctx, failed); !again {
			return err
		}
	}
}

// naturalKey tells how to find a row that was created.
type naturalKey struct {
	op      string // the call that lists the rows: "Users.List"
	list    route  // their path; zero: the path of the create
	name    string // the member that identifies a row
	address bool   // its value is a MAC address or a network
	number  string // another member that no two rows should share, or ""
	shared  bool   // several rows may have the same key, so those from before count
	update  string // the call that sets the secrets of a row: "Users.Update", or ""
}

// listOr returns the path of the list, or that of the create.
func (key naturalKey) listOr(r route) route {
	if key.list.path != "" {
		return key.list
	}
	return r
}

func (key naturalKey) forVerify() verify.Key {
	k := verify.Key{Name: key.name, Number: key.number, Same: wire.SameValue}
	if key.address {
		k.Address = wire.SameAddress
	}
	if key.address && key.number == "" {
		k.Near = wire.NearNetwork // no name tells then
	}
	return k
}

// create creates a thing and returns its id.
func create[I ID, R any](ctx context.Context, c *caller, op string, r route, params any, key naturalKey, with []CallOption) (made I, err error) {
	ctx, seen := c.observe(ctx, op, http.MethodPost, r)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	kind := retry.Create
	if key.shared {
		kind = retry.Append
	}
	call := newCall(op, kind, http.MethodPost, r, params, with)
	ids := rows.LayoutOf[R](rowFormat).IDNames()
	creation := &creation[verify.Row]{
		caller: c, call: call, key: key, search: verify.Search{Look: inList(c, key, key.listOr(r), ids, call), Where: key.op, Conflict: ErrConflict},
		id: func(row *verify.Row) int64 { return row.ID(ids) },
	}
	match := key.forVerify()
	creation.fits = func(row *verify.Row, created bool) bool {
		return call.fits(match, *row) && (created || creation.isNew(*row, ids))
	}
	if call.checkLength(); key.shared && c != nil && len(call.problems) == 0 {
		creation.search.Before(ctx)
	}
	if err := c.sendUntilSettled(ctx, call, creation); err != nil || creation.made != 0 {
		return I(creation.made), err
	}
	creation.search.Sent(call.began, nil)
	if verdict, id := creation.search.Run(attempt.NewContext(ctx, call), true, c.policy.VerifyWaits); verdict == verify.Present && id != 0 {
		return I(id), nil
	}
	failed := call.applied(join(errors.New("created, but its id is not known"), creation.search.Err()))
	failed.Found = creation.search.Found
	return 0, failed
}

// associate creates a thing and returns the row of the answer, which the server
// gives only once. lookOp reads the thing at lookAt. If good reports false, the row
// counts as lost.
func associate[R, Look any](ctx context.Context, c *caller, op string, r route, params any, lookOp string, lookAt route, good func(*R) bool, with []CallOption) (row *R, err error) {
	ctx, seen := c.observe(ctx, op, http.MethodPost, r)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	call := newCall(op, retry.Create, http.MethodPost, r, params, with)
	layout := rows.LayoutOf[R](rowFormat)
	made := &creation[R]{
		caller: c, call: call, search: verify.Search{Look: atPath[Look](c, lookOp, lookAt, call), Where: lookOp, Conflict: ErrConflict},
		id:   func(row *R) int64 { return layout.ID(row) },
		fits: func(row *R, created bool) bool { return created || good(row) },
	}
	if err := c.sendUntilSettled(ctx, call, made); err != nil {
		return nil, err
	}
	if !made.given || !good(&made.row) {
		return nil, call.applied(ErrTokenLost)
	}
	return &made.row, nil
}

// creation is a create that is being made.
type creation[R any] struct {
	caller *caller
	call   *call
	key    naturalKey
	search verify.Search
	id     func(*R) int64
	fits   func(row *R, created bool) bool // the row may be of what was sent, or, if no 201 says so, surely is
	resent bool                            // though the server may have taken it

	row   R     // of the answer
	given bool  // the answer had a row
	made  int64 // 0: the create succeeded, and its id is not known
}

// decode reads the answer of a success. It believes only an answer that fits what
// was sent: a gateway that makes a GET of the POST answers with a list. A created row
// whose id cannot be read is looked for.
func (m *creation[R]) decode(resp *http.Response) error {
	created := resp.StatusCode == http.StatusCreated
	body := struct{ io.Reader }{resp.Body} // alone: an object that is no row must not count as one
	reader := rows.NewReader[R](rows.LayoutOf[R](rowFormat), body, m.caller.limits.RowBytes)
	defer reader.Close()
	row, err := reader.Next()
	if err == nil {
		attempt.Within(resp.Body, m.caller.limits.ErrorTimeout) // what follows a row may never come
		if _, end := reader.Next(); !created && end != io.EOF {
			return errNotAPI
		} else if end == nil {
			err = errNotAPI // which of them it is, is not known
		}
	}
	switch {
	case !created && (err != nil || m.id(&row) <= 0 || !m.fits(&row, false)):
		return errNotAPI // neither the 201 of the page, nor a row that was made
	case err == nil && !m.fits(&row, created):
		return fmt.Errorf("%w: it is the row of something else", errNotAPI)
	case err == nil:
		m.row, m.given, m.made = row, true, max(m.id(&row), 0)
	}
	if m.made == 0 {
		m.made = m.call.located()
	}
	return nil
}

// look looks for the thing. The create is sent again only if that is safe.
func (m *creation[R]) look(ctx context.Context, failed *Error) (again bool, err error) {
	call, policy := m.call, m.caller.policy
	if !call.doubtful {
		return false, failed
	}
	m.search.Sent(call.began, failed.Err)
	failed.Err = m.search.Err()
	notBefore := time.Now().Add(failed.RetryAfter)
	waits, rule := policy.VerifyWaits, retry.RuleFor(call.failure, call.kind)
	if failed.StatusCode/100 == 3 || !call.retryPolicy().Accepts(ctx, failed.RetryAfter) {
		waits = waits[:min(1, len(waits))] // it will not appear later, or too late to wait for
	}
	behind := attempt.NewContext(ctx, call)
	verdict, id := m.search.Run(behind, false, waits)
	if rule == retry.LookAndTurn && verdict == verify.Undecided && len(m.search.Found) == 0 && len(waits) > 1 {
		verdict, id = m.search.Run(behind, false, waits) // the server accepts others, so a look will be good
	}
	if rule == retry.LookAndTurn && verdict == verify.Absent {
		return true, nil
	}
	last := m.resent || call.used() >= call.retryPolicy().MaxAttempts
	wait := time.Until(notBefore)
	if rule == retry.Verify && policy.ResendAfter > 0 {
		// The user says that by then the server has carried out the request, or never will.
		rule, wait = retry.Resend, max(wait, policy.ResendAfter)
	}
	if verdict == verify.Absent && rule == retry.Resend && !last && wait > 0 {
		verdict, id = m.search.Run(behind, false, []time.Duration{wait})
	}
	failed.Found = m.search.Found
	switch {
	case verdict == verify.Present:
		if err := m.settle(behind, id); err != nil {
			failed.Err = join(failed.Err, err)
			return false, failed
		}
		m.made = id
		return false, nil
	case verdict != verify.Absent || rule != retry.Resend || last || !m.caller.account.quota.Spend(call.failure, failed):
		return false, failed
	}
	m.resent = call.failure != retry.Declined
	return true, nil
}

// settle makes sure that what was found has the secrets that were sent. A row does
// not show them, and it may be another's of the same name.
func (m *creation[R]) settle(ctx context.Context, id int64) error {
	secrets := m.call.hidden()
	if len(secrets) == 0 {
		return nil
	}
	if !m.caller.policy.SettleSecrets || attempt.FollowerOf(ctx) != nil || m.key.update == "" || id == 0 {
		return fmt.Errorf("the row with id %d is as it was sent, but somebody else may have made it, with another %s", id, strings.Join(sortedNames(secrets), ", "))
	}
	update := newCall(m.key.update, retry.Update, http.MethodPost, route{path: m.call.Path + "/" + strconv.FormatInt(id, 10), template: m.call.route.template + "/{userId}", domain: m.call.route.domain}, nil, append(m.call.forLooks(), func(s *callSettings) { s.attempts = 0 }))
	update.form = form.Form{Values: secrets, Hidden: sortedNames(secrets)}
	if err := m.caller.do(ctx, update, noRow); err != nil {
		return fmt.Errorf("the row with id %d is there, but setting its secrets failed (%v)", id, err)
	}
	return nil
}

// isNew reports whether a row that came without a 201 is surely the one that was
// made: it is as it was sent, was not there before, and there was no secret to send,
// which it does not show.
func (m *creation[R]) isNew(row verify.Row, ids []string) bool {
	found, err := m.key.forVerify().Candidates(m.call.sent(), []verify.Row{row}, ids)
	return err == nil && len(found) == 1 && len(found[0].Differs) == 0 && m.search.New(found[0].ID) && len(m.call.hidden()) == 0
}

// fits reports whether the row that a create answered with may be of what was sent.
func (call *call) fits(key verify.Key, row verify.Row) bool {
	domain, ok := row.Value("domainId")
	return (!ok || domain == "" || strings.HasPrefix(call.Path, apiRoot+"/domains/"+domain+"/")) && key.Fits(call.sent(), row)
}

// sent is what the call sent, for comparison with rows.
func (call *call) sent() verify.Sent {
	return verify.Sent{Values: call.form.Values, Hidden: call.hides}
}

// hidden returns the secrets of the form.
func (call *call) hidden() url.Values {
	secrets := maps.Clone(call.form.Values)
	maps.DeleteFunc(secrets, func(name string, _ []string) bool { return !call.hides(name) })
	return secrets
}

// hides reports whether a parameter of the form is secret.
func (call *call) hides(name string) bool {
	return slices.Contains(call.form.Hidden, name) || call.with.params[name] != nil && redact.Sensitive(name)
}

// located returns the id that the Location of the last answer has, or 0. It must
// be a path below that of the create.
func (call *call) located() int64 {
	at, err := (&url.URL{Path: call.caller.base.Path + call.Path}).Parse(call.Answer().Get("Location"))
	if err != nil {
		return 0
	}
	of, last := pathpkg.Split(strings.TrimSuffix(at.Path, "/"))
	id, err := strconv.ParseInt(last, 10, 64)
	singular := func(path string) string {
		return strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(path), "/"), "s")
	} // the page has both
	if err != nil || id <= 0 || !strings.HasSuffix(singular(of), singular(call.Path)) {
		return 0
	}
	return id
}

// addMembers adds ids to members, whose rows are R.
func addMembers[I ID, R any](ctx context.Context, c *caller, op string, r route, ids []I, params func([]I) any, members func(context.Context, ...CallOption) iter.Seq2[R, error], with []CallOption) (err error) {
	ctx, seen := c.observe(ctx, op, http.MethodPost, r)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	newBatch := func(batch []I) *call { return newCall(op, retry.Add, http.MethodPost, r, params(batch), with) }
	return inBatches(c, ids, newBatch, func(call *call, batch []I) error {
		return c.sendUntilSettled(ctx, call, &addition[I, R]{c, call, batch, params, members})
	})
}

// addition is an add of members that is being made.
type addition[I ID, R any] struct {
	caller  *caller
	call    *call
	missing []I
	params  func([]I) any
	members func(context.Context, ...CallOption) iter.Seq2[R, error]
}

// decode does not believe an empty 200: a gateway that makes a GET of the POST answers
// so with the list, if there is nobody in it.
func (a *addition[I, R]) decode(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return errNotAPI
	}
	return noRow(resp)
}

// look lists the members. Only the missing ones are sent again.
func (a *addition[I, R]) look(ctx context.Context, failed *Error) (again bool, err error) {
	call := a.call
	if retry.RuleFor(call.failure, retry.Add) != retry.SendMissing {
		return false, failed
	}
	there, err := idsOf(a.members(attempt.NewContext(ctx, call), call.forLooks()...))
	looked := verify.Clock(time.Now())
	if err != nil {
		// Its status is not the status of the add, so it is not in the chain.
		failed.Err = join(join(failed.Err, fmt.Errorf("listing the members at %s failed: %v", looked, err)), ctx.Err())
		return false, failed
	}
	a.missing = slices.DeleteFunc(slices.Clone(a.missing), func(id I) bool { return there[int64(id)] })
	if len(a.missing) == 0 {
		return false, nil
	}
	if !call.Refused() {
		policy := call.retryPolicy()
		if call.used() >= policy.Attempts(retry.RuleFor(call.failure, retry.Update)) || !policy.Accepts(ctx, failed.RetryAfter) ||
			!a.caller.account.quota.Spend(call.failure, failed) || retry.Sleep(ctx, policy.Wait(call.used()-1, failed.RetryAfter)) != nil {
			failed.Err = join(join(failed.Err, fmt.Errorf("at %s %d of them were not there, the first %d", looked, len(a.missing), a.missing[0])), ctx.Err())
			return false, failed
		}
	}
	call.setForm(a.params(a.missing))
	return true, nil
}

// idsOf returns the ids of rows.
func idsOf[R any](list iter.Seq2[R, error]) (map[int64]bool, error) {
	layout := rows.LayoutOf[R](rowFormat)
	ids := make(map[int64]bool)
	for row, err := range list {
		if err != nil {
			return nil, err
		}
		id := layout.ID(&row)
		if id == 0 {
			return nil, fmt.Errorf("a row does not say its %s", layout.IDNames()[0])
		}
		ids[id] = true
	}
	return ids, nil
}

// inList looks in a list of rows for those that have the key that was sent. A
// filter proves presence only: the server may have changed the key, or ignore the
// filter and leave out rows.
func inList(c *caller, key naturalKey, list route, ids []string, sent *call) func(context.Context, bool) ([]verify.Candidate, error) {
	op, name, address, match := key.op, key.name, key.address, key.forVerify()
	return func(ctx context.Context, prove bool) ([]verify.Candidate, error) {
		want := sent.form.Values.Get(name)
		field := Field[verify.Row](name)
		where := field.EqFold(want)
		if address {
			where = field.In(wire.Addresses(want)...)
		} else if bare := strings.TrimSpace(want); bare != want {
			where = field.ContainsFold(bare) // the server may have taken the blanks off
		}
		in := listed[verify.Row]{c, op, list, where, verify.Same, sent.forLooks()}
		return lookUp(ctx, in, prove, func(list []verify.Row, whole bool) ([]verify.Candidate, error) {
			found, err := match.Candidates(sent.sent(), list, ids)
			if err == nil && len(found) == 0 && whole {
				found = match.Rivals(sent.sent(), list, ids)
			}
			return found, err
		})
	}
}

// listed is a list of rows R, some of which are looked for.
type listed[R any] struct {
	caller *caller
	op     string
	route  route
	where  Filter[R]         // which rows are looked for
	same   func(a, b R) bool // the two are one row
	with   []CallOption
}

// lookUp gives the rows that satisfy the filter to take, in one request. A server
// may ignore a filter that the API's page does not have. If it refuses the filter, all
// rows are read. If take takes none, and prove is set, it gets all rows: of a list from
// which the server may have left some out, or of which a cut could not be seen, none.
func lookUp[R, M any](ctx context.Context, in listed[R], prove bool, take func(list []R, whole bool) ([]M, error)) ([]M, error) {
	filtered := func() ([]R, error) {
		all, err := listPaged(ctx, in.caller, in.op, in.route, &ListOptions[R]{Filter: Where(in.where)}, in.with)
		if failed, ok := errors.AsType[*Error](err); ok && errors.Is(failed, ErrInvalid) {
			all, err = list[R](ctx, in.caller, in.op, in.route, in.with)
		}
		return all, err
	}
	whole := func() ([]R, error) {
		with := append(slices.Clip(in.with), func(s *callSettings) { s.bounded = true })
		return verify.Whole(wire.MaxRows, in.same, func(offset int) ([]R, error) {
			if offset == 0 {
				return list[R](ctx, in.caller, in.op, in.route, with)
			}
			more, err := listPaged(ctx, in.caller, in.op, in.route, &ListOptions[R]{Offset: offset}, with)
			if errors.Is(err, ErrInvalid) {
				return nil, verify.ErrNoOffset
			}
			return more, err
		})
	}
	return verify.LookUp(prove, filtered, whole, take)
}

// find returns the one row whose text under the key is want, or else the one that is
// alike. problem is what is wrong with want.
func find[R any](ctx context.Context, c *caller, op string, r route, key naturalKey, want, problem string, text func(*R) string, with []CallOption) (row *R, err error) {
	ctx, seen := c.observe(ctx, op, http.MethodGet, r)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	like, where := wire.LikeName, Field[R](key.name).EqFold(want)
	if key.address {
		like, where = wire.LikeAddress, Field[R](key.name).In(wire.Addresses(want)...)
	}
	if problem = cmp.Or(problem, where.problem); want == "" {
		problem = cmp.Or(problem, "required")
	}
	where.problem = "" // it is reported under the key's name
	r.problems.report(key.name, problem)
	layout := rows.LayoutOf[R](rowFormat)
	same := func(a, b R) bool {
		id := layout.ID(&a)
		return id == layout.ID(&b) && (id != 0 || fmt.Sprint(a) == fmt.Sprint(b))
	}
	found, err := lookUp(ctx, listed[R]{c, op, r, where, same, with}, true, func(list []R, whole bool) ([]R, error) {
		return verify.Pick(list, whole, key.address, func(row *R) verify.Likeness { return like(want, text(row)) })
	})
	found = slices.CompactFunc(found, same) // it came twice, if rows were inserted meanwhile
	switch failed, ok := errors.AsType[*Error](err); {
	case ok:
		failed.ofList = true
		return nil, err
	case ofCall(err):
		return nil, err
	case err != nil:
		err = fmt.Errorf("it cannot be told whether a row has this %s: %w", key.name, err)
	case len(found) == 0:
		err = fmt.Errorf("%w: no row has this %s", ErrNotFound, key.name)
	case len(found) == 1:
		return &found[0], nil
	}
	failed := readError(op, r, err)
	for i := range found {
		if id := layout.ID(&found[i]); id != 0 {
			failed.Found = append(failed.Found, id)
		}
	}
	if err == nil {
		failed.Err = fmt.Errorf("%d rows have this %s, the first with the ids %v", len(found), key.name, failed.Found[:min(len(failed.Found), 5)])
	}
	return nil, failed
}

// atPath looks for the one row at a path. A proxy's page does not show that it is
// absent.
func atPath[R any](c *caller, op string, r route, sent *call) func(context.Context, bool) ([]verify.Candidate, error) {
	return func(ctx context.Context, _ bool) ([]verify.Candidate, error) {
		row, err := get[R](ctx, c, op, r, sent.forLooks())
		failed, _ := errors.AsType[*Error](err)
		switch {
		case errors.Is(err, ErrNotFound) && !failed.page:
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []verify.Candidate{{ID: rows.LayoutOf[R](rowFormat).ID(row)}}, nil
	}
}
