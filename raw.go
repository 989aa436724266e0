package infinitysip

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/pages"
	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/retry"
	"github.com/infinitysip/infinitysip/internal/rows"
)

// Do makes a call that this package does not have yet, with the same credentials,
// limits and rules as any other.
//
// method is GET, POST, PUT or DELETE. path is the whole path as the API's page has it,
// such as /config/v2/sip/domains/1/fax, with its ids and without escapes. It appears in
// errors and logs, so put no secret into it. form is the query of a GET, and the
// body of any other call. It may be nil. If a name in form has "password", "pin" or
// "token" in it, or says otherwise that its value is secret, no error and no log shows
// the value. Do does not check what the API wants in a form.
//
// The Response has the Body, which [Row] reads. Do fails if it is longer than
// [Limits].RowBytes, by default 1 MiB. A status of
// 200, 201 or 204 is a success, with any text except a page of HTML or XML. So is the
// 404 or 410 of a DELETE without a form whose first answer was lost: the thing is gone.
// After an error there is no Response, but [CallResponse] gets the status and the header.
//
// A GET is sent again as any read is, a PUT as an update, a DELETE as a delete, or, with
// a form, as a removal of members. What a POST does is not known. So it is sent again
// only if no connection could be made, or after a 429. After any other failure that
// leaves its outcome open, the error matches [ErrOutcomeUnknown].
func (c *Client) Do(ctx context.Context, method, path string, form url.Values, with ...CallOption) (response *Response, err error) {
	caller, call := c.core(), newRaw(method, path, form, with)
	ctx, seen := caller.observe(ctx, call.Op, method, call.route)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	call.with.response = cmp.Or(call.with.response, new(Response))
	var body []byte
	var lost error // why the body of a write that took effect cannot be read
	failed := caller.do(ctx, call, func(resp *http.Response) (err error) {
		body, err = readBody(resp.Body, caller.limits.RowBytes)
		if err != nil && err != errNotAPI && call.kind.Writes() {
			lost, err = err, nil
		}
		return err
	})
	if failed != nil {
		return nil, failed
	}
	if lost != nil {
		return nil, call.applied(fmt.Errorf("it took effect, but its answer is lost: %w", lost))
	}
	call.with.response.Body = body
	return new(*call.with.response), nil
}

// core returns what makes the calls, or nil for a Client that is not NewClient's.
func (c *Client) core() *caller {
	if c == nil {
		return nil
	}
	return c.caller
}

// newRaw makes a call of Do.
func newRaw(method, path string, values url.Values, with []CallOption) *call {
	r := rawRoute(path)
	if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, method) {
		r.problems.report("method", "must be GET, POST, PUT or DELETE, not "+quote(method))
	}
	call := newCall("Client.Do", retry.Post, method, r, nil, with)
	call.raw = true
	for _, name := range sortedNames(values) {
		call.problems.report("form", paramProblem(name, values[name]))
		if call.form.Has(name) {
			call.problems.report("CallParam", quote(name)+" is in the form: set it there")
		}
	}
	for name, texts := range values {
		if call.form.Values == nil {
			call.form.Values = make(url.Values, len(values))
		}
		call.form.Values[name] = slices.Clone(texts)
	}
	call.problems.report("form", lengthProblem(call.form.Len()))
	for _, name := range sortedNames(call.form.Values) {
		if redact.MayBeSensitive(name) {
			call.form.Hidden = append(call.form.Hidden, name)
		}
	}
	switch {
	case method == http.MethodGet:
		call.kind, call.with.secrets = retry.Read, append(call.with.secrets, call.form.Secrets()...)
		call.query, call.form.Values = call.form.Values, nil
	case method == http.MethodPut:
		call.kind = retry.Update
	case method == http.MethodDelete && len(call.form.Values) == 0:
		call.kind = retry.Delete
	case method == http.MethodDelete:
		call.kind = retry.Remove
	}
	return call
}

// rawRoute checks a whole path that the caller wrote. The problem does not repeat it,
// since it may hold a query.
func rawRoute(path string) route {
	r := route{path: path}
	if below, ok := strings.CutPrefix(path, apiRoot+"/domains/"); ok {
		id, _, _ := strings.Cut(below, "/")
		r.domain, _ = ParseID[DomainID](id) // 0 if it is none
	}
	r.problems.report("path", attempt.CheckPath(path))
	return r
}

// readBody reads an answer of any kind, of at most limit bytes.
func readBody(from io.Reader, limit int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, int64(limit)+1))
	switch {
	case isPage(body):
		return nil, errNotAPI
	case len(body) > limit:
		return nil, fmt.Errorf("the answer is longer than Limits.RowBytes, %d bytes", limit)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", rows.ErrCut, err)
	}
	return body, nil
}

// isPage reports whether an answer is a page of HTML: a proxy's, not the API's.
func isPage(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<"))
}

// Rows reads the rows at a path that this package does not have yet, as an All does.
// path is as in [Client.Do]. R is a struct whose fields have the names of the members
// in their json tags:
//
//	type fax struct {
//		ID     int64  `json:"faxId" row:"id"`
//		Number string `json:"faxNumber"`
//	}
//
// R needs no Extra. If R has methods of its own to read JSON, Rows does not call them.
// A struct that embeds a row of this package, such as [User], is read with the fields
// of both. But encoding/json does not see the struct's own fields: see Rows in the
// package documentation. To store it, copy it into a struct that has the row as a field.
//
// Without opts.PageSize, Rows makes one request and yields the rows as they arrive.
// opts.Limit is sent, and no more rows than that are yielded. With opts.PageSize, Rows
// reads page after page by the offset, some of them ahead of the loop, in the server's
// order or that of opts.Sort. If rows come or go meanwhile, a row may be passed over,
// or come twice. A server that ignores the offset ends the loop with
// [ErrPaginationStuck]. So do two pages whose text is the same, if their rows do not say
// their ids.
func Rows[R any](ctx context.Context, c *Client, path string, opts *ListOptions[R], with ...CallOption) iter.Seq2[R, error] {
	r, caller, start := rawRoute(path), c.core(), opts.clone()
	layout := rows.LayoutOf[R](rowFormat)
	r.problems.report("R", layout.Problem())
	if start.PageSize > 0 && start.Limit >= 0 {
		return readPages(ctx, caller, "Rows", r, start, pages.List[R]{
			ID: func(row *R) int64 { return layout.ID(row) },
		}, nil, with)
	}
	with = slices.Clone(with)
	return streamed[R](ctx, caller, cmp.Or(start.Limit, math.MaxInt), func() *call { return newRead("Rows", retry.Stream, r, true, &start, with) })
}

// Row reads the one row in the Body of what [Client.Do] returned, into a struct as for
// [Rows]: an id may be "7" or 7 there. Its error is no *Error, because the call itself
// has succeeded.
func Row[R any](response *Response) (*R, error) {
	layout := rows.LayoutOf[R](rowFormat)
	var wrong problems
	wrong.report("R", layout.Problem())
	if response == nil {
		wrong.report("response", "nil: pass what Client.Do returns")
	}
	if len(wrong) > 0 {
		return nil, &ValidationError{Op: "Row", Fields: wrong}
	}
	row, err := rows.ReadOne[R](layout, bytes.NewReader(response.Body), max(len(response.Body), 1))
	if err != nil {
		return nil, fmt.Errorf("infinitysip: Row: the answer: %w", err)
	}
	return &row, nil
}

// Collect reads an iterator to its end: Collect(client.Users.All(ctx, domain)). It
// returns nil if there are no rows, and nil and the error if one comes, whatever came
// before it.
func Collect[R any](list iter.Seq2[R, error]) ([]R, error) {
	if list == nil {
		return nil, &ValidationError{Op: "Collect", Fields: problems{{"rows", "nil: pass what an All returns"}}}
	}
	return rows.Collect(list)
}
