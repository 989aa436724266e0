package infinitysip

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/rows"
)

const (
	apiRoot  = "/config/v2/sip" // every path of the API begins so
	maxDrain = 256 << 10        // what is read of an answer for its connection's sake, in bytes
)

// caller makes the calls of a Client, for all its services.
type caller struct {
	http      *retryablehttp.Client
	transport *transport
	base      *url.URL
	retry     *retrier
	limits    Limits
	ahead     int      // pages, see WithReadAhead
	secrets   []Secret // the credentials, to keep them out of errors
}

// call is one call of the API, from its method to its last attempt.
type call struct {
	op     string
	kind   kind
	list   bool // the answer may be of any length
	method string
	path   string
	query  url.Values
	form
	problems []FieldError

	caller *caller
	behind *call            // the create that this call looks for, if it does
	scrub  *redact.Scrubber // see clean

	status    int // of the last attempt's answer; 0: it has none
	attempts  int
	sent      *atomic.Bool // nil or false while it is certain that the attempt has not reached the server
	failure   failure      // of the last attempt that failed
	unsettled bool         // an attempt of a write failed that may have taken effect
}

// route is a path with its ids in place, or what is wrong with them.
type route struct {
	path     string
	problems []FieldError
}

// path puts ids into a path as the API's page writes it.
func path(template string, ids ...any) route {
	var r route
	text := append(make([]byte, 0, 96), apiRoot...) // most are shorter
	for _, id := range ids {
		before, rest, _ := strings.Cut(template, "{")
		name, after, _ := strings.Cut(rest, "}")
		n := reflect.ValueOf(id).Int()
		if n <= 0 {
			r.problems = append(r.problems, FieldError{name, "must be a positive id, not " + strconv.FormatInt(n, 10)})
		}
		text = strconv.AppendInt(append(text, before...), n, 10)
		template = after
	}
	r.path = string(append(text, template...))
	return r
}

func newCall(op string, k kind, method string, r route, params any) *call {
	form, problems := encode(params)
	return &call{op: op, kind: k, method: method, path: r.path, form: form, problems: append(r.problems, problems...)}
}

func newRead[R any](op string, k kind, r route, opts *ListOptions[R]) *call {
	query, problems := opts.query()
	return &call{op: op, kind: k, method: http.MethodGet, path: r.path, query: query, problems: append(r.problems, problems...)}
}

// get reads the one row at r.
func get[R any](ctx context.Context, c *caller, op string, r route) (*R, error) {
	row := new(R)
	err := c.do(ctx, newRead[R](op, read, r, nil), func(resp *http.Response) (err error) {
		layout := rows.LayoutOf[R](rowFormat)
		reader := rows.NewReader[R](layout, resp.Body, c.limits.Answer)
		defer reader.Close()
		if *row, err = reader.Next(); err == io.EOF {
			return errors.New("no row")
		} else if err != nil {
			return err
		}
		if _, err = reader.Next(); err == nil {
			return errors.New("more than one row")
		} else if err != io.EOF {
			return err
		}
		if id := layout.ID(row); id != 0 && !strings.HasSuffix(r.path, "/"+strconv.FormatInt(id, 10)) {
			return fmt.Errorf("this is the row of another id, %d", id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// list reads the rows at r in one request.
func list[R any](ctx context.Context, c *caller, op string, r route, opts *ListOptions[R]) ([]R, error) {
	call := newRead(op, read, r, opts)
	call.list = true
	var all []R
	err := c.do(ctx, call, func(resp *http.Response) (err error) {
		all, err = rows.ReadAll[R](rows.LayoutOf[R](rowFormat), resp.Body, c.limits.Row)
		return err
	})
	return all, err
}

// stream reads the rows at r in one request and yields them as they arrive.
func stream[R any](ctx context.Context, c *caller, op string, r route) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		call := newRead[R](op, handOn, r, nil)
		call.list = true
		more := true
		err := c.do(ctx, call, func(resp *http.Response) error {
			reader := rows.NewReader[R](rows.LayoutOf[R](rowFormat), resp.Body, c.limits.Row)
			defer reader.Close()
			for more {
				row, err := reader.Next()
				if err == io.EOF {
					break
				} else if err != nil {
					return err
				}
				more = yield(row, nil)
			}
			return nil
		})
		if err != nil {
			var none R
			yield(none, err)
		}
	}
}

// exec makes a call that answers with a status alone. params is a struct that
// encode takes, or nil for no form.
func exec(ctx context.Context, c *caller, op, method string, r route, params any) error {
	k := update
	if method == http.MethodDelete {
		k = remove
	}
	return c.do(ctx, newCall(op, k, method, r, params), noRow)
}

// addMembers adds ids to members.
func addMembers[I ID, R any](ctx context.Context, c *caller, op string, r route, ids []I, params func([]I) any, members iter.Seq2[R, error]) error {
	return batches(c, newCall(op, add, http.MethodPost, r, params(ids)), ids, params, func(call *call, batch []I) error {
		return addMissing(ctx, c, call, batch, params, func() (map[int64]bool, error) {
			layout := rows.LayoutOf[R](rowFormat)
			there := make(map[int64]bool)
			for row, err := range members {
				if err != nil {
					return nil, err
				}
				id := layout.ID(&row)
				if id == 0 {
					return nil, fmt.Errorf("a row does not say its %s", layout.IDNames()[0])
				}
				there[id] = true
			}
			return there, nil
		})
	})
}

// removeMembers removes ids, which a DELETE carries in its body.
func removeMembers[I ID](ctx context.Context, c *caller, op string, r route, ids []I, params func([]I) any) error {
	return batches(c, newCall(op, take, http.MethodDelete, r, params(ids)), ids, params, func(call *call, _ []I) error {
		return c.do(ctx, call, noRow)
	})
}

// batches sends ids in several requests, because of a long array the server
// drops the end and says nothing. whole is the call with all of them.
func batches[I ID](c *caller, whole *call, ids []I, params func([]I) any, send func(*call, []I) error) error {
	if c == nil || len(whole.problems) > 0 {
		return send(whole, ids) // which refuses it
	}
	sent := 0
	for batch := range slices.Chunk(ids, c.limits.IDs) {
		call := &call{op: whole.op, kind: whole.kind, method: whole.method, path: whole.path}
		call.form, _ = encode(params(batch))
		err := send(call, batch)
		if failed, ok := errors.AsType[*Error](err); ok && sent > 0 {
			failed.Outcome = Unknown // of the call as a whole, which was applied in part
			failed.Err = and(fmt.Errorf("ids %d to %d of %d failed, those before are done", sent+1, sent+len(batch), len(ids)), failed.Err)
		}
		if err != nil {
			return err
		}
		sent += len(batch)
	}
	return nil
}

// create makes a thing and returns its id.
func create[I ID, R any](ctx context.Context, c *caller, op string, r route, params any, key naturalKey[R]) (I, error) {
	call := newCall(op, insert, http.MethodPost, r, params)
	key.list.path = cmp.Or(key.list.path, r.path)
	v := &verification{look: among(c, key), where: key.op}
	if key.shared && c != nil && len(call.problems) == 0 {
		v.lookBefore(ctx, call.form)
	}
	_, id, err := createOnce[R](ctx, c, call, v)
	if err != nil || id != 0 {
		return I(id), err
	}
	if verdict, id := v.run(ctx, call, true, c.retry.VerifyWaits); verdict == present && id != 0 {
		return I(id), nil
	}
	return 0, call.applied(and(errors.New("created, but its id is not known"), v))
}

// associate makes a thing whose answer, which is given once, is wanted whole.
// lookAt, read by lookOp, is where the thing is then. An answer that is not
// good is as one that was lost.
func associate[R, Look any](ctx context.Context, c *caller, op string, r route, params any, lookOp string, lookAt route, good func(*R) bool) (*R, error) {
	call := newCall(op, insert, http.MethodPost, r, params)
	row, _, err := createOnce[R](ctx, c, call, &verification{look: alone[Look](c, lookOp, lookAt), where: lookOp})
	switch {
	case err != nil:
		return nil, err
	case row == nil || !good(row):
		return nil, call.applied(ErrTokenLost)
	}
	return row, nil
}

// post sends what creates a thing. The row is nil where the answer is a
// success that holds none.
func post[R any](ctx context.Context, c *caller, call *call) (*R, error) {
	var created *R
	err := c.do(ctx, call, func(resp *http.Response) error {
		layout := rows.LayoutOf[R](rowFormat)
		reader := rows.NewReader[R](layout, resp.Body, c.limits.Answer)
		defer reader.Close()
		row, err := reader.Next()
		named := err == nil && layout.ID(&row) > 0
		switch {
		case resp.StatusCode == http.StatusOK && named, resp.StatusCode == http.StatusCreated && err == nil:
			created = &row
		case resp.StatusCode != http.StatusCreated:
			return errNotAPI // neither the 201 of the page, nor the row that was made
		}
		return nil
	})
	return created, err
}

// errNotAPI is a success with another status than the page's: what a proxy or
// a login page may send for anything.
var errNotAPI = errors.New("this does not look like the API's answer")

// noRow takes the answer of a call that answers with a status alone.
func noRow(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDrain))
	if resp.StatusCode != http.StatusNoContent && (err != nil || len(bytes.TrimSpace(body)) > 0) {
		return errNotAPI
	}
	return nil
}

// do sends a call and has decode take the answer of a success. It does so
// again where that does no harm. Its error is a *ValidationError, when nothing
// was sent, or an *Error.
func (c *caller) do(ctx context.Context, call *call, decode func(*http.Response) error) error {
	if c == nil || c.http == nil {
		call.problems = []FieldError{{"client", "make it with NewClient"}}
	}
	if ctx == nil {
		call.problems = append(call.problems, FieldError{"ctx", "nil: pass context.Background() if there is none"})
	}
	if len(call.problems) > 0 {
		return &ValidationError{Op: call.op, Fields: call.problems}
	}
	call.caller, call.behind = c, callFrom(ctx)
	for n := 0; ; n++ {
		req, err := c.request(ctx, call)
		if err != nil {
			return call.fail(nil, err)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			if outer, ok := errors.AsType[*url.Error](err); ok {
				err = outer.Err // the outer one shows the URL, query and all
			}
			return call.fail(nil, orContext(ctx, err))
		}
		if !succeeded(resp.StatusCode) {
			err := call.fail(resp, nil)
			err.readBody(resp.Body, c.limits.ErrorBody, call.clean())
			_ = resp.Body.Close()
			if ruleFor(call.failure, call.kind) == done {
				c.retry.refund()
				return nil
			}
			return err
		}
		if err = call.accept(resp, decode); err == nil {
			c.retry.refund()
			return nil
		}
		f := odd
		if errors.Is(err, rows.ErrCut) {
			f = cut
		}
		if !c.retry.repeats(ctx, call, f, nil, err) || sleep(ctx, c.retry.pause(n, 0)) != nil {
			return call.fail(resp, orContext(ctx, err))
		}
	}
}

// accept has decode take the answer of a success, and closes it also when the
// caller's loop, which a decode may run, does not come back.
func (call *call) accept(resp *http.Response, decode func(*http.Response) error) error {
	defer resp.Body.Close()
	if !call.kind.writes() && resp.StatusCode != http.StatusOK {
		return errNotAPI
	}
	return decode(resp)
}

func (c *caller) request(ctx context.Context, call *call) (*retryablehttp.Request, error) {
	var body any // a nil func would be a body
	if len(call.values) > 0 {
		text := call.values.Encode()
		body = retryablehttp.ReaderFunc(func() (io.Reader, error) { return strings.NewReader(text), nil })
	}
	req, err := retryablehttp.NewRequestWithContext(withCall(ctx, call), call.method, "", body)
	if err != nil {
		return nil, err
	}
	*req.URL = *c.base // not from a text that would be taken apart again
	req.URL.Path += call.path
	req.URL.RawQuery = call.query.Encode()
	req.Host = req.URL.Host
	// With GetBody net/http would send a form again on its own, as often as an
	// HTTP/2 server resets the stream.
	req.GetBody = nil
	return req, nil
}

// fail is the error of a call that did not succeed. resp, where there is one,
// is the answer that it failed on.
func (call *call) fail(resp *http.Response, err error) *Error {
	e := &Error{Op: call.op, Method: call.method, Path: call.path, StatusCode: call.status, Attempts: call.attempts, Outcome: NotApplied, Err: call.clean().Error(err)}
	if call.unsettled {
		e.Outcome = Unknown
	}
	if resp != nil {
		e.RequestID = redact.Line(call.clean().Text(resp.Header.Get("X-Request-Id")))
		e.RetryAfter = retryAfter(resp)
	}
	return e
}

// secrets are what the call sends that nobody else is to see.
func (call *call) secrets() []string {
	all := call.form.secrets()
	for _, secret := range call.caller.secrets {
		all = append(all, secret.Reveal())
	}
	if call.behind != nil {
		all = append(all, call.behind.secrets()...)
	}
	return all
}

// clean returns what clears text of the call's secrets and query. Most calls
// never need it.
func (call *call) clean() *redact.Scrubber {
	if call.scrub == nil {
		call.scrub = redact.New(call.secrets(), append([]string{call.query.Encode()}, call.query["filter[]"]...), secretNames)
	}
	return call.scrub
}

// failed notes how an attempt failed.
func (call *call) failed(f failure) {
	call.failure = f
	if f.mayHaveApplied() && call.kind.writes() {
		call.unsettled = true
	}
}

// applied is the error of a call that took effect and failed after that.
func (call *call) applied(err error) error {
	e := call.fail(nil, err)
	e.Outcome = Applied
	if !succeeded(e.StatusCode) {
		e.StatusCode = 0 // what it says is not so
	}
	return e
}

// orContext returns the error of a context that has ended, else err.
func orContext(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

type callKey struct{}

func withCall(ctx context.Context, call *call) context.Context {
	return context.WithValue(ctx, callKey{}, call)
}

func callFrom(ctx context.Context) *call {
	call, _ := ctx.Value(callKey{}).(*call)
	return call
}

// OperationFromContext returns the name of the call, such as "Users.Create",
// that a request's context belongs to, and "" for any other context. An
// http.RoundTripper names its spans and metrics by it.
func OperationFromContext(ctx context.Context) string {
	if ctx == nil {
		return ""
	}
	if call := callFrom(ctx); call != nil {
		return call.op
	}
	return ""
}
