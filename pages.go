package infinitysip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync"

	"github.com/infinitysip/infinitysip/internal/rows"
)

const (
	pageSize  = 1000 // rows that an iterator asks for at a time
	readAhead = 4    // pages that it asks for ahead of its reader
	farthest  = 100  // most that this may be set to
)

// pages reads the rows at r page by page: by id unless opts sort otherwise.
func pages[R any](ctx context.Context, c *caller, op string, r route, opts *ListOptions[R]) iter.Seq2[R, error] {
	var start ListOptions[R]
	if opts != nil {
		start = ListOptions[R]{slices.Clone(opts.Filter), slices.Clone(opts.Sort), opts.Limit, opts.Offset}
	}
	start.Limit = cmp.Or(start.Limit, pageSize)
	layout := rows.LayoutOf[R](rowFormat)
	id := Field[R](layout.IDNames()[0])
	unsorted := len(start.Sort) == 0
	if unsorted {
		start.Sort = OrderBy(id.Asc())
	}
	return func(yield func(R, error) bool) {
		p := &pager[R]{
			ask: func(ctx context.Context, opts ListOptions[R]) ([]R, error) { return list(ctx, c, op, r, &opts) },
			fail: func(err error) *Error {
				return &Error{Op: op, Method: http.MethodGet, Path: r.path, Outcome: NotApplied, Err: err}
			},
			id:       id,
			idOf:     func(row *R) int64 { return layout.ID(row) },
			start:    start,
			yield:    yield,
			byID:     slices.Equal(start.Sort, OrderBy(id.Asc())),
			full:     start.Limit,
			unsorted: unsorted,
		}
		if c := c; c != nil {
			p.ahead = c.ahead
		}
		for p.run(ctx) {
		}
	}
}

// pager reads a list in runs. A run is pages at the offsets from one point of
// the list on. Its first page is waited for; when that is full, which shows
// that there is more, the next ones are asked for ahead of the reader. A run
// ends with the first page that is not full or does not join the one before:
// what was asked for after that is dropped, and the next run begins behind the
// last row that was read. The list ends with an empty page; one that is short
// may only mean that the server has a limit of its own.
//
// By id, a run begins with the first id greater than the last one, and a page
// joins the one before when it begins with its last row. So no row is passed
// over or repeated, whatever comes and goes meanwhile. In another order there
// is the offset alone to go by.
type pager[R any] struct {
	ask   func(context.Context, ListOptions[R]) ([]R, error)
	fail  func(error) *Error
	id    Field[R]
	idOf  func(*R) int64
	start ListOptions[R]
	ahead int
	yield func(R, error) bool

	unsorted    bool   // the caller asks for no order
	byID        bool   // the rows come by id, as far as is known
	full        int    // rows of a page that is not short
	seen        int    // rows yielded
	first, last int64  // ids of the page before
	before      string // that page, where a row does not say its id
}

// run reports whether there is to be another.
func (p *pager[R]) run(ctx context.Context) bool {
	opts := p.start
	if p.byID && p.seen > 0 {
		opts.Filter = append(slices.Clip(opts.Filter), p.id.Gt(p.last))
		opts.Offset = 0
	} else {
		opts.Offset += p.seen
	}
	rows, err := p.ask(ctx, opts)
	if p.byID && (errors.Is(err, ErrInvalid) || err == nil && !p.ascend(rows)) {
		// The server does not sort or filter by what is the id here.
		p.byID = false
		switch {
		case p.seen > 0:
			return true
		case err != nil && p.unsorted:
			p.start.Sort = nil
			return true
		}
	}
	if err == nil {
		err = p.check(rows)
	}
	if err != nil || len(rows) == 0 {
		return p.end(err)
	}
	step, full := len(rows), len(rows) == p.full
	if p.byID {
		step-- // for the row by which a page joins
	}
	p.full = len(rows)
	if full && step > 0 {
		return p.goOn(ctx, opts, step, rows)
	}
	return p.take(rows)
}

// page is one that was asked for.
type page[R any] struct {
	done chan struct{}
	rows []R
	err  error
}

// goOn goes on with a run whose first page is rows.
func (p *pager[R]) goOn(ctx context.Context, opts ListOptions[R], step int, rows []R) bool {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait() // also when the caller's loop does not come back
	defer cancel()
	queue := make(chan *page[R], max(p.ahead, 1))
	fill := func(n int) {
		for len(queue) < n {
			opts.Offset += step
			opts, next := opts, &page[R]{done: make(chan struct{}), err: p.fail(errors.New("the transport did not come back"))}
			asking.Go(func() {
				defer close(next.done)
				next.rows, next.err = p.ask(ctx, opts)
			})
			queue <- next
		}
	}
	for fill(p.ahead); p.take(rows); fill(p.ahead) {
		fill(1)
		next := <-queue
		<-next.done
		rows = next.rows
		switch {
		case next.err != nil:
			return p.end(next.err)
		case ctx.Err() != nil:
			return p.end(p.fail(ctx.Err()))
		case p.byID && (len(rows) == 0 || p.idOf(&rows[0]) != p.last):
			return true
		case p.byID && !p.ascend(rows[1:]):
			p.byID = false
			return true
		case p.byID:
			rows = rows[1:]
		default:
			if err := p.check(rows); err != nil || len(rows) == 0 {
				return p.end(err)
			}
		}
		if len(next.rows) != p.full {
			return p.take(rows)
		}
	}
	return false
}

// take yields rows, and reports whether the reader wants more.
func (p *pager[R]) take(rows []R) bool {
	for i := range rows {
		if !p.yield(rows[i], nil) {
			return false
		}
	}
	if len(rows) > 0 {
		if p.first, p.last = p.idOf(&rows[0]), p.idOf(&rows[len(rows)-1]); p.first == 0 {
			p.before = fmt.Sprint(rows)
		}
		p.seen += len(rows)
	}
	return true
}

// end yields err, if there is one, and ends the list.
func (p *pager[R]) end(err error) bool {
	if err != nil {
		var none R
		p.yield(none, err)
	}
	return false
}

// ascend reports whether the ids of rows go up from the last one.
func (p *pager[R]) ascend(rows []R) bool {
	last := p.last
	for i := range rows {
		id := p.idOf(&rows[i])
		if id <= last {
			return false
		}
		last = id
	}
	return true
}

// check finds a page that was there before.
func (p *pager[R]) check(rows []R) error {
	switch {
	case p.byID || len(rows) == 0 || p.seen == 0 || p.idOf(&rows[0]) != p.first:
		return nil
	case p.first == 0 && fmt.Sprint(rows) != p.before:
		return nil
	}
	err := p.fail(ErrPaginationStuck)
	err.StatusCode, err.Attempts = http.StatusOK, 1
	return err
}
