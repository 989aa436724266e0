package infinitysip

import (
	"bytes"
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
)

const (
	root      = "/config/v2/sip" // every path of the API begins so
	maxBatch  = 500              // ids that one request adds or removes
	maxAnswer = 1 << 20          // longest answer to a write, in bytes
	pageSize  = 1000             // rows that an iterator asks for at a time
)

// handle is what every service is: a way to its client.
type handle struct{ client *Client }

type service interface {
	*DomainsService | *UsersService | *GroupsService | *QueuesService | *TrustedNetworksService | *DevicesService
}

// clientOf returns nil for the service of a Client that NewClient did not make.
func clientOf[S service](s S) *Client {
	if s == nil {
		return nil
	}
	return (*handle)(s).client
}

// call is one call of the API, from its method to its last attempt.
type call struct {
	op     string
	kind   kind
	method string
	path   string
	query  url.Values
	form
	problems []FieldError
	scrub    *scrubber

	status    int // of an answer that was a success
	attempts  int
	sent      atomic.Bool // false while it is certain that the attempt has not reached the server
	unsettled bool        // an attempt failed that may have taken effect
}

// route is a path with its ids in place, or what is wrong with them.
type route struct {
	path     string
	problems []FieldError
}

// at puts ids into a path as the API's page writes it.
func at(template string, ids ...any) route {
	r := route{path: root}
	for _, id := range ids {
		before, rest, _ := strings.Cut(template, "{")
		name, after, _ := strings.Cut(rest, "}")
		n := reflect.ValueOf(id).Int()
		if n <= 0 {
			r.problems = append(r.problems, FieldError{name, "must be a positive id, not " + strconv.FormatInt(n, 10)})
		}
		r.path += before + strconv.FormatInt(n, 10)
		template = after
	}
	r.path += template
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
func get[R any, S service](ctx context.Context, s S, op string, r route) (*R, error) {
	var row *R
	err := clientOf(s).do(ctx, newRead[R](op, read, r, nil), func(resp *http.Response) error {
		rows, err := readRows[R](resp.Body)
		switch {
		case err != nil:
			return err
		case len(rows) != 1:
			return fmt.Errorf("want one row, got %d", len(rows))
		}
		row = &rows[0]
		if id := idOf(row); id != 0 && !strings.HasSuffix(r.path, "/"+strconv.FormatInt(id, 10)) {
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
func list[R any, S service](ctx context.Context, s S, op string, r route, opts *ListOptions[R]) ([]R, error) {
	var rows []R
	err := clientOf(s).do(ctx, newRead(op, read, r, opts), func(resp *http.Response) (err error) {
		rows, err = readRows[R](resp.Body)
		return err
	})
	return rows, err
}

// stream reads the rows at r in one request and yields them as they arrive.
func stream[R any, S service](ctx context.Context, s S, op string, r route) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		more := true
		err := clientOf(s).do(ctx, newRead[R](op, handOn, r, nil), func(resp *http.Response) error {
			rows := newRows[R](resp.Body)
			for more {
				row, err := rows.next()
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

// pages reads the rows at r page by page. A page that is short may only mean
// that the server has a limit of its own, so the end is a page that is empty.
func pages[R any, S service](ctx context.Context, s S, op string, r route, opts *ListOptions[R]) iter.Seq2[R, error] {
	var start ListOptions[R]
	if opts != nil {
		start = ListOptions[R]{slices.Clone(opts.Filter), slices.Clone(opts.Sort), opts.Limit, opts.Offset}
	}
	if start.Limit == 0 {
		start.Limit = pageSize
	}
	if len(start.Sort) == 0 {
		start.Sort = OrderBy(idField[R]().Asc()) // pages of an unsorted list may overlap
	}
	return func(yield func(R, error) bool) {
		var before []R // the page before
		for page := start; ; page.Offset += len(before) {
			rows, err := list(ctx, s, op, r, &page)
			if len(rows) > 0 && len(before) > 0 && idOf(&rows[0]) == idOf(&before[0]) {
				err = &Error{Op: op, Method: http.MethodGet, Path: r.path, StatusCode: http.StatusOK, Attempts: 1, Outcome: NotApplied, Err: ErrPaginationStuck}
			}
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if len(rows) == 0 {
				return
			}
			before = rows
		}
	}
}

// exec makes a call that answers with a status alone. params is a struct that
// encode takes, or nil for no form.
func exec[S service](ctx context.Context, s S, op, method string, r route, params any) error {
	k := update
	if method == http.MethodDelete {
		k = remove
	}
	return clientOf(s).do(ctx, newCall(op, k, method, r, params), noRow)
}

// members adds or removes ids in batches, because of a long array the server
// drops the end and says nothing.
func members[I ID, S service](ctx context.Context, s S, op, method string, r route, ids []I, params func([]I) any) error {
	k := add
	if method == http.MethodDelete {
		k = remove
	}
	whole := newCall(op, k, method, r, params(ids))
	if len(ids) <= maxBatch || len(whole.problems) > 0 {
		return clientOf(s).do(ctx, whole, noRow)
	}
	done := 0
	for batch := range slices.Chunk(ids, maxBatch) {
		err := clientOf(s).do(ctx, newCall(op, k, method, r, params(batch)), noRow)
		if failed, ok := errors.AsType[*Error](err); ok && done > 0 {
			failed.Outcome = Unknown // of the call as a whole, which was applied in part
			failed.Err = &partialError{done, done + len(batch), len(ids), failed.Err}
		}
		if err != nil {
			return err
		}
		done += len(batch)
	}
	return nil
}

// partialError tells how far a call of several requests got.
type partialError struct {
	done, end, all int
	err            error
}

func (e *partialError) Error() string {
	text := fmt.Sprintf("ids %d to %d of %d failed, those before are done", e.done+1, e.end, e.all)
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

func (e *partialError) Unwrap() error { return e.err }

// naturalKey finds a created row again where the server did not say its id.
type naturalKey[R any] struct {
	rows  iter.Seq2[R, error] // where to look
	match func(*R) bool       // decides, since a server may ignore a filter
}

// narrowed reads the rows at r that satisfy where. The API's page documents no
// filter for these lists: a server that refuses it is asked for all rows.
func narrowed[R any, S service](ctx context.Context, s S, op string, r route, where Filter[R]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		opts := &ListOptions[R]{Filter: Where(where)}
		rows, err := list(ctx, s, op, r, opts)
		if errors.Is(err, ErrInvalid) {
			rows, err = list[R](ctx, s, op, r, nil)
		}
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
		if err != nil {
			var none R
			yield(none, err)
		}
	}
}

// create makes a thing and returns its id.
func create[I ID, R any, S service](ctx context.Context, s S, op string, r route, params any, key naturalKey[R]) (I, error) {
	call := newCall(op, insert, http.MethodPost, r, params)
	row, err := post[R](ctx, clientOf(s), call)
	if err != nil {
		return 0, err
	}
	if row != nil && idOf(row) > 0 {
		return I(idOf(row)), nil
	}
	var ids []I
	for row, err := range key.rows {
		if err != nil {
			return 0, call.applied(fmt.Errorf("created, but its id is not known: looking it up failed: %w", err))
		}
		if key.match(&row) {
			ids = append(ids, I(idOf(&row)))
		}
	}
	if len(ids) != 1 || ids[0] == 0 {
		return 0, call.applied(fmt.Errorf("created, but its id is not known: the answer has none, and the rows that match what was created have the ids %v", ids))
	}
	return ids[0], nil
}

// associate makes a thing whose answer is wanted whole.
func associate[R any, S service](ctx context.Context, s S, op string, r route, params any) (*R, error) {
	call := newCall(op, insert, http.MethodPost, r, params)
	row, err := post[R](ctx, clientOf(s), call)
	if err == nil && row == nil {
		err = call.applied(errors.New("done, but the answer, which is given only once, cannot be read"))
	}
	return row, err
}

// post sends what creates a thing. The row is nil where the answer is a
// success that holds none.
func post[R any](ctx context.Context, c *Client, call *call) (*R, error) {
	var created *R
	err := c.do(ctx, call, func(resp *http.Response) error {
		row, err := newRows[R](resp.Body).next()
		switch {
		case err == nil:
			created = &row
		case resp.StatusCode == http.StatusOK:
			return errNotAPI // neither the 201 of the page, nor a row
		}
		return nil
	})
	return created, err
}

// errNotAPI is a 200 where the page has another status: what a proxy or a
// login page may send for anything.
var errNotAPI = errors.New("this does not look like the API's answer")

// noRow takes the answer of a call that answers with a status alone.
func noRow(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode == http.StatusOK && (err != nil || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))) {
		return errNotAPI
	}
	return nil
}

// do sends a call and has decode take the answer of a success. It does so
// again where that does no harm. Its error is a *ValidationError, when nothing
// was sent, or an *Error.
func (c *Client) do(ctx context.Context, call *call, decode func(*http.Response) error) error {
	if c == nil || c.http == nil {
		call.problems = []FieldError{{"client", "make it with NewClient"}}
	}
	if ctx == nil {
		call.problems = append(call.problems, FieldError{"ctx", "nil: pass context.Background() if there is none"})
	}
	if len(call.problems) > 0 {
		return &ValidationError{Op: call.op, Fields: call.problems}
	}
	call.scrub = newScrubber(append(append(call.secrets, call.query.Encode()), c.secrets...)...)
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
		if code := resp.StatusCode; code != http.StatusOK && code != http.StatusCreated && code != http.StatusNoContent {
			// Of a redirect or a status that HTTP does not know, nobody can
			// say what it did.
			call.unsettled = call.unsettled || code < 400 || code >= 600
			err := call.fail(resp, nil)
			_ = resp.Body.Close()
			return err
		}
		call.status = resp.StatusCode
		err = decode(resp)
		_ = resp.Body.Close()
		if err == nil {
			return nil
		}
		if !errors.Is(err, errCut) || !c.retry.repeats(ctx, call, cut, nil) || sleep(ctx, c.retry.wait(0, 0, n, nil)) != nil {
			call.unsettled = true
			return call.fail(resp, orContext(ctx, err))
		}
	}
}

func (c *Client) request(ctx context.Context, call *call) (*retryablehttp.Request, error) {
	var body any // a nil []byte would be a body
	if len(call.values) > 0 {
		body = []byte(call.values.Encode())
	}
	target := *c.base
	target.Path += call.path
	target.RawQuery = call.query.Encode()
	req, err := retryablehttp.NewRequestWithContext(withCall(ctx, call), call.method, target.String(), body)
	if err != nil {
		return nil, err
	}
	// With GetBody net/http would send a form again on its own, as often as an
	// HTTP/2 server resets the stream.
	req.GetBody = nil
	req.Header.Set("User-Agent", c.userAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, nil
}

// fail is the error of a call that did not succeed. resp, where there is one,
// is the answer that it failed on.
func (call *call) fail(resp *http.Response, err error) error {
	e := &Error{Op: call.op, Method: call.method, Path: call.path, Attempts: call.attempts, Outcome: NotApplied, Err: call.scrub.error(err)}
	if call.unsettled && call.kind.writes() {
		e.Outcome = Unknown
	}
	if resp != nil {
		e.StatusCode = resp.StatusCode
		e.RequestID = printable(call.scrub.text(resp.Header.Get("X-Request-Id")))
		e.RetryAfter, _ = retryAfter(resp)
	}
	if err == nil && resp != nil {
		e.readBody(resp.Body, call.scrub)
	}
	// A delete that finds nothing, after an attempt that may have arrived, has
	// been done.
	if call.kind == remove && call.unsettled && errors.Is(e, ErrNotFound) {
		return nil
	}
	return e
}

// applied is the error of a call that took effect and failed after that.
func (call *call) applied(err error) error {
	return &Error{Op: call.op, Method: call.method, Path: call.path, StatusCode: call.status, Attempts: call.attempts, Outcome: Applied, Err: err}
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
	if call := callFrom(ctx); call != nil {
		return call.op
	}
	return ""
}
