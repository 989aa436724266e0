package infinitysip

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/form"
	"github.com/infinitysip/infinitysip/internal/pages"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/retry"
	"github.com/infinitysip/infinitysip/internal/rows"
	"github.com/infinitysip/infinitysip/internal/transcript"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// The life of a call, from the top of this file to its end:
//
//  1. A method of a service is one line. path puts the ids into the path. get, list,
//     all, listPaged, allPages, exec or removeMembers (here), or create, associate
//     or addMembers (create.go) make the call. Client.Do and Rows (raw.go) take a path
//     as it is.
//  2. newCall and newRead apply the options (options.go), check the parameters, and
//     write them as a form (params.go) or a query (filter.go). If there is a
//     problem, do returns it and sends nothing.
//  3. do sends the call with retryablehttp. For each attempt, internal/attempt waits
//     for a turn (internal/ratelimit), asks for the key, sets the headers, watches the
//     time, and logs. observer.go tells the logger and the Observer of the whole call.
//  4. checkRetry asks internal/retry whether there is another attempt, and after
//     which pause.
//  5. take reads the last answer: rows (internal/rows), or the text of an error,
//     unless there are secrets in it (internal/redact).
//  6. If a create or an add of members failed and may have taken effect, create.go
//     looks for what it made (internal/verify).
//
// Three loops: retryablehttp makes the attempts of one request, sendUntilSettled
// (create.go) sends a create or an add again after looks, and internal/pages reads
// page after page. internal/verify repeats the looks; inBatches only divides ids.

const (
	apiRoot  = "/config/v2/sip" // every path of the API begins with it
	pageRows = 1000             // rows that an All asks for at a time
)

// caller makes the calls of a Client, for all its services.
type caller struct {
	settings
	base    *url.URL
	account *account
}

// account holds what belongs to the account that a caller calls for: credentials,
// turns, and the quota of retries. Nothing of it belongs to the connections, which
// several accounts can share: see Client.WithCredentials.
type account struct {
	attempt.Account
	quota *retry.Quota
}

// call is one call of the API, from its method to its last attempt.
type call struct {
	attempt.Call
	kind     retry.Kind
	query    url.Values
	form     form.Form
	with     callSettings
	problems problems
	text     *pages.Text // of a page, or nil
	raw      bool        // made by Client.Do: any status of a success will do

	caller *caller
	route  route
	seen   *observation     // by the Observer, or nil
	behind *call            // the call for which this one looks, or nil
	place  ratelimit.Place  // in the queue for turns, for the call and its looks
	ring   attempt.Ring     // the keys that a source gave for the call and its looks
	found  *redact.Detector // made when it is needed: see detector
	known  []*attempt.Key   // the keys that it finds

	began    time.Time     // when a create was sent the last time
	failure  retry.Failure // of the last attempt that failed
	doubtful bool          // a failed attempt of a write may have taken effect
	ended    bool          // there is no further attempt

	attemptEnded func(AttemptResult) // tells the Observer of the attempt under way; nil: it need not know
	body         []byte              // of a success that could not be read
	message      string              // the words in it
}

// route is a path with its ids, and the problems of the ids.
type route struct {
	path     string
	template string // after apiRoot; "" if there is none
	domain   DomainID
	problems problems
}

// pathTemplate is the path with the names of its ids, or "" if that is not known.
func (r route) pathTemplate() string {
	if r.template == "" {
		return ""
	}
	return apiRoot + r.template
}

// path puts ids into a path as the API's page writes it.
func path(template string, ids ...any) route {
	r := route{template: template}
	text := append(make([]byte, 0, 96), apiRoot...) // most are shorter
	for _, id := range ids {
		before, rest, _ := strings.Cut(template, "{")
		name, after, _ := strings.Cut(rest, "}")
		n := reflect.ValueOf(id).Int()
		if n <= 0 {
			r.problems.report(name, "must be a positive id, not "+strconv.FormatInt(n, 10))
		}
		if id, ok := id.(DomainID); ok {
			r.domain = id
		}
		text = strconv.AppendInt(append(text, before...), n, 10)
		template = after
	}
	r.path = string(append(text, template...))
	return r
}

// newCall makes a call that writes. params is a struct that encode takes, or nil
// for no form.
func newCall(op string, k retry.Kind, method string, r route, params any, with []CallOption) *call {
	call := &call{Call: attempt.Call{Op: op, Method: method, Path: r.path}, kind: k, route: r, problems: r.problems}
	call.apply(with)
	call.setForm(params)
	return call
}

func (call *call) setForm(params any) {
	var wrong problems
	call.form, wrong = encode(params, call.with.params)
	call.problems = append(call.problems, wrong...)
}

// newRead makes a call that reads. If paged is set, the API's page has a query for
// it, and opts gives it.
func newRead[R any](op string, k retry.Kind, r route, paged bool, opts *ListOptions[R], with []CallOption) *call {
	query, wrong := opts.query()
	call := &call{Call: attempt.Call{Op: op, Method: http.MethodGet, Path: r.path}, kind: k, route: r, query: query, problems: append(r.problems, wrong...)}
	call.apply(with)
	for _, name := range sortedNames(call.with.params) {
		if base, _, _ := strings.Cut(name, "["); paged && slices.Contains([]string{"filter", "sort", "limit", "offset"}, base) {
			call.problems.report("CallParam", quote(name)+" is an option of this list: set it there")
		}
		if call.query == nil {
			call.query = make(url.Values)
		}
		call.query[name] = call.with.params[name]
	}
	return call
}

// checkLength reports a form that is too long. Without CallParam none is.
func (call *call) checkLength() {
	if call.with.params != nil && len(call.problems) == 0 {
		call.problems.report("params", lengthProblem(call.form.Len()))
	}
}

// lengthProblem tells what is wrong with a form of n values.
func lengthProblem(n int) string {
	if n <= wire.MaxOrder {
		return ""
	}
	return fmt.Sprintf("%d values: PHP silently drops the end of a form of more than %d", n, wire.MaxOrder)
}

// invalid returns the problems of the call, if there are any.
func (call *call) invalid() error {
	if len(call.problems) == 0 {
		return nil
	}
	return &ValidationError{Op: call.Op, Fields: call.problems}
}

// forLooks returns the options of the looks for what the call made: its headers,
// and no answer from before. There are several looks, so each has one attempt.
func (call *call) forLooks() []CallOption {
	return []CallOption{func(s *callSettings) {
		s.header, s.secrets, s.attempts, s.ring = maps.Clone(call.with.header), call.with.secrets, 1, &call.ring
		if s.header == nil {
			s.header = make(http.Header)
		}
		s.header["Cache-Control"] = []string{"no-cache"}
	}}
}

func (call *call) apply(with []CallOption) {
	for _, option := range with {
		if option != nil {
			option(&call.with)
		}
	}
	call.Header = call.with.header
	call.problems = append(call.problems, call.with.problems...)
}

// get reads the one row at r.
func get[R any](ctx context.Context, c *caller, op string, r route, with []CallOption) (*R, error) {
	row := new(R)
	err := c.do(ctx, newRead[R](op, retry.Read, r, false, nil, with), func(resp *http.Response) (err error) {
		layout := rows.LayoutOf[R](rowFormat)
		if *row, err = rows.ReadOne[R](layout, resp.Body, c.limits.RowBytes); err != nil {
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

// list reads the rows at r in one request, where the API's page has no query.
func list[R any](ctx context.Context, c *caller, op string, r route, with []CallOption) ([]R, error) {
	return readList[R](ctx, c, newRead[R](op, retry.Read, r, false, nil, with))
}

// listPaged reads the rows at r in one request, where the page has a query.
func listPaged[R any](ctx context.Context, c *caller, op string, r route, opts *ListOptions[R], with []CallOption) ([]R, error) {
	list, err := readList[R](ctx, c, newRead(op, retry.Read, r, true, opts, with))
	if opts != nil && opts.Limit > 0 && len(list) > opts.Limit {
		list = list[:opts.Limit:opts.Limit] // the server does not know limit
	}
	return list, err
}

// all reads the rows at r in one request, and yields them as they arrive.
func all[R any](ctx context.Context, c *caller, op string, r route, with []CallOption) iter.Seq2[R, error] {
	with = slices.Clone(with)
	return streamed[R](ctx, c, math.MaxInt, func() *call { return newRead[R](op, retry.Stream, r, false, nil, with) })
}

// streamed makes a call, and yields its rows as they arrive, up to most of them.
func streamed[R any](ctx context.Context, c *caller, most int, newCall func() *call) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		call := newCall()
		call.Long = true
		err := c.do(ctx, call, func(resp *http.Response) error {
			n := 0
			err := rows.ReadEach(rows.LayoutOf[R](rowFormat), resp.Body, c.limits.RowBytes, func(row R) bool {
				if n++; n == most {
					attempt.Within(resp.Body, c.limits.ErrorTimeout) // what follows is read only to keep the connection
				}
				return n <= most && yield(row, nil)
			})
			if n >= most {
				return nil
			}
			return err
		})
		if err != nil {
			var none R
			yield(none, err)
		}
	}
}

// allPages reads the rows at r page by page: by id unless opts sort otherwise.
func allPages[R any](ctx context.Context, c *caller, op string, r route, opts *ListOptions[R], with []CallOption) iter.Seq2[R, error] {
	layout := rows.LayoutOf[R](rowFormat)
	id := Field[R](layout.IDNames()[0])
	start := opts.clone()
	anyOrder := len(start.Sort) == 0
	if anyOrder {
		start.Sort = OrderBy(id.Asc())
	}
	return readPages(ctx, c, op, r, start, pages.List[R]{
		ID:             func(row *R) int64 { return layout.ID(row) },
		Refused:        func(err error) bool { return errors.Is(err, ErrInvalid) },
		ByID:           slices.Equal(start.Sort, OrderBy(id.Asc())),
		AnyOrderWillDo: anyOrder,
	}, func(after int64) Filter[R] { return id.Gt(after) }, with)
}

// readPages reads the pages of a list, beginning with start. after filters the rows
// behind an id.
func readPages[R any](ctx context.Context, c *caller, op string, r route, start ListOptions[R], list pages.List[R], after func(int64) Filter[R], with []CallOption) iter.Seq2[R, error] {
	with, seed := slices.Clone(with), maphash.MakeSeed()
	list.Size, list.Max, list.Offset = cmp.Or(start.PageSize, pageRows), start.Limit, start.Offset
	list.Ask = func(ctx context.Context, q pages.Query) (pages.Page[R], error) {
		opts := start
		opts.Offset = q.Offset
		if q.Size > 0 { // else the user's numbers are wrong
			opts.Limit = q.Size
		}
		if q.After != 0 {
			opts.Filter = append(slices.Clip(opts.Filter), after(q.After))
		}
		if q.AnyOrder {
			opts.Sort = nil
		}
		return readPage[R](ctx, c, newRead(op, retry.Read, r, true, &opts, with), seed)
	}
	if c != nil {
		list.Ahead = c.ahead
	}
	return func(yield func(R, error) bool) {
		ctx, seen := c.observe(ctx, op, http.MethodGet, r)
		ended := errAborted
		defer func() { seen.end(ended) }()
		var last error
		list.Read(ctx, func(row R, err error) bool {
			if err != nil && !ofCall(err) {
				err = readError(op, r, err)
			}
			last = err
			return yield(row, err)
		})
		ended = last
	}
}

// readPage reads one page, perhaps ahead of the loop. So CallResponse gets its
// answer later, when the loop comes to the page.
func readPage[R any](ctx context.Context, c *caller, call *call, seed maphash.Seed) (page pages.Page[R], err error) {
	call.text = pages.NewText(seed)
	response := call.with.response
	if response != nil {
		call.with.response = new(Response)
		page.Read = func() { *response = *call.with.response }
	}
	page.Rows, err = readList[R](ctx, c, call)
	page.Sum = call.text.Sum()
	return page, err
}

// ofCall reports whether a call failed with err: it says by itself what was done.
func ofCall(err error) bool {
	return errors.As(err, new(*Error)) || errors.As(err, new(*ValidationError))
}

// readError makes an *Error of what is wrong with rows whose calls have succeeded.
func readError(op string, r route, err error) *Error {
	failed := &Error{Op: op, Method: http.MethodGet, Path: r.path, Outcome: OutcomeNotApplied, Err: translate(err)}
	if failed.Err == ErrPaginationStuck {
		failed.StatusCode, failed.Attempts = http.StatusOK, 1
	}
	return failed
}

func readList[R any](ctx context.Context, c *caller, call *call) (list []R, err error) {
	call.Long = true
	err = c.do(ctx, call, func(resp *http.Response) (err error) {
		if call.with.bounded && !bounded(resp) {
			return errors.New("the end of the connection alone ends this list, so it may be cut")
		}
		list, err = rows.ReadAll[R](rows.LayoutOf[R](rowFormat), call.text.Of(resp.Body), c.limits.RowBytes)
		return err
	})
	return list, err
}

// bounded reports whether an answer says where it ends, so that a cut is an error.
func bounded(resp *http.Response) bool {
	return resp.ProtoMajor != 1 || resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || resp.Uncompressed // gzip has a checksum at its end
}

// exec makes a call whose answer has no rows.
func exec(ctx context.Context, c *caller, op, method string, r route, params any, with []CallOption) error {
	k := retry.Update
	if method == http.MethodDelete {
		k = retry.Delete
	}
	return c.do(ctx, newCall(op, k, method, r, params, with), noRow)
}

// removeMembers removes ids, which a DELETE carries in its body.
func removeMembers[I ID](ctx context.Context, c *caller, op string, r route, ids []I, params func([]I) any, with []CallOption) (err error) {
	ctx, seen := c.observe(ctx, op, http.MethodDelete, r)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	newBatch := func(batch []I) *call { return newCall(op, retry.Remove, http.MethodDelete, r, params(batch), with) }
	return inBatches(c, ids, newBatch, func(call *call, _ []I) error { return c.do(ctx, call, noRow) })
}

// inBatches sends many ids in several requests, because PHP silently drops the end
// of a long array.
func inBatches[I ID](c *caller, ids []I, newBatch func([]I) *call, send func(*call, []I) error) error {
	whole := newBatch(ids)
	if c == nil || len(whole.problems) > 0 || whole.form.Len() <= c.limits.IDsPerRequest {
		return send(whole, ids)
	}
	sent := 0
	size := max(c.limits.IDsPerRequest-(whole.form.Len()-len(ids)), 1) // the form may hold other values too
	for batch := range slices.Chunk(ids, size) {
		err := send(newBatch(batch), batch)
		if failed, ok := errors.AsType[*Error](err); ok && sent > 0 {
			failed.Outcome = OutcomeUnknown // of the call as a whole, which was applied in part
			failed.Err = join(fmt.Errorf("ids %d to %d of %d failed, those before are done", sent+1, sent+len(batch), len(ids)), failed.Err)
		}
		if err != nil {
			return err
		}
		sent += len(batch)
	}
	return nil
}

// do sends a call, again where that does no harm, and lets decode read the answer
// of a success. Its error is a *ValidationError, if nothing was sent, or an *Error.
func (c *caller) do(ctx context.Context, call *call, decode func(*http.Response) error) (err error) {
	if c == nil {
		call.problems = problems{{"client", "make it with NewClient"}}
	}
	if ctx == nil {
		call.problems.report("ctx", "nil: pass context.Background() if there is none")
	}
	call.checkLength()
	if call.with.response != nil {
		*call.with.response = Response{}
	}
	if err := call.invalid(); err != nil {
		return err
	}
	ctx, seen := c.observe(ctx, call.Op, call.Method, call.route)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	ctx, call.seen = c.observed(ctx)
	defer call.seen.waited(call)
	call.caller, call.Account, call.behind, call.ended, call.Waited = c, &c.account.Account, callFrom(ctx), false, 0
	if call.behind != nil && call.behind.caller != c {
		call.behind = nil // a source of credentials, or a transport, makes calls of its own
	}
	call.Form, call.Warned = call.form.Values, call.seen.waiting()
	call.Write, call.Place, call.Ring = call.kind.Writes(), &call.place, cmp.Or(call.with.ring, &call.ring)
	if call.behind != nil {
		call.Place = call.behind.Place
	}
	req, problem := c.request(ctx, call)
	if problem != nil {
		return call.fail(problem)
	}
	req.SetResponseHandler(func(resp *http.Response) error { return call.take(resp, decode) })
	_, problem = c.http.Do(req)
	switch failed, ok := problem.(*Error); {
	case problem == nil:
		c.account.quota.Refund()
		return nil
	case ok:
		return failed
	}
	if outer, ok := errors.AsType[*url.Error](problem); ok {
		problem = outer.Err // the outer error shows the URL with its query
	}
	if ctx.Err() != nil {
		problem = ctx.Err()
	}
	call.respond()
	return call.fail(problem)
}

func (c *caller) request(ctx context.Context, call *call) (*retryablehttp.Request, error) {
	var body any // retryablehttp takes a nil func for a body
	if len(call.form.Values) > 0 {
		text := call.form.Values.Encode()
		body = retryablehttp.ReaderFunc(func() (io.Reader, error) { return strings.NewReader(text), nil })
	}
	req, err := retryablehttp.NewRequestWithContext(attempt.NewContext(ctx, call), call.Method, "", body)
	if err != nil {
		return nil, err
	}
	*req.URL = *c.base // a text would be parsed again
	req.URL.Path += call.Path
	req.URL.RawQuery = call.query.Encode()
	req.Host = req.URL.Host
	// With GetBody, net/http would send a form again by itself each time that an
	// HTTP/2 server resets the stream.
	req.GetBody = nil
	return req, nil
}

// checkRetry decides whether there is another attempt, and after which pause.
// retryablehttp calls it after each attempt, and again after take has read the answer.
func checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	call := callFrom(ctx)
	switch {
	case call.ended || err == nil && call.Succeeded():
		return false, nil
	case !call.Begun():
		call.failed(retry.Final)
		return false, nil // it used no attempt, so counting them does not end it
	case resp == nil:
		call.body, call.message = nil, ""
		call.failed(retry.OfError(ctx, err, call.Sent(), call.Stale()))
	case errors.Is(err, rows.ErrCut):
		call.failed(retry.Cut)
	case err != nil:
		call.failed(retry.Unexpected)
	default:
		call.failed(retry.OfStatus(resp.StatusCode, call.Refused(), call.doubtful))
	}
	rule, policy, asked := retry.RuleFor(call.failure, call.kind), call.retryPolicy(), retry.After(resp)
	ended := call.behind != nil && !call.Write && call.Replayed() && call.used() == 1 // a look has one attempt, and the connection had ended
	switch {
	case ctx.Err() != nil:
		return false, nil
	case rule == retry.NextTurn || ended:
		return true, nil
	case call.used() >= policy.Attempts(rule) || !policy.Accepts(ctx, asked) || !call.caller.account.quota.Spend(call.failure, err):
		return false, nil
	}
	if call.failure != retry.Stale {
		call.Pause = policy.Wait(max(call.used()-1, 0), asked)
	}
	return true, nil
}

// noBackoff: an attempt waits by itself, before it takes its turn.
func noBackoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return 0 }

// used counts the attempts that the table counts.
func (call *call) used() int { return call.Attempts - call.Free }

// retryPolicy returns the policy with the call's own number of attempts.
func (call *call) retryPolicy() retry.Policy {
	policy := call.caller.policy.forRetry()
	policy.MaxAttempts = cmp.Or(call.with.attempts, policy.MaxAttempts)
	return policy
}

// failed notes how an attempt failed.
func (call *call) failed(f retry.Failure) {
	call.failure = f
	if f.MayHaveApplied() && call.kind.Writes() {
		call.doubtful = true
	}
}

// take lets decode read the answer of a success, and makes an error of any other
// answer. It closes the body even if the user's loop, which decode may run, panics or
// calls Goexit.
func (call *call) take(resp *http.Response, decode func(*http.Response) error) error {
	defer resp.Body.Close()
	call.respond()
	call.body, call.message = nil, ""
	if !call.Succeeded() {
		call.ended = true
		failed := call.fail(nil)
		start := attempt.NewOpening(resp.Body, call.caller.limits.ErrorBytes)
		failed.Body, failed.Message = call.detector().Body(start, call.caller.limits.ErrorBytes)
		failed.page = isPage(start.Kept())
		start.Drop()
		if retry.RuleFor(call.failure, call.kind) == retry.Done && !failed.page {
			return nil
		}
		return failed
	}
	opening := attempt.NewOpening(resp.Body, call.caller.limits.ErrorBytes)
	defer opening.Drop()
	resp.Body = opening
	err := errNotAPI
	if call.raw || call.kind.Writes() || resp.StatusCode == http.StatusOK {
		err = decode(resp)
	}
	if err != nil && !opening.Dropped() {
		attempt.Within(opening, call.caller.limits.ErrorTimeout)
		call.body, call.message = call.detector().Answer(opening.Again(), call.caller.limits.ErrorBytes)
	}
	return err
}

// errNotAPI is an answer that the API's page does not have for this call: a proxy
// or a login page may answer so.
var errNotAPI = errors.New("this does not look like the API's answer")

// noRow reads the answer of a call that has no rows in it.
func noRow(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, attempt.MaxDrain))
	if resp.StatusCode != http.StatusNoContent && (err != nil || len(body) == attempt.MaxDrain || len(bytes.TrimSpace(body)) > 0) {
		return errNotAPI
	}
	return nil
}

// respond fills the Response of CallResponse.
func (call *call) respond() {
	if r := call.with.response; r != nil {
		*r = Response{StatusCode: call.Status(), Header: call.Answer(), RequestID: call.Answer().Get("X-Request-Id"), Attempts: call.Attempts}
	}
}

// fail returns the error of a call that did not succeed.
func (call *call) fail(err error) *Error {
	e := &Error{Op: call.Op, Method: call.Method, Path: call.Path, StatusCode: call.Status(), Attempts: call.Attempts, Outcome: OutcomeNotApplied, Body: call.body, Message: call.message, Err: call.Clean(err)}
	if call.doubtful {
		e.Outcome = OutcomeUnknown
	}
	e.RequestID = attempt.RequestID(call)
	e.RetryAfter = retry.After(&http.Response{StatusCode: call.Status(), Header: call.Answer()})
	return e
}

// applied returns the error of a call that took effect and failed after that.
func (call *call) applied(err error) *Error {
	e := call.fail(err)
	e.Outcome = OutcomeApplied
	if !call.Succeeded() {
		e.StatusCode, e.RetryAfter = 0, 0 // they are those of a failure, and the call took effect
	}
	return e
}

// secrets are the values that the call sends and no error may show.
func (call *call) secrets() []string {
	all := append(call.form.Secrets(), call.with.secrets...)
	for _, key := range call.Keys() {
		_, secrets := (*key)()
		all = append(all, secrets...)
	}
	if call.behind != nil {
		all = append(all, call.behind.secrets()...)
	}
	return all
}

// open are the values that the call sends for all to see, and names of the API.
func (call *call) open() []string {
	all := append([]string{call.Path, call.caller.base.Host}, secretNames...)
	for _, sent := range []map[string][]string{call.form.Values, call.query, call.Header} {
		for name, values := range sent {
			all = append(append(all, name), redact.Labels(name, values...)...)
			if !slices.Contains(call.form.Hidden, name) && !redact.Sensitive(name) {
				all = append(all, values...)
			}
		}
	}
	if call.behind != nil {
		all = append(all, call.behind.open()...)
	}
	return all
}

// detector finds the call's secrets in text. Most calls never need it. It is made again
// when a source has given another key.
func (call *call) detector() *redact.Detector {
	if keys := call.Keys(); call.found == nil || !slices.Equal(keys, call.known) {
		call.found, call.known = redact.New(call.secrets(), call.open(), secretNames), keys
	}
	return call.found
}

// Clean returns the error without the call's query, and without its text if that
// shows a secret.
func (call *call) Clean(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*attempt.SourceError](err); ok || errors.Is(err, attempt.ErrLimiter) {
		return call.detector().Foreign(translate(err), call.Secrets().Named)
	}
	var cuts []string
	if query := call.query.Encode(); query != "" {
		cuts = []string{"?" + query, query}
	}
	return call.detector().Error(translate(err), cuts...)
}

// Secrets are what no log may show of the call.
func (call *call) Secrets() transcript.Secrets {
	return transcript.Secrets{Detector: call.detector(), Named: func(name string) bool {
		return slices.Contains(call.form.Hidden, name) || secretNames.Has(name) || redact.Sensitive(name)
	}}
}

// callFrom returns the call that a request's context belongs to, or nil.
func callFrom(ctx context.Context) *call {
	call, _ := attempt.FromContext(ctx).(*call)
	return call
}

// OperationFromContext returns the name of the call, such as "Users.Create",
// that a request's context belongs to, and "" for any other context. An
// http.RoundTripper names its spans and metrics by it.
func OperationFromContext(ctx context.Context) string {
	if ctx != nil {
		if call := callFrom(ctx); call != nil {
			return call.Op
		}
	}
	return ""
}
