package infinitysip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/internal/attempt"
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
	shared  bool   // several rows may have the same value, so those from before count
}

// create creates a thing, whose rows are R, and returns its id.
func create[I ID, R any](ctx context.Context, c *caller, op string, r route, params any, key naturalKey, with []CallOption) (I, error) {
	call := newCall(op, retry.Create, http.MethodPost, r, params, with)
	key.list.path = cmp.Or(key.list.path, r.path)
	made := &creation[R]{caller: c, call: call, search: verify.Search{Look: inList[R](c, key, call), Where: key.op, Conflict: ErrConflict}}
	if key.shared && c != nil && len(call.problems) == 0 {
		made.search.Before(ctx)
	}
	if err := c.sendUntilSettled(ctx, call, made); err != nil || made.id != 0 {
		return I(made.id), err
	}
	made.search.Sent(call.began, nil)
	if verdict, id := made.search.Run(attempt.NewContext(ctx, call), true, c.policy.VerifyWaits); verdict == verify.Present && id != 0 {
		return I(id), nil
	}
	return 0, call.applied(join(errors.New("created, but its id is not known"), made.search.Err()))
}

// associate creates a thing and returns the row of the answer, which the server
// gives only once. lookOp reads the thing at lookAt. If good reports false, the row
// counts as lost.
func associate[R, Look any](ctx context.Context, c *caller, op string, r route, params any, lookOp string, lookAt route, good func(*R) bool, with []CallOption) (*R, error) {
	call := newCall(op, retry.Create, http.MethodPost, r, params, with)
	made := &creation[R]{caller: c, call: call, search: verify.Search{Look: atPath[Look](c, lookOp, lookAt, call), Where: lookOp, Conflict: ErrConflict}}
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
	search verify.Search
	resent bool

	row   R     // of the answer
	given bool  // the answer had a row
	id    int64 // 0: the create succeeded, and its id is not known
}

func (m *creation[R]) decode(resp *http.Response) error {
	layout := rows.LayoutOf[R](rowFormat)
	reader := rows.NewReader[R](layout, resp.Body, m.caller.limits.RowBytes)
	defer reader.Close()
	row, err := reader.Next()
	m.row = row
	id := layout.ID(&m.row)
	switch {
	case resp.StatusCode == http.StatusOK && err == nil && id > 0, resp.StatusCode == http.StatusCreated && err == nil:
		m.given, m.id = true, id
	case resp.StatusCode != http.StatusCreated:
		return errNotAPI // neither the 201 of the page, nor a row
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
	waits := policy.VerifyWaits
	if failed.StatusCode/100 == 3 || !call.retryPolicy().Accepts(ctx, failed.RetryAfter) {
		waits = waits[:min(1, len(waits))] // it will not appear later, or too late to wait for
	}
	behind := attempt.NewContext(ctx, call)
	verdict, id := m.search.Run(behind, false, waits)
	rule, last := retry.RuleFor(call.failure, retry.Create), m.resent || call.Attempts >= call.retryPolicy().MaxAttempts
	wait := time.Until(notBefore)
	if rule == retry.Verify && policy.ResendAfter > 0 {
		// The user says that by then the server has carried out the request, or never will.
		rule, wait = retry.Resend, max(wait, policy.ResendAfter)
	}
	if verdict == verify.Absent && rule == retry.Resend && !last && wait > 0 {
		verdict, id = m.search.Run(behind, false, []time.Duration{wait})
	}
	switch {
	case verdict == verify.Present:
		m.id = id
		return false, nil
	case verdict != verify.Absent || rule != retry.Resend || last || !m.caller.account.quota.Spend(call.failure, failed):
		return false, failed
	}
	m.resent = true
	return true, nil
}

// addMembers adds ids to members, whose rows are R.
func addMembers[I ID, R any](ctx context.Context, c *caller, op string, r route, ids []I, params func([]I) any, members func(context.Context, ...CallOption) iter.Seq2[R, error], with []CallOption) error {
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

func (a *addition[I, R]) decode(resp *http.Response) error { return noRow(resp) }

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
	if call.Attempts >= call.retryPolicy().Attempts(retry.RuleFor(call.failure, retry.Update)) || !call.retryPolicy().Accepts(ctx, failed.RetryAfter) ||
		!a.caller.account.quota.Spend(call.failure, failed) || retry.Sleep(ctx, a.caller.policy.forRetry().Wait(call.Attempts-1, failed.RetryAfter)) != nil {
		failed.Err = join(join(failed.Err, fmt.Errorf("at %s %d of them were not there, the first %d", looked, len(a.missing), a.missing[0])), ctx.Err())
		return false, failed
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

// inList looks in a list of rows R for those that have the key that was sent.
func inList[R any](c *caller, key naturalKey, sent *call) func(context.Context) ([]verify.Candidate, error) {
	return func(ctx context.Context) ([]verify.Candidate, error) {
		ids := rows.LayoutOf[R](rowFormat).IDNames()
		want := sent.form.Values.Get(key.name)
		field := Field[verify.Row](key.name)
		where, same := field.EqFold(want), wire.SameValue
		if key.address {
			where, same = field.In(wire.Addresses(want)...), wire.SameAddress
		} else if bare := strings.TrimSpace(want); bare != want {
			where = field.ContainsFold(bare) // the server may have taken the blanks off
		}
		list, err := filtered(ctx, c, key.op, key.list, where, sent.forLooks())
		if err != nil {
			return nil, err
		}
		var exact, alike []verify.Candidate // alike: except for case and blanks, which a server may change
		for _, row := range list {
			got, ok := row.Value(key.name)
			if !ok {
				return nil, fmt.Errorf("a row does not say its %s", key.name)
			}
			if !same(want, got) {
				if strings.EqualFold(strings.TrimSpace(want), strings.TrimSpace(got)) {
					alike = append(alike, verify.Candidate{ID: row.ID(ids), Differs: []string{"spelling of " + key.name}})
				}
				continue
			}
			match := verify.Candidate{ID: row.ID(ids)}
			for name, values := range sent.form.Values {
				if got, ok := row.Value(name); ok && name != key.name && !slices.Contains(sent.form.Hidden, name) && (sent.with.params[name] == nil || !redact.Sensitive(name)) && !wire.SameValue(values[0], got) {
					match.Differs = append(match.Differs, name)
				}
			}
			slices.Sort(match.Differs)
			exact = append(exact, match)
		}
		if len(exact) == 0 {
			exact = alike
		}
		if len(exact) == 0 && len(list) >= wire.MaxRows {
			return nil, fmt.Errorf("%d rows, which may not be all", len(list))
		}
		return exact, nil
	}
}

// filtered reads the rows at r that satisfy where, in one request. A server may
// ignore a filter that the API's page does not have. If it refuses the filter, all
// rows are read.
func filtered(ctx context.Context, c *caller, op string, r route, where Filter[verify.Row], with []CallOption) ([]verify.Row, error) {
	all, err := listPaged(ctx, c, op, r, &ListOptions[verify.Row]{Filter: Where(where)}, with)
	if errors.Is(err, ErrInvalid) {
		all, err = list[verify.Row](ctx, c, op, r, with)
	}
	return all, err
}

// atPath looks for the one row at a path.
func atPath[R any](c *caller, op string, r route, sent *call) func(context.Context) ([]verify.Candidate, error) {
	return func(ctx context.Context) ([]verify.Candidate, error) {
		row, err := get[R](ctx, c, op, r, sent.forLooks())
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []verify.Candidate{{ID: rows.LayoutOf[R](rowFormat).ID(row)}}, nil
	}
}
