// Package bucket shares a rate among processes, by a row of a database for each name.
package bucket

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/database"
)

// Tables are the statements that make the tables, for PostgreSQL and for SQLite.
const Tables = `CREATE TABLE IF NOT EXISTS account (
	account text PRIMARY KEY,
	next_at bigint NOT NULL DEFAULT 0, -- when the next request may be sent, in microseconds since 1970
	not_before bigint NOT NULL DEFAULT 0 -- the server refuses everything until then, in microseconds since 1970
)`

const (
	// catchUp is how much time without turns is made up for at once. Without it, each turn that
	// is taken late lowers the rate.
	catchUp = 100 * time.Millisecond

	// shortHold is the longest hold that Take waits for.
	shortHold = 2 * time.Second

	// late is how long after its turn a process may go on. One that was stopped takes
	// another turn, since the others went on meanwhile: attempts times at most, for a
	// database that is slow.
	late     = time.Second
	attempts = 3

	// memory is how old the answer about a hold may be when a turn comes. Without a rate it is
	// longMemory, since every turn comes at once.
	memory     = 250 * time.Millisecond
	longMemory = time.Second

	// patience is the longest time for one statement.
	patience = 10 * time.Second

	// longest is the longest time between two turns, and of a hold.
	longest = 365 * 24 * time.Hour
)

// A HeldError says that everything under the name is refused for a while.
type HeldError struct {
	For time.Duration // from now on
}

func (e *HeldError) Error() string {
	return "the server refuses every request of the account for " + e.For.Round(time.Second).String()
}

// A Bucket gives turns at a rate, to all processes together. The time is that of the
// database. The methods may be called from several goroutines at once.
type Bucket struct {
	db       *database.DB
	name     string
	interval time.Duration // between two turns; 0 is none
	sql      statements
	asking   chan struct{} // has a place for the one who asks about the hold

	mutex sync.Mutex
	hold  hold
}

// A hold is what is known of one, in the time of this machine.
type hold struct {
	until time.Time
	asked time.Time // when the database was asked for it
}

// New returns the bucket of a name; rate is in turns a second, and 0 is any number.
func New(db *database.DB, name string, rate float64) *Bucket {
	b := &Bucket{db: db, name: name, sql: newStatements(db), asking: make(chan struct{}, 1)}
	if rate > 0 {
		// It is rounded up, so that the rate is not exceeded.
		interval := math.Ceil(1e6 / rate)
		b.interval = time.Duration(max(1, min(interval, float64(longest.Microseconds())))) * time.Microsecond
	}
	return b
}

// Take waits for the next turn. If the name is on hold for more than two seconds, it does
// not wait: the error is a *HeldError.
func (b *Bucket) Take(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		remembered := longMemory
		if b.interval > 0 {
			remembered = memory
			asked := time.Now()
			turn, err := b.next(ctx)
			if err != nil {
				return err
			}
			spent := time.Since(asked)
			if err := sleep(ctx, time.Until(turn)); err != nil {
				return err
			}
			if time.Since(turn)+spent > late && attempt < attempts {
				continue
			}
		}
		// Another process may have been refused meanwhile.
		left, err := b.left(ctx, remembered)
		switch {
		case err != nil:
			return err
		case left > shortHold:
			return &HeldError{For: left}
		case left == 0:
			return nil
		}
		if err := sleep(ctx, left); err != nil {
			return err
		}
	}
}

// next takes the next turn, and returns when it comes.
func (b *Bucket) next(ctx context.Context) (time.Time, error) {
	for {
		var wait, left time.Duration
		asked := time.Now()
		taken, err := b.query(ctx, func(scan func(...any) error) error {
			return scanMicroseconds(scan, &wait, &left)
		}, b.sql.take, b.name, b.interval.Microseconds(), catchUp.Microseconds(), shortHold.Microseconds())
		if err != nil {
			return time.Time{}, fmt.Errorf("taking a turn of the account %q: %w", b.name, err)
		}
		if taken {
			b.learn(left, asked)
			return time.Now().Add(wait), nil
		}
		// There is none for the length of the hold.
		left, err = b.left(ctx, 0)
		if err != nil {
			return time.Time{}, err
		}
		if left > shortHold {
			return time.Time{}, &HeldError{For: left}
		}
	}
}

// Hold has no process take a turn for that long. A shorter hold does not end a longer one.
func (b *Bucket) Hold(ctx context.Context, d time.Duration) error {
	d = min(d, longest)
	if d <= 0 {
		return nil
	}
	var left time.Duration
	_, err := b.query(ctx, func(scan func(...any) error) error {
		return scanMicroseconds(scan, &left)
	}, b.sql.hold, b.name, d.Microseconds())
	if err != nil {
		return fmt.Errorf("holding the account %q: %w", b.name, err)
	}
	b.learn(left, time.Now())
	return nil
}

// Held tells for how long the name is on hold yet.
func (b *Bucket) Held(ctx context.Context) (time.Duration, error) { return b.left(ctx, 0) }

// Queue tells how long a turn that is taken now has to wait.
func (b *Bucket) Queue(ctx context.Context) (time.Duration, error) {
	next, left, err := b.look(ctx)
	if b.interval == 0 {
		next = 0
	}
	return max(0, next, left), err
}

// left tells how long the hold lasts yet. The answer may be as old as remembered.
func (b *Bucket) left(ctx context.Context, remembered time.Duration) (time.Duration, error) {
	if left, ok := b.known(remembered); ok {
		return left, nil
	}
	select {
	case b.asking <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-b.asking }()
	if left, ok := b.known(remembered); ok { // another asked meanwhile
		return left, nil
	}
	_, left, err := b.look(ctx)
	return max(0, left), err
}

func (b *Bucket) known(remembered time.Duration) (left time.Duration, ok bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return max(0, time.Until(b.hold.until)), time.Since(b.hold.asked) < remembered
}

// learn remembers how long the hold lasts, as the database told when it was asked.
func (b *Bucket) learn(left time.Duration, asked time.Time) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if asked.After(b.hold.asked) {
		b.hold = hold{until: time.Now().Add(left), asked: asked}
	}
}

// look asks the database for the time until the next turn and until the end of the hold.
func (b *Bucket) look(ctx context.Context) (next, left time.Duration, err error) {
	asked := time.Now()
	_, err = b.query(ctx, func(scan func(...any) error) error {
		return scanMicroseconds(scan, &next, &left)
	}, b.sql.look, b.name)
	if err != nil {
		return 0, 0, fmt.Errorf("looking for a hold of the account %q: %w", b.name, err)
	}
	b.learn(left, asked)
	return next, left, nil
}

// query runs a statement, and tells whether it gave a row.
func (b *Bucket) query(ctx context.Context, row func(scan func(...any) error) error, statement string, args ...any) (found bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the database did not answer for %s", patience))
	defer cancel()
	err = b.db.Query(ctx, func(scan func(...any) error) error {
		found = true
		return row(scan)
	}, statement, args...)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return found, err
}

func scanMicroseconds(scan func(...any) error, into ...*time.Duration) error {
	numbers := make([]int64, len(into))
	pointers := make([]any, len(into))
	for i := range numbers {
		pointers[i] = &numbers[i]
	}
	if err := scan(pointers...); err != nil {
		return err
	}
	for i, number := range numbers {
		*into[i] = time.Duration(number) * time.Microsecond
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// statements are those of one kind of database. What they return is from now on.
type statements struct{ take, hold, look string }

func newStatements(db *database.DB) statements {
	words := strings.NewReplacer("{now}", db.Now(), "{latest}", "max", "{quick}", "true")
	if db.Pool != nil {
		words = strings.NewReplacer("{now}", db.Now(), "{latest}", "greatest",
			// Nobody has to wait until a turn is on the server's disk: if the server crashes, the turn
			// is over when it is back.
			"{quick}", "set_config('synchronous_commit', 'off', true) = 'off'")
	}
	return statements{
		// SQLite needs a WHERE before ON CONFLICT, else that is the condition of a join.
		take: words.Replace(`INSERT INTO account (account, next_at)
			SELECT CAST($1 AS text), {now} + CAST($2 AS bigint) WHERE {quick}
			ON CONFLICT (account) DO UPDATE
			SET next_at = {latest}(account.next_at, account.not_before, {now} - CAST($3 AS bigint)) + CAST($2 AS bigint)
			WHERE account.not_before <= {now} + CAST($4 AS bigint)
			RETURNING next_at - CAST($2 AS bigint) - {now}, not_before - {now}`),
		hold: words.Replace(`INSERT INTO account (account, not_before)
			VALUES ($1, {now} + CAST($2 AS bigint))
			ON CONFLICT (account) DO UPDATE
			SET not_before = {latest}(account.not_before, excluded.not_before)
			RETURNING not_before - {now}`),
		look: words.Replace(`SELECT next_at - {now}, not_before - {now} FROM account WHERE account = $1`),
	}
}
