// Package pages reads a list page by page, asks for pages ahead of the reader,
// and yields each row once, whatever comes and goes meanwhile.
package pages

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// The errors of a List's own. Those of Ask are yielded as they are.
var (
	// ErrStuck: the server gave the same page again and again.
	ErrStuck = errors.New("the server repeats a page")
	// ErrLost: Ask did not come back.
	ErrLost = errors.New("the transport did not come back")
)

// Query tells which page is asked for.
type Query struct {
	After    int64 // only rows with a greater id; 0: all
	Offset   int   // how many rows to skip
	Size     int   // the most rows; not positive if Size or Max of the List is negative
	AnyOrder bool  // the server refused the order by id
}

// Page is a page of rows R.
type Page[R any] struct {
	Rows []R
	Sum  uint64 // of what the server sent, see Text: it tells pages apart whose rows do not say their ids
	Read func() // if it is set, called by the reader's goroutine before the rows, or the page's error, are yielded
}

// List is a list of rows R that is read page by page.
//
// It is read in runs. A run is pages at the offsets from one point of the list
// on. The pager waits for its first page. If that page is full, there is more, and the
// next ones are asked for ahead of the reader. A run ends with the first page
// that is not full, or that does not join the one before. The pages that were
// asked for after it are dropped, and the next run begins behind the last row
// that was read. The list ends with an empty page: a short one may only mean that
// the server has a limit of its own.
//
// By id, a run begins with the first id greater than the last one, and a page
// joins the one before if it begins with its last row. So no row is passed over
// or repeated, whatever comes and goes meanwhile. In another order there is the
// offset alone to go by. A page that comes again is passed over once: as many rows
// may have been inserted before it.
//
// Nothing is asked for beyond Max rows.
type List[R any] struct {
	Ask            func(context.Context, Query) (Page[R], error)
	ID             func(*R) int64   // of a row; 0: the row does not say
	Refused        func(error) bool // the server refuses to sort or to filter by id
	Size           int              // rows of a full page
	Max            int              // rows that the reader wants; 0: all
	Offset         int              // where the list begins
	Ahead          int              // pages that are asked for ahead of the reader
	ByID           bool             // the rows are asked for in the order of their ids
	AnyOrderWillDo bool             // the user asked for no order
}

// Read yields the rows of the list, up to the first error.
func (l List[R]) Read(ctx context.Context, yield func(R, error) bool) {
	p := &pager[R]{List: l, yield: yield, full: l.Size, left: l.Max}
	if p.left == 0 {
		p.left = math.MaxInt
	}
	for p.run(ctx) {
	}
}

type pager[R any] struct {
	List[R]
	yield func(R, error) bool

	anyOrder bool    // see Query
	left     int     // rows that the reader wants
	full     int     // rows of a page that is not short
	seen     int     // rows yielded, or passed over
	before   Page[R] // the page before, of which rows were yielded
	last     int64   // the last id in it
	again    bool    // it came again
}

// run makes a run, and reports whether there is another.
func (p *pager[R]) run(ctx context.Context) bool {
	query := Query{Offset: p.Offset + p.seen, Size: min(p.Size, p.left), AnyOrder: p.anyOrder}
	if p.ByID && p.seen > 0 {
		query.After, query.Offset = p.last, 0
	}
	page, err := p.Ask(ctx, query)
	if p.ByID && (err != nil && p.Refused(err) || err == nil && !p.ascend(page.Rows)) {
		// The server does not sort or filter by what is the id here.
		p.ByID = false
		switch {
		case p.seen > 0:
			return true
		case err != nil && p.AnyOrderWillDo:
			p.anyOrder = true
			return true
		}
	}
	if err == nil && p.repeated(page) {
		return p.pass(page)
	}
	if err != nil || len(page.Rows) == 0 {
		return p.end(page, err)
	}
	step, full := len(page.Rows), len(page.Rows) == p.full
	if p.ByID {
		step-- // for the row by which a page joins
	}
	p.full = len(page.Rows)
	if full && step > 0 {
		return p.readAhead(ctx, query, step, page)
	}
	return p.take(page)
}

// pending is a page that was asked for.
type pending[R any] struct {
	done     chan struct{}
	page     Page[R]
	err      error
	panicked any // what Ask panicked with, for the reader, who may recover it
}

// readAhead goes on with a run that begins with page.
func (p *pager[R]) readAhead(ctx context.Context, query Query, step int, page Page[R]) bool {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait() // also when the caller's loop does not come back
	defer cancel()
	queue := make(chan *pending[R], max(p.Ahead, 1))
	left, joint := p.left-len(page.Rows), len(page.Rows)-step // rows that nothing asked for yet, and that come again with each page
	fill := func(n int) {
		for len(queue) < n && left > 0 {
			query.Offset += step
			query.Size = min(p.Size, left+joint)
			left -= step
			query, next := query, &pending[R]{done: make(chan struct{}), err: ErrLost}
			asking.Go(func() {
				defer close(next.done)
				defer func() { next.panicked = recover() }()
				next.page, next.err = p.Ask(ctx, query)
			})
			queue <- next
		}
	}
	for fill(p.Ahead); p.take(page); fill(p.Ahead) {
		fill(1)
		next := <-queue
		<-next.done
		if next.panicked != nil {
			panic(next.panicked)
		}
		page = next.page
		switch {
		case next.err != nil:
			return p.end(page, next.err)
		case ctx.Err() != nil:
			return p.end(page, ctx.Err())
		case p.ByID && (len(page.Rows) == 0 || p.ID(&page.Rows[0]) != p.last):
			return true
		case p.ByID && !p.ascend(page.Rows[1:]):
			p.ByID = false
			return true
		case p.ByID:
			page.Rows = page.Rows[1:]
		case len(page.Rows) == 0:
			return p.end(page, nil)
		case p.repeated(page):
			return p.pass(page)
		}
		if len(next.page.Rows) != p.full {
			return p.take(page)
		}
	}
	return false
}

// take yields the rows of a page, and reports whether the reader wants more.
func (p *pager[R]) take(page Page[R]) bool {
	if page.Read != nil {
		page.Read()
	}
	page.Rows = page.Rows[:min(len(page.Rows), p.left)]
	p.left -= len(page.Rows)
	for i := range page.Rows {
		if !p.yield(page.Rows[i], nil) {
			return false
		}
	}
	if n := len(page.Rows); n > 0 {
		p.before, p.last, p.again = page, p.ID(&page.Rows[n-1]), false
		p.seen += n
	}
	return p.left > 0
}

// pass goes on behind a page that came again, unless it came twice, or its rows do
// not say that they are the same.
func (p *pager[R]) pass(page Page[R]) bool {
	if p.again || p.last == 0 {
		return p.end(page, ErrStuck)
	}
	p.again = true
	p.seen += len(page.Rows)
	return true
}

// end ends the list with its last page, which has no rows to yield.
func (p *pager[R]) end(page Page[R], err error) bool {
	if page.Read != nil && (err != nil || p.seen == 0) {
		page.Read()
	}
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
		id := p.ID(&rows[i])
		if id <= last {
			return false
		}
		last = id
	}
	return true
}

// repeated reports whether the server sent the page before again, or its beginning, if
// fewer rows were asked for.
func (p *pager[R]) repeated(page Page[R]) bool {
	n, all := len(page.Rows), len(p.before.Rows)
	return !p.ByID && n > 0 && n <= all && slices.EqualFunc(page.Rows, p.before.Rows[:n], func(a, b R) bool {
		id := p.ID(&a)
		return id == p.ID(&b) && (id != 0 || page.Sum == p.before.Sum || n < all && fmt.Sprint(a) == fmt.Sprint(b))
	})
}
