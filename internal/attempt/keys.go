package attempt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Key is what an attempt authenticates with: the value of the Authorization header, and
// the secrets in it. It is a func, because a func does not print.
type Key func() (authorization string, secrets []string)

// Keys gives the attempts of an account their keys: always the same one, or what a
// source gives for each attempt.
type Keys struct {
	source func(context.Context) (Key, error) // nil: now is the only key

	mu          sync.Mutex
	now, before *Key // the last two different ones; nil: none so far
}

// Ring holds the keys that a source gave for the attempts of a call, and just before.
type Ring struct{ keys []*Key }

// NewKeys returns the Keys of an account that has one key, or a source of keys.
func NewKeys(key Key, source func(context.Context) (Key, error)) *Keys {
	if source != nil {
		return &Keys{source: source}
	}
	return &Keys{now: &key}
}

// next returns what the next attempt authenticates with. wait is how long the source
// may take. A key counts as used also if it came with an error.
func (k *Keys) next(ctx context.Context, wait time.Duration, ring *Ring) (authorization string, err error) {
	if k.source == nil {
		authorization, _ = (*k.now)()
		return authorization, nil
	}
	key, err := ask(ctx, wait, k.source)
	if key != nil {
		k.note(key, ring)
	}
	if err != nil {
		return "", &SourceError{err}
	}
	authorization, _ = key()
	return authorization, nil
}

// SourceError is why a source gave no key. Its text may hold anything.
type SourceError struct{ error }

func (e *SourceError) Unwrap() error { return e.error }

// note keeps a key that the source gave. ring gets it, and the one before it, which a
// server's text may show too.
func (k *Keys) note(key Key, ring *Ring) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case same(k.now, key):
	case same(k.before, key):
		k.now, k.before = k.before, k.now
	default:
		k.now, k.before = &key, k.now
	}
	ring.add(k.now)
	ring.add(k.before)
}

func same(known *Key, key Key) bool {
	if known == nil {
		return false
	}
	one, _ := (*known)()
	other, _ := key()
	return one == other
}

func (r *Ring) add(key *Key) {
	if key != nil && !slices.Contains(r.keys, key) {
		r.keys = append(r.keys, key)
	}
}

// Keys returns the keys that a text for the call may show: those of its ring, and the
// last two of its account.
func (c *Call) Keys() []*Key {
	k := c.Account.Keys
	k.mu.Lock()
	defer k.mu.Unlock()
	all := Ring{slices.Clone(c.Ring.keys)}
	all.add(k.now)
	all.add(k.before)
	return all.keys
}

// ask runs the source in a goroutine of its own, so that a source that hangs does not
// hang the call.
func ask(ctx context.Context, wait time.Duration, source func(context.Context) (Key, error)) (Key, error) {
	type answer struct {
		key Key
		err error
	}
	// A call that the source makes is not a look of this one.
	asked, cancel := context.WithTimeout(outside{ctx}, wait)
	defer cancel()
	answers := make(chan answer, 1)
	go func() {
		got := answer{err: errors.New("the credential source ended its goroutine")}
		defer func() {
			if v := recover(); v != nil { // what was thrown may hold anything, so it is not shown
				got.err = fmt.Errorf("the credential source panicked (%T)", v)
			}
			answers <- got
		}()
		got.key, got.err = source(asked)
	}()
	var got answer
	select {
	case got = <-answers:
	case <-asked.Done():
	}
	switch {
	case got.key != nil && got.err == nil:
		return got.key, nil
	case ctx.Err() != nil:
		return got.key, ctx.Err()
	case asked.Err() != nil:
		return got.key, timeoutError("the credential source gave nothing for " + wait.String())
	}
	return got.key, got.err
}
