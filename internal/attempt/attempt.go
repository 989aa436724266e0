// Package attempt carries one attempt of a call to the server: it waits for the
// attempt's turn, sets the headers, watches that the answer comes, and logs. It
// decides nothing about what comes after.
package attempt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/infinitysip/infinitysip/internal/ratelimit"
	"github.com/infinitysip/infinitysip/internal/retry"
)

// Account is what all attempts of one account share. Several accounts may share a
// Transport.
type Account struct {
	Scheme, Host  string // the only ones that see the credentials
	Authorization func() string
	UserAgent     string
	Turns         *ratelimit.Limiter
	Timeouts      Timeouts
	Logger        *slog.Logger // nil: none
}

// Call is what the attempts of one call share, and what came of them. An Owner
// embeds it.
type Call struct {
	Account          *Account
	Op, Method, Path string
	Header           http.Header      // that the caller asks for, beside those of the account
	Long             bool             // a list, whose answer may be of any length
	Write            bool             // it may change something
	Place            *ratelimit.Place // in the queue for turns
	Pause            time.Duration    // before the next attempt

	Attempts int // how many were sent, or may have been
	Free     int // how many of them use up nothing: refused as too many, or reads that were Stale
	last     struct {
		status  int // 0: there was no answer
		header  http.Header
		refused bool
		watch   *watch // nil: there was no turn
	}
}

// Status is that of the last attempt's answer, or 0 if it had none. An attempt
// without a turn keeps the status before it.
func (c *Call) Status() int { return c.last.status }

// Answer is the header of the last answer, or nil if there was none.
func (c *Call) Answer() http.Header { return c.last.header }

// Succeeded reports whether the last attempt's answer has the status of a
// success. It is the only place that says which those are.
func (c *Call) Succeeded() bool {
	return c.last.status == http.StatusOK || c.last.status == http.StatusCreated || c.last.status == http.StatusNoContent
}

// Sent reports whether the last attempt may have reached the server.
func (c *Call) Sent() bool { return c.last.watch != nil && c.last.watch.reached() }

// Refused reports whether the last attempt's answer says that there are too many
// requests.
func (c *Call) Refused() bool { return c.last.refused }

// Replayed reports whether the last attempt ended because net/http began to send
// its request again: the connection had ended, or the server had reset the stream.
func (c *Call) Replayed() bool { return c.last.watch != nil && c.last.watch.replayed() }

// Stale reports whether that was a read on a connection of HTTP/1.1 that had been
// idle: the server had closed it.
func (c *Call) Stale() bool { return !c.Write && c.Replayed() && c.last.watch.stale() }

// Base returns the call itself: it makes an Owner of what embeds a Call.
func (c *Call) Base() *Call { return c }

// Owner is the caller's own type of a call, which embeds Call.
type Owner interface {
	Base() *Call
	Clean(error) error // returns the error without secrets
}

type ownerKey struct{}

// NewContext returns a context for the requests of a call.
func NewContext(ctx context.Context, owner Owner) context.Context {
	return context.WithValue(ctx, ownerKey{}, owner)
}

// FromContext returns the call that a request's context belongs to, or nil.
func FromContext(ctx context.Context) Owner {
	owner, _ := ctx.Value(ownerKey{}).(Owner)
	return owner
}

// Transport is the http.RoundTripper of attempts.
//
// It has no CloseIdleConnections on purpose: retryablehttp calls that when it
// gives up, which would cost every other call its connection.
type Transport struct{ Base http.RoundTripper }

// RoundTrip makes one attempt, on a Base that may break the contract of an
// http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	owner := FromContext(req.Context())
	call := owner.Base()
	var began time.Time
	if call.Account.Logger != nil {
		began = time.Now()
	}
	defer func() {
		if v := recover(); v != nil {
			// What was thrown may hold anything, so it is not shown.
			resp, err = nil, fmt.Errorf("the transport panicked (%T)", v)
		}
		resp, err = call.end(resp, err)
		if call.Account.Logger != nil {
			call.log(req.Context(), owner.Clean(err), time.Since(began))
		}
	}()
	out, err := call.begin(req)
	if err != nil {
		return nil, err
	}
	return t.Base.RoundTrip(out)
}

// begin waits for the turn of an attempt, and returns its request.
func (c *Call) begin(req *http.Request) (*http.Request, error) {
	c.last.watch = nil
	turn, err := c.turn(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	c.Attempts++
	c.last.status, c.last.header, c.last.refused = 0, nil, false
	watch := newWatch(req.Context(), c.Account.Timeouts)
	watch.turn = turn
	c.last.watch = watch
	out := req.Clone(watch.ctx)
	for name, values := range c.Header {
		out.Header[name] = values
	}
	// Set here and not before, because net/http copies what a request already
	// has, for redirects.
	out.Header.Set("User-Agent", c.Account.UserAgent)
	if out.Body != nil {
		out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if req.URL.Scheme == c.Account.Scheme && req.URL.Host == c.Account.Host {
		out.Header.Set("Authorization", c.Account.Authorization())
	}
	return out, nil
}

// turn waits until the next attempt may go.
func (c *Call) turn(ctx context.Context) (ratelimit.Turn, error) {
	if err := retry.Sleep(ctx, c.Pause); err != nil {
		return ratelimit.Turn{}, err
	}
	c.Pause = 0
	return c.Account.Turns.Wait(ctx, c.Place, c.Write)
}

// end notes what came of an attempt, and goes on to watch the body of an answer.
func (c *Call) end(resp *http.Response, err error) (*http.Response, error) {
	watch := c.last.watch
	switch {
	case watch == nil:
		return nil, err
	case err != nil && resp != nil && resp.Body != nil:
		_ = resp.Body.Close()
	case err == nil && resp == nil:
		err = errors.New("the transport returned neither an answer nor an error")
	case err == nil && resp.Body == nil:
		resp.Body = http.NoBody
	case err == nil && resp.StatusCode == http.StatusSwitchingProtocols:
		_ = resp.Body.Close() // it is the connection, which no context and no timer ends
		resp.Body = http.NoBody
	}
	if err != nil {
		if c.Stale() && watch.conn.used {
			c.Free++
		}
		return nil, watch.end(err)
	}
	c.last.status, c.last.header = resp.StatusCode, resp.Header
	if c.last.refused = watch.turn.Answer(kindOf(resp.StatusCode), retry.After(resp)); c.last.refused {
		c.Free++
	}
	if c.Long {
		watch.turn.Done() // a loop over its rows may make calls, which must not wait for its end
	}
	if resp.Header["Location"] != nil {
		// net/http looks at it, and shows it in an error, though redirects are not
		// followed.
		c.last.header = resp.Header.Clone()
		resp.Header.Del("Location")
	}
	timeouts := c.Account.Timeouts
	drain := timeouts.Error
	if c.Long && c.Succeeded() {
		drain = 0 // a list that its reader leaves early is not read to its end
	}
	resp.Body = watch.body(resp.Body, timeouts.ofBody(c.Succeeded(), c.Long, watch.began), drain)
	return resp, nil
}

// kindOf tells what a status says about the server's limits.
func kindOf(status int) ratelimit.Answer {
	switch {
	case status == http.StatusTooManyRequests:
		return ratelimit.TooMany
	case status == http.StatusServiceUnavailable:
		return ratelimit.Unavailable
	case status/100 == 2, status/100 == 4 && status != http.StatusRequestTimeout:
		return ratelimit.Accepted
	}
	return ratelimit.Other
}

// log writes the record of an attempt that has just ended.
func (c *Call) log(ctx context.Context, err error, took time.Duration) {
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("op", c.Op),
		slog.String("method", c.Method),
		slog.String("path", c.Path),
		slog.Int("attempt", c.Attempts),
		slog.Duration("took", took),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	} else {
		attrs = append(attrs, slog.Int("status", c.last.status))
	}
	if err != nil && !errors.Is(err, context.Canceled) || err == nil && !c.Succeeded() {
		level = slog.LevelWarn
	}
	c.Account.Logger.LogAttrs(ctx, level, "infinitysip", attrs...)
}
