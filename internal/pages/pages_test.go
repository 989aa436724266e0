package pages_test

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/pages"
)

// row is a row, which says its id unless that is 0.
type row struct {
	id   int64
	name string
}

var (
	errRefused = errors.New("no such field")
	errBroken  = errors.New("broken")
)

// habits are what a server does with a query.
type habits struct {
	most  int  // rows that it gives at the most; 0: as many as are asked for
	named bool // the list is sorted as the rows are, not by id

	ignoresSize, ignoresOffset, ignoresAfter, ignoresOrder bool
	refusesAfter, refusesOrder                             bool
}

// server has a list of rows, which it gives in pages.
type server struct {
	habits
	rows []row // in the server's own order
	size int   // rows of a page that is asked for
	seed maphash.Seed

	// If they are set: how long an answer takes, what happens before it is made,
	// and the error that comes with it.
	delay  func(pages.Query) time.Duration
	before func(pages.Query)
	fails  func(pages.Query) error

	mu                  sync.Mutex
	asked               []string // see said
	underWay, atTheMost int
}

// said writes a query: the offset, or what the rows come behind.
func said(q pages.Query) string {
	text := fmt.Sprint(q.Offset)
	if q.After != 0 {
		text = fmt.Sprintf(">%d+%d", q.After, q.Offset)
	}
	if q.AnyOrder {
		text += " in any order"
	}
	return text
}

func (s *server) ask(ctx context.Context, q pages.Query) (page pages.Page[row], err error) {
	s.mu.Lock()
	s.asked = append(s.asked, said(q))
	s.underWay++
	s.atTheMost = max(s.atTheMost, s.underWay)
	delay := time.Duration(0)
	if s.delay != nil {
		delay = s.delay(q)
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.underWay--
	}()
	if delay > 0 {
		select {
		case <-ctx.Done():
			return page, ctx.Err()
		case <-time.After(delay):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before(q)
	}
	if s.refusesOrder && !s.named && !q.AnyOrder || s.refusesAfter && q.After != 0 {
		return page, errRefused
	}
	rows := slices.Clone(s.rows)
	if !s.named && !q.AnyOrder && !s.ignoresOrder {
		slices.SortStableFunc(rows, func(a, b row) int { return int(a.id - b.id) })
	}
	if !s.ignoresAfter {
		rows = slices.DeleteFunc(rows, func(r row) bool { return q.After != 0 && r.id <= q.After })
	}
	if !s.ignoresOffset {
		rows = rows[min(q.Offset, len(rows)):]
	}
	if !s.ignoresSize {
		rows = rows[:min(q.Size, len(rows))]
	}
	if s.most > 0 {
		rows = rows[:min(s.most, len(rows))]
	}
	page.Rows, page.Sum = rows, maphash.String(s.seed, fmt.Sprint(rows))
	if s.fails != nil {
		err = s.fails(q)
	}
	return page, err
}

// counts are how many Asks are under way, and how many there were.
func (s *server) counts() (underWay, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.underWay, len(s.asked)
}

// list is the server's list.
func (s *server) list(ahead int) pages.List[row] {
	return pages.List[row]{
		Ask: s.ask, ID: func(r *row) int64 { return r.id }, Refused: func(err error) bool { return err.Error() == errRefused.Error() },
		Size: s.size, Ahead: ahead, ByID: !s.named, AnyOrderWillDo: !s.named,
	}
}

// newServer has rows of these ids, in pages of size.
func newServer(size int, ids ...int64) *server {
	s := &server{size: size, seed: maphash.MakeSeed()}
	s.add(ids...)
	return s
}

func (s *server) add(ids ...int64) {
	for _, id := range ids {
		s.rows = append(s.rows, row{id, fmt.Sprint("row ", id)})
	}
}

// addFirst adds rows before all others.
func (s *server) addFirst(ids ...int64) {
	others := s.rows
	s.rows = nil
	s.add(ids...)
	s.rows = append(s.rows, others...)
}

func (s *server) remove(ids ...int64) {
	s.rows = slices.DeleteFunc(s.rows, func(r row) bool { return slices.Contains(ids, r.id) })
}

// from1 are the ids up to last.
func from1(last int64) (ids []int64) { return fromTo(1, last) }

func aSecond(pages.Query) time.Duration { return time.Second }

func fromTo(first, last int64) (ids []int64) {
	for id := first; id <= last; id++ {
		ids = append(ids, id)
	}
	return ids
}

// read reads a list to its end or to its error.
func read(t *testing.T, l pages.List[row]) (ids []int64, last error) {
	t.Helper()
	l.Read(t.Context(), func(r row, err error) bool {
		require.NoError(t, last, "nothing follows an error")
		require.Less(t, len(ids), 1000, "it ends")
		if last = err; err != nil {
			require.Zero(t, r)
			return true
		}
		ids = append(ids, r.id)
		return true
	})
	return ids, last
}

func TestPages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		habits habits
		rows   int64
		size   int // that is asked for
		ahead  int
		offset int
		want   []int64
		asked  []string
	}{
		"by id": {
			rows: 25, size: 10, want: from1(25), asked: []string{"0", "9", "18", ">25+0"},
		},
		"by id, one ahead": {
			rows: 25, size: 10, ahead: 1, want: from1(25), asked: []string{"0", "9", "18", ">25+0"},
		},
		"by id, four ahead": {
			rows: 25, size: 10, ahead: 4, want: from1(25), asked: []string{"0", "9", "18", "27", "36", "45", ">25+0"},
		},
		"by id, from an offset": {
			rows: 25, size: 10, offset: 2, want: fromTo(3, 25), asked: []string{"2", "11", "20", ">25+0"},
		},
		"by id, the last page is full": {
			rows: 19, size: 10, want: from1(19), asked: []string{"0", "9", "18", ">19+0"},
		},
		"in another order": {
			habits: habits{named: true}, rows: 25, size: 10, want: from1(25), asked: []string{"0", "10", "20", "25"},
		},
		"in another order, one ahead": {
			habits: habits{named: true}, rows: 25, size: 10, ahead: 1, want: from1(25), asked: []string{"0", "10", "20", "25"},
		},
		"in another order, from an offset": {
			habits: habits{named: true}, rows: 25, size: 10, offset: 2, want: fromTo(3, 25), asked: []string{"2", "12", "22", "25"},
		},
		"in another order, the last page is full": {
			habits: habits{named: true}, rows: 20, size: 10, want: from1(20), asked: []string{"0", "10", "20"},
		},
		"in another order, from an offset, and again after a page that is short": {
			habits: habits{named: true, most: 4}, rows: 9, size: 10, offset: 2, want: fromTo(3, 9), asked: []string{"2", "6", "9"},
		},
		"nothing":                           {size: 10, ahead: 4, asked: []string{"0"}},
		"nothing, in another order":         {habits: habits{named: true}, size: 10, ahead: 4, asked: []string{"0"}},
		"nothing behind the offset":         {rows: 3, size: 10, offset: 3, ahead: 4, asked: []string{"3"}},
		"one row":                           {rows: 1, size: 10, ahead: 4, want: from1(1), asked: []string{"0", ">1+0"}},
		"less than a page":                  {rows: 9, size: 10, ahead: 4, want: from1(9), asked: []string{"0", ">9+0"}},
		"less than a page, another order":   {habits: habits{named: true}, rows: 9, size: 10, ahead: 4, want: from1(9), asked: []string{"0", "9"}},
		"pages of one row":                  {rows: 3, size: 1, ahead: 4, want: from1(3), asked: []string{"0", ">1+0", ">2+0", ">3+0"}},
		"pages of one row, another order":   {habits: habits{named: true}, rows: 3, size: 1, want: from1(3), asked: []string{"0", "1", "2", "3"}},
		"pages of two rows":                 {rows: 3, size: 2, want: from1(3), asked: []string{"0", "1", "2", ">3+0"}},
		"the server gives one at a time":    {habits: habits{most: 1}, rows: 3, size: 10, ahead: 4, want: from1(3), asked: []string{"0", ">1+0", ">2+0", ">3+0"}},
		"the server gives more than asked":  {habits: habits{ignoresSize: true}, rows: 25, size: 10, ahead: 4, want: from1(25), asked: []string{"0", ">25+0"}},
		"the server gives less than asked":  {habits: habits{most: 7}, rows: 25, size: 10, want: from1(25), asked: []string{"0", ">7+0", ">7+6", ">7+12", ">25+0"}},
		"less than asked, in another order": {habits: habits{named: true, most: 7}, rows: 25, size: 10, want: from1(25), asked: []string{"0", "7", "14", "21", "25"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(test.size, from1(test.rows)...)
			s.habits = test.habits
			list := s.list(test.ahead)
			list.Offset = test.offset
			got, err := read(t, list)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			if test.ahead > 1 {
				slices.Sort(s.asked) // they set out at once
				slices.Sort(test.asked)
			}
			require.Equal(t, test.asked, s.asked)
			require.LessOrEqual(t, s.atTheMost, max(test.ahead, 1))
		})
	}
}

// A reader that wants so many rows gets them, and nothing is asked for beyond them,
// whatever the server does.
func TestMax(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]habits{
		"by id":                    {},
		"in another order":         {named: true},
		"it has its own limit":     {most: 3},
		"its own limit and order":  {most: 3, named: true},
		"it ignores the size":      {ignoresSize: true},
		"it refuses to filter":     {refusesAfter: true},
		"it refuses the order":     {refusesOrder: true},
		"it ignores what is after": {ignoresAfter: true},
	} {
		for _, ahead := range []int{0, 1, 4} {
			for size := 1; size <= 6; size++ {
				for most := 1; most <= 14; most++ {
					s := newServer(size, from1(12)...)
					s.habits = does
					s.before = func(q pages.Query) {
						require.Positive(t, q.Size)
						require.LessOrEqual(t, int(q.After)+q.Offset+q.Size, most, "%s, %d ahead, %d a page, %d wanted", name, ahead, size, most)
					}
					list := s.list(ahead)
					list.Max = most
					got, err := read(t, list)
					require.NoError(t, err, name)
					require.Equal(t, from1(min(int64(most), 12)), got, "%s, %d ahead, %d a page, %d wanted", name, ahead, size, most)
				}
			}
		}
	}
}

// A List can be read more than once.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	list := newServer(3, from1(10)...).list(2)
	for range 3 {
		ids, err := read(t, list)
		require.NoError(t, err)
		require.Equal(t, from1(10), ids)
	}
}

// Pages come in order, whichever answer is first.
func TestAheadKeepsTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(11, from1(50)...)
		list := s.list(4)
		list.Ask = func(ctx context.Context, q pages.Query) (pages.Page[row], error) {
			if q.Offset > 0 {
				time.Sleep(time.Duration(5-q.Offset/10) * time.Second) // the bubble's clock
			}
			return s.ask(ctx, q)
		}
		start := time.Now()
		ids, err := read(t, list)
		require.NoError(t, err)
		require.Equal(t, from1(50), ids)
		require.Equal(t, []string{"0", "40", "30", "20", "10"}, s.asked[:5])
		require.Equal(t, 4*time.Second, time.Since(start))
	})
}

// Nothing is asked for ahead before the first page is there, and then never more
// than was said.
func TestAheadIsBounded(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{false, true} {
		for _, ahead := range []int{-1, 0, 1, 2, 4, 100} {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(3, from1(1000)...)
				s.named, s.delay = named, aSecond
				step := 3 // rows that a page adds
				if !named {
					step = 2
				}
				most := max(ahead, 0)
				start, n := time.Now(), 0
				s.list(ahead).Read(t.Context(), func(r row, err error) bool {
					require.NoError(t, err)
					n++
					require.EqualValues(t, n, r.id)
					synctest.Wait()
					underWay, asked := s.counts()
					if n == 1 {
						require.Equal(t, time.Second, time.Since(start))
						require.Equal(t, most, underWay)
					}
					have := 1 // pages that were read or are being read
					if n > 3 {
						have += (n - 4 + step) / step
					}
					require.Equal(t, have+most, asked, "at row %d", n)
					if n%10 == 0 {
						time.Sleep(time.Minute) // the bubble's clock
						underWay, again := s.counts()
						require.Zero(t, underWay)
						require.Equal(t, asked, again, "it waits for a slow reader")
					}
					return n < 60
				})
				require.Equal(t, max(most, 1), s.atTheMost)
				underWay, _ := s.counts()
				require.Zero(t, underWay)
			})
		}
	}
}

// However the reading ends, no Ask is under way after it, and nothing waits for one
// longer than it takes to end.
func TestNothingIsLeftUnderWay(t *testing.T) {
	t.Parallel()
	type reader = func(t *testing.T, cancel context.CancelFunc, s *server, read func(yield func(row, error) bool))
	for name, test := range map[string]struct {
		read  reader
		after time.Duration // when it has ended
		asked int
	}{
		"break": {func(_ *testing.T, _ context.CancelFunc, _ *server, read func(func(row, error) bool)) {
			read(func(row, error) bool { synctest.Wait(); return false })
		}, time.Second, 5},
		"break in a later page": {func(_ *testing.T, _ context.CancelFunc, _ *server, read func(func(row, error) bool)) {
			read(func(r row, _ error) bool { synctest.Wait(); return r.id < 4 })
		}, 2 * time.Second, 6},
		"panic": {func(t *testing.T, _ context.CancelFunc, _ *server, read func(func(row, error) bool)) {
			defer func() { require.Equal(t, "in the reader", recover()) }()
			read(func(row, error) bool { synctest.Wait(); panic("in the reader") })
		}, time.Second, 5},
		"Goexit": {func(_ *testing.T, _ context.CancelFunc, _ *server, read func(func(row, error) bool)) {
			var loop sync.WaitGroup
			loop.Go(func() {
				read(func(row, error) bool { synctest.Wait(); runtime.Goexit(); return true })
			})
			loop.Wait()
		}, time.Second, 5},
		"context": {func(t *testing.T, cancel context.CancelFunc, _ *server, read func(func(row, error) bool)) {
			var ids []int64
			var last error
			read(func(r row, err error) bool {
				synctest.Wait()
				cancel()
				if last = err; err == nil {
					ids = append(ids, r.id)
				}
				return true
			})
			require.Equal(t, context.Canceled, last)
			require.Equal(t, from1(3), ids, "the page at hand")
		}, time.Second, 5},
		"context, when pages are there": {func(t *testing.T, cancel context.CancelFunc, _ *server, read func(func(row, error) bool)) {
			var ids []int64
			var last error
			read(func(r row, err error) bool {
				if last = err; err == nil {
					time.Sleep(time.Minute) // the bubble's clock
					cancel()
					ids = append(ids, r.id)
				}
				return true
			})
			require.Equal(t, context.Canceled, last)
			require.Equal(t, from1(3), ids, "the page at hand")
		}, 3*time.Minute + time.Second, 5},
		"error": {func(t *testing.T, _ context.CancelFunc, s *server, read func(func(row, error) bool)) {
			var ids []int64
			var last error
			s.delay = func(q pages.Query) time.Duration {
				if q.Offset <= 3 {
					return time.Second
				}
				return time.Minute
			}
			s.fails = func(q pages.Query) error {
				if q.Offset > 0 {
					return errBroken
				}
				return nil
			}
			read(func(r row, err error) bool {
				if last = err; err == nil {
					ids = append(ids, r.id)
				}
				return true
			})
			require.Equal(t, errBroken, last)
			require.Equal(t, from1(3), ids)
		}, 2 * time.Second, 5},
	} {
		for _, named := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newServer(3, from1(1000)...)
					s.named, s.delay = named, aSecond
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					start := time.Now()
					test.read(t, cancel, s, func(yield func(row, error) bool) { s.list(4).Read(ctx, yield) })
					underWay, asked := s.counts()
					require.Zero(t, underWay)
					require.Equal(t, test.asked, asked)
					require.Equal(t, test.after, time.Since(start))
					time.Sleep(time.Hour) // the bubble's clock
					_, later := s.counts()
					require.Equal(t, asked, later, "and none follows")
				})
			})
		}
	}
}

// The list waits for an Ask that does not look at its context, however long it takes.
func TestAnAskThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(3, from1(1000)...)
		list := s.list(4)
		var done atomic.Int64
		list.Ask = func(ctx context.Context, q pages.Query) (pages.Page[row], error) {
			defer done.Add(1)
			if q.Offset > 0 {
				time.Sleep(time.Duration(q.Offset) * time.Minute) // the bubble's clock
			}
			return s.ask(ctx, q)
		}
		start := time.Now()
		list.Read(t.Context(), func(row, error) bool { return false })
		require.EqualValues(t, 5, done.Load())
		require.Equal(t, 8*time.Minute, time.Since(start))
	})
}

// A run that ends takes the pages with it that were asked for after that.
func TestPagesThatAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(3, from1(6)...)
		together := 0 // with the first page of the next run
		s.delay = func(q pages.Query) time.Duration {
			if said(q) == ">3+0" {
				together = s.underWay
			}
			if q.After == 0 && q.Offset > 2 {
				return time.Hour
			}
			return time.Second
		}
		s.before = func(q pages.Query) {
			if said(q) == "2" {
				s.remove(3)
			}
		}
		start := time.Now()
		ids, err := read(t, s.list(4))
		require.NoError(t, err)
		require.Equal(t, from1(6), ids)
		require.Equal(t, 1, together, "those before have ended")
		require.Less(t, time.Since(start), 10*time.Second)
	})
}

// Rows come and go between two pages. By id, none is passed over or repeated.
func TestRowsThatComeAndGo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at     int // before this answer
		write  func(*server)
		want   []int64
		asked  []string
		offset int
	}{
		"nothing": {
			0, nil, []int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", "4", "6", "8", ">90+0"}, 0,
		},
		"a row comes before those that were read": {
			2, func(s *server) { s.add(5) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"exactly one page comes": {
			2, func(s *server) { s.add(1, 2, 3) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"so many come that the first page would come again": {
			2, func(s *server) { s.add(1, 2) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"a row comes between those that were read": {
			2, func(s *server) { s.add(25) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"a row comes behind those that were read": {
			2, func(s *server) { s.add(35) },
			[]int64{10, 20, 30, 35, 40, 50, 60, 70, 80, 90}, []string{"0", "2", "4", "6", "8", ">90+0"}, 0,
		},
		"a row that was read goes": {
			2, func(s *server) { s.remove(10) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"the row that joins the pages goes": {
			2, func(s *server) { s.remove(30) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"one goes and one comes": {
			2, func(s *server) { s.remove(10); s.add(15) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", "4", "6", "8", ">90+0"}, 0,
		},
		"the row that joins goes, and one comes in its place": {
			2, func(s *server) { s.remove(30); s.add(29) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"all that was read goes": {
			2, func(s *server) { s.remove(10, 20, 30) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">30+4", ">90+0"}, 0,
		},
		"all goes": {
			2, func(s *server) { s.rows = nil }, []int64{10, 20, 30}, []string{"0", "2", ">30+0"}, 0,
		},
		"all that is left goes": {
			3, func(s *server) { s.rows = s.rows[:5] }, []int64{10, 20, 30, 40, 50}, []string{"0", "2", "4", ">50+0"}, 0,
		},
		"a row goes in the second run too": {
			2, func(s *server) {
				s.remove(10)
				s.before = func(q pages.Query) {
					if said(q) == ">30+2" {
						s.remove(50)
					}
				}
			},
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90}, []string{"0", "2", ">30+0", ">30+2", ">60+0", ">60+2", ">90+0"}, 0,
		},
		"rows come at the end": {
			6, func(s *server) { s.add(95, 96) },
			[]int64{10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 96}, []string{"0", "2", "4", "6", "8", ">90+0", ">96+0"}, 0,
		},
		"a row goes behind an offset": {
			2, func(s *server) { s.remove(10) },
			[]int64{30, 40, 50, 60, 70, 80, 90}, []string{"2", "4", ">50+0", ">50+2", ">90+0"}, 2,
		},
	} {
		s := newServer(3, 10, 20, 30, 40, 50, 60, 70, 80, 90)
		s.before = func(pages.Query) {
			if len(s.asked) == test.at {
				test.write(s)
			}
		}
		list := s.list(0)
		list.Offset = test.offset
		got, err := read(t, list)
		require.NoError(t, err, name)
		require.Equal(t, test.want, got, name)
		require.Equal(t, test.asked, s.asked, name)
	}
}

// The reader may delete the rows as they come.
func TestRowsThatTheReaderDeletes(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 1, 4} {
		s := newServer(5, from1(50)...)
		var ids []int64
		s.list(ahead).Read(t.Context(), func(r row, err error) bool {
			require.NoError(t, err)
			ids = append(ids, r.id)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.remove(r.id)
			return true
		})
		require.Equal(t, from1(50), ids)
		require.Empty(t, s.rows)
	}
}

// What a server may do otherwise: each row comes once all the same, or there is
// an error.
func TestServersThatDoOtherwise(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		habits habits
		ids    []int64
		want   []int64 // in this order
		asked  []string
		err    error
	}{
		"it ignores the size": {
			habits{ignoresSize: true}, from1(5), from1(5), []string{"0", ">5+0"}, nil,
		},
		"it ignores the offset": {
			habits{ignoresOffset: true}, from1(5), from1(5), []string{"0", "2", ">3+0", ">5+0"}, nil,
		},
		"it ignores what the rows come behind": {
			habits{ignoresAfter: true}, from1(5), from1(5), []string{"0", "2", "4", ">5+0", "5"}, nil,
		},
		"it ignores the size and what the rows come behind": {
			habits{ignoresSize: true, ignoresAfter: true}, from1(5), from1(5), []string{"0", ">5+0", "5"}, nil,
		},
		"it ignores the offset and what the rows come behind": {
			habits{ignoresOffset: true, ignoresAfter: true}, from1(5), from1(3), []string{"0", "2", ">3+0", "3", "6"}, pages.ErrStuck,
		},
		"it ignores paging": {
			habits{ignoresSize: true, ignoresOffset: true, ignoresAfter: true}, from1(5), from1(5), []string{"0", ">5+0", "5", "10"}, pages.ErrStuck,
		},
		"it ignores the offset, in another order": {
			habits{named: true, ignoresOffset: true}, from1(5), from1(3), []string{"0", "3", "6"}, pages.ErrStuck,
		},
		"it ignores the offset and the size, in another order": {
			habits{named: true, ignoresSize: true, ignoresOffset: true}, from1(5), from1(5), []string{"0", "5", "10"}, pages.ErrStuck,
		},
		"it ignores the offset, and gives one row at a time": {
			habits{named: true, most: 1, ignoresOffset: true}, from1(5), from1(1), []string{"0", "1", "2"}, pages.ErrStuck,
		},
		"it does not sort": {
			habits{ignoresOrder: true}, []int64{5, 1, 4, 2, 3}, []int64{5, 1, 4, 2, 3}, []string{"0", "3", "5"}, nil,
		},
		"it does not sort, as the second page shows": {
			habits{ignoresOrder: true}, []int64{1, 2, 3, 9, 8, 7, 6}, []int64{1, 2, 3, 9, 8, 7, 6}, []string{"0", "2", "3", "6", "7"}, nil,
		},
		"it does not sort, as the last page shows": {
			habits{ignoresOrder: true, ignoresAfter: true}, []int64{1, 2, 3, 4, 5, 9, 6}, []int64{1, 2, 3, 4, 5, 9, 6}, []string{"0", "2", "4", "5", "7"}, nil,
		},
		"it has an id twice": {
			habits{ignoresOrder: true}, []int64{1, 2, 2, 3}, []int64{1, 2, 2, 3}, []string{"0", "3", "4"}, nil,
		},
		"it refuses the order": {
			habits{refusesOrder: true}, []int64{5, 1, 4, 2, 3}, []int64{5, 1, 4, 2, 3}, []string{"0", "0 in any order", "3 in any order", "5 in any order"}, nil,
		},
		"it refuses to filter": {
			habits{refusesAfter: true}, from1(4), from1(4), []string{"0", "2", ">4+0", "4"}, nil,
		},
		"it refuses to filter, and is stuck": {
			habits{refusesAfter: true, ignoresOffset: true}, from1(4), from1(3), []string{"0", "2", ">3+0", "3", "6"}, pages.ErrStuck,
		},
	} {
		s := newServer(3, test.ids...)
		s.habits = test.habits
		got, err := read(t, s.list(0))
		require.Equal(t, test.err, err, name)
		require.Equal(t, test.want, got, name)
		require.Equal(t, test.asked, s.asked, name)
	}
}

// The same with pages ahead: which are asked for depends, the rows do not.
func TestServersThatDoOtherwiseAhead(t *testing.T) {
	t.Parallel()
	ids := []int64{5, 1, 4, 2, 3, 6, 9, 8, 7}
	for name, does := range map[string]habits{
		"it ignores the size":     {ignoresSize: true},
		"it ignores the offset":   {ignoresOffset: true},
		"it does not filter":      {ignoresAfter: true},
		"it refuses to filter":    {refusesAfter: true},
		"it does not sort":        {ignoresOrder: true},
		"it refuses to sort":      {refusesOrder: true},
		"it has its own limit":    {most: 2},
		"it has another order":    {named: true},
		"its own limit and order": {most: 2, named: true},
	} {
		for _, ahead := range []int{0, 1, 2, 4, 32} {
			s := newServer(3, ids...)
			s.habits = does
			got, err := read(t, s.list(ahead))
			require.NoError(t, err, "%s, %d ahead", name, ahead)
			require.ElementsMatch(t, ids, got, "%s, %d ahead", name, ahead)
		}
	}
}

// An order that the caller wants is not given up where the server refuses it; nor
// is any where rows of that order were read.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		habits      habits
		byID, anyID bool
		want        []int64
		asked       []string
		err         error
	}{
		"any order will do": {
			habits{refusesOrder: true}, true, true, []int64{3, 1, 2, 4}, []string{"0", "0 in any order", "3 in any order", "4 in any order"}, nil,
		},
		"the order by id is wanted": {
			habits{refusesOrder: true}, true, false, nil, []string{"0"}, errRefused,
		},
		"another order is wanted": {
			habits{refusesOrder: true}, false, false, nil, []string{"0"}, errRefused,
		},
		"the filter is refused after one row": {
			habits{refusesAfter: true, most: 1}, true, true, from1(4), []string{"0", ">1+0", "1", "2", "3", "4"}, nil,
		},
		"the order by id is wanted, and the filter refused": {
			habits{refusesAfter: true}, true, false, from1(4), []string{"0", "2", ">4+0", "4"}, nil,
		},
	} {
		s := newServer(3, 3, 1, 2, 4)
		s.habits = test.habits
		list := s.list(0)
		list.ByID, list.AnyOrderWillDo = test.byID, test.anyID
		got, err := read(t, list)
		require.Equal(t, test.err, err, name)
		require.Equal(t, test.want, got, name)
		require.Equal(t, test.asked, s.asked, name)
	}
}

// An error other than a refusal is the end, at the first page of a run and later.
// So is a refusal within a run: what it is asked for was granted before.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at   string // the query that fails
		err  error
		want []int64
	}{
		"the first":              {"0", errBroken, nil},
		"the second":             {"2", errBroken, from1(3)},
		"the first of a run":     {">6+0", errBroken, from1(6)},
		"refused within a run":   {"2", errRefused, from1(3)},
		"refused in a later one": {"4", errRefused, from1(5)},
	} {
		for _, ahead := range []int{0, 1, 4} {
			s := newServer(3, from1(6)...)
			s.fails = func(q pages.Query) error { // whose rows are not to be had
				if said(q) == test.at {
					return test.err
				}
				return nil
			}
			got, err := read(t, s.list(ahead))
			require.Equal(t, test.err, err, name)
			require.Equal(t, test.want, got, name)
		}
	}
}

// The rows that come with an error are not looked at.
func TestRowsWithAnError(t *testing.T) {
	t.Parallel()
	for at, want := range map[string][]int64{"0": nil, "2": from1(3), ">5+0": from1(5)} {
		s := newServer(3, from1(5)...)
		list := s.list(0)
		list.Ask = func(ctx context.Context, q pages.Query) (pages.Page[row], error) {
			page, err := s.ask(ctx, q)
			if said(q) == at {
				return pages.Page[row]{Rows: []row{{9, ""}, {8, ""}}}, errBroken
			}
			return page, err
		}
		got, err := read(t, list)
		require.Equal(t, errBroken, err, at)
		require.Equal(t, want, got, at)
		require.Equal(t, at, s.asked[len(s.asked)-1], "the last that is asked for")
	}
}

// Rows that do not say their ids are told apart by what they say.
func TestRowsWithoutIDs(t *testing.T) {
	t.Parallel()
	names := func(first, last int) (rows []row) {
		for n := first; n <= last; n++ {
			rows = append(rows, row{0, fmt.Sprint("row ", n)})
		}
		return rows
	}
	for name, test := range map[string]struct {
		habits habits
		rows   []row
		want   int // rows that come
		asked  []string
		err    error
	}{
		"by id":                      {habits{}, names(1, 7), 7, []string{"0", "3", "6", "7"}, nil},
		"in another order":           {habits{named: true}, names(1, 7), 7, []string{"0", "3", "6", "7"}, nil},
		"it ignores the offset":      {habits{ignoresOffset: true}, names(1, 7), 3, []string{"0", "3"}, pages.ErrStuck},
		"pages that differ in a row": {habits{}, append(names(1, 3), append(names(1, 2), names(4, 4)...)...), 6, []string{"0", "3", "6"}, nil},
		"a page that comes again":    {habits{}, append(names(1, 3), names(1, 3)...), 3, []string{"0", "3"}, pages.ErrStuck},
		"a page that comes again after another": {
			habits{}, append(append(names(1, 3), names(4, 6)...), names(1, 3)...), 9, []string{"0", "3", "6", "9"}, nil,
		},
	} {
		s := newServer(3)
		s.habits, s.rows = test.habits, test.rows
		got, err := read(t, s.list(0))
		require.Equal(t, test.err, err, name)
		require.Len(t, got, test.want, name)
		require.Equal(t, test.asked, s.asked, name)
	}
}

// In another order, a page is the one before if it has the same rows.
func TestStuckInAnotherOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at    int
		write func(*server)
		want  []int64
		err   error
	}{
		"nothing comes":             {2, func(*server) {}, from1(9), nil},
		"one row comes":             {2, func(s *server) { s.addFirst(10) }, []int64{1, 2, 3, 3, 4, 5, 6, 7, 8, 9}, nil},
		"a page comes":              {2, func(s *server) { s.addFirst(10, 11, 12) }, from1(9), nil},
		"a page comes, and at last": {4, func(s *server) { s.addFirst(10, 11, 12) }, from1(9), nil},
		"a page comes, and one goes": {
			2, func(s *server) { s.addFirst(10, 11, 12); s.remove(2) }, []int64{1, 2, 3, 1, 3, 4, 5, 6, 7, 8, 9}, nil,
		},
		"more than a page comes":    {2, func(s *server) { s.addFirst(10, 11, 12, 13) }, []int64{1, 2, 3, 13, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil},
		"a page goes":               {2, func(s *server) { s.remove(1, 2, 3) }, []int64{1, 2, 3, 7, 8, 9}, nil},
		"all but the first page go": {2, func(s *server) { s.rows = s.rows[:3] }, from1(3), nil},
		"the server is stuck":       {3, func(s *server) { s.ignoresOffset = true; s.remove(1, 2, 3) }, from1(6), pages.ErrStuck},
	} {
		s := newServer(3, from1(9)...)
		s.named = true
		s.before = func(pages.Query) {
			if len(s.asked) == test.at {
				test.write(s)
			}
		}
		got, err := read(t, s.list(0))
		require.Equal(t, test.err, err, name)
		require.Equal(t, test.want, got, name)
	}
}

// An Ask that ends its goroutine, as t.FailNow does, does not leave the reader
// waiting.
func TestAnAskThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{false, true} {
		for _, ahead := range []int{0, 1, 4} {
			s := newServer(3, from1(20)...)
			s.named = named
			list := s.list(ahead)
			list.Ask = func(ctx context.Context, q pages.Query) (pages.Page[row], error) {
				if q.Offset >= 6 {
					runtime.Goexit()
				}
				return s.ask(ctx, q)
			}
			got, err := read(t, list)
			require.Equal(t, pages.ErrLost, err)
			require.Equal(t, from1(map[bool]int64{true: 6, false: 7}[named]), got, "the pages before it")
			underWay, _ := s.counts()
			require.Zero(t, underWay)
		}
	}
	t.Run("the first page", func(t *testing.T) {
		t.Parallel()
		list := newServer(3).list(4)
		list.Ask = func(context.Context, pages.Query) (pages.Page[row], error) { runtime.Goexit(); panic("unreachable") }
		var reader sync.WaitGroup
		yielded := false
		reader.Go(func() { list.Read(t.Context(), func(row, error) bool { yielded = true; return true }) })
		reader.Wait()
		require.False(t, yielded, "it is the reader's own goroutine that ends")
	})
}

// A panic in a page that is read ahead is for the reader, who may recover it.
func TestAnAskThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		yielded := 0
		list := pages.List[row]{Size: 2, Ahead: 3, ID: func(r *row) int64 { return r.id }}
		list.Ask = func(_ context.Context, q pages.Query) (pages.Page[row], error) {
			if q.Offset == 4 {
				panic("the user's own")
			}
			id := int64(q.Offset)
			return pages.Page[row]{Rows: []row{{id: id + 1}, {id: id + 2}}}, nil
		}
		require.PanicsWithValue(t, "the user's own", func() {
			list.Read(t.Context(), func(_ row, err error) bool {
				require.NoError(t, err)
				yielded++
				return true
			})
		})
		require.Equal(t, 4, yielded, "the rows before it")
	})
}

// Read of a page is called when the reader comes to it: before its rows or its
// error, not for a page that it does not come to.
func TestReadOfAPage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		habits habits
		ids    []int64
		fails  string // the query that does
		stops  int64  // the reader, after this row
		want   []any  // the query of the page, a row, or the error
	}{
		"by id":                      {ids: from1(5), want: []any{"0", 1, 2, 3, "2", 4, 5, "4"}},
		"in another order":           {habits: habits{named: true}, ids: from1(5), want: []any{"0", 1, 2, 3, "3", 4, 5}},
		"an empty list":              {want: []any{"0"}},
		"an empty list, otherwise":   {habits: habits{named: true}, want: []any{"0"}},
		"a list of one":              {ids: from1(1), want: []any{"0", 1}},
		"the first page fails":       {ids: from1(5), fails: "0", want: []any{"0", errBroken}},
		"the second page fails":      {ids: from1(5), fails: "2", want: []any{"0", 1, 2, 3, "2", errBroken}},
		"the next run fails":         {ids: from1(5), fails: ">5+0", want: []any{"0", 1, 2, 3, "2", 4, 5, "4", ">5+0", errBroken}},
		"the server is stuck":        {habits: habits{named: true, ignoresOffset: true}, ids: from1(5), want: []any{"0", 1, 2, 3, "6", pages.ErrStuck}},
		"the server refuses":         {habits: habits{refusesOrder: true}, ids: from1(2), want: []any{"0 in any order", 1, 2}},
		"a page that does not join":  {habits: habits{ignoresOffset: true}, ids: from1(5), want: []any{"0", 1, 2, 3, ">3+0", 4, 5}},
		"the reader does not go on":  {ids: from1(5), stops: 3, want: []any{"0", 1, 2, 3}},
		"in the first page, of one":  {ids: from1(2), stops: 1, want: []any{"0", 1}},
		"in the last page, of two":   {ids: from1(4), stops: 4, want: []any{"0", 1, 2, 3, "2", 4}},
		"in the last one, otherwise": {habits: habits{named: true}, ids: from1(5), stops: 4, want: []any{"0", 1, 2, 3, "3", 4}},
		"the reader stops in a page": {ids: from1(5), stops: 4, want: []any{"0", 1, 2, 3, "2", 4}},
	} {
		for _, ahead := range []int{0, 1, 4} {
			t.Run(fmt.Sprintf("%s, %d ahead", name, ahead), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newServer(3, test.ids...)
					s.habits, s.delay = test.habits, aSecond
					s.fails = func(q pages.Query) error {
						if said(q) == test.fails {
							return errBroken
						}
						return nil
					}
					var happened []any // the race detector looks on
					list := s.list(ahead)
					list.Ask = func(ctx context.Context, q pages.Query) (pages.Page[row], error) {
						page, err := s.ask(ctx, q)
						page.Read = func() { happened = append(happened, said(q)) }
						return page, err
					}
					list.Read(t.Context(), func(r row, err error) bool {
						if err != nil {
							happened = append(happened, err)
							return true
						}
						happened = append(happened, int(r.id))
						return r.id != test.stops
					})
					require.Equal(t, test.want, happened)
				})
			})
		}
	}
}

// The error of a context that has ended comes with the page that it keeps from
// the reader.
func TestReadOfAPageWhoseContextHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var happened []any
		list := newServer(3, from1(5)...).list(1)
		ask := list.Ask
		list.Ask = func(ctx context.Context, q pages.Query) (pages.Page[row], error) {
			page, err := ask(ctx, q)
			page.Read = func() { happened = append(happened, fmt.Sprint("page ", q.Offset)) }
			return page, err
		}
		list.Read(ctx, func(r row, err error) bool {
			synctest.Wait()
			cancel()
			happened = append(happened, r.id, err)
			return true
		})
		require.Equal(t, []any{"page 0", int64(1), nil, int64(2), nil, int64(3), nil, "page 2", int64(0), context.Canceled}, happened)
	})
}

// Whatever the list and the sizes, and whatever comes and goes between the
// answers: by id, the rows go up, and each that was there all the time is one of
// them.
func TestByIDWhileOthersWrite(t *testing.T) {
	t.Parallel()
	for seed := range int64(500) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewSource(seed))
			one := func(of ...int) int { return of[random.Intn(len(of))] }
			s := newServer(1 + random.Intn(8))
			s.most = one(0, 0, 0, 1, 2, 3)
			s.ignoresOffset = one(0, 0, 0, 1) == 1
			var stay, goes []int64
			for id := range int64(80) {
				switch random.Intn(3) {
				case 0:
					stay = append(stay, id+1)
					s.add(id + 1)
				case 1:
					goes = append(goes, id+1) // which may be there or not
				}
			}
			s.delay = func(pages.Query) time.Duration { return time.Duration(random.Intn(4)) * time.Millisecond }
			s.before = func(pages.Query) {
				for range random.Intn(5) {
					if len(goes) == 0 {
						return
					}
					id := goes[random.Intn(len(goes))]
					there := len(s.rows)
					if s.remove(id); len(s.rows) == there {
						s.add(id)
					}
				}
			}
			s.ignoresSize = one(0, 0, 0, 1) == 1
			list := s.list(one(0, 1, 2, 4))
			list.AnyOrderWillDo = one(0, 1) == 1
			ids, err := read(t, list)
			require.NoError(t, err, seed)
			for i := 1; i < len(ids); i++ {
				require.Less(t, ids[i-1], ids[i], "%d: %v", seed, ids)
			}
			require.Subset(t, ids, stay, seed)
			require.Subset(t, append(stay, goes...), ids, seed)
			underWay, _ := s.counts()
			require.Zero(t, underWay, seed)
		})
	}
}

// Whatever the sizes: in another order the rows come as the server has them, if
// nobody writes.
func TestInAnotherOrder(t *testing.T) {
	t.Parallel()
	for seed := range int64(300) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewSource(seed))
			s := newServer(1 + random.Intn(8))
			s.most = random.Intn(6)
			s.named = true
			var want []int64
			for _, id := range random.Perm(random.Intn(60)) {
				want = append(want, int64(id)+1)
			}
			s.add(want...)
			s.delay = func(pages.Query) time.Duration { return time.Duration(random.Intn(4)) * time.Millisecond }
			list := s.list(random.Intn(4))
			list.Offset = random.Intn(4)
			want = want[min(list.Offset, len(want)):]
			ids, err := read(t, list)
			require.NoError(t, err, seed)
			require.True(t, slices.Equal(want, ids), "%d: %v, not %v", seed, ids, want)
		})
	}
}
