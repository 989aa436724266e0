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
	"net/url"
	"sync/atomic"
	"time"

	"github.com/infinitysip/infinitysip/internal/ratelimit"
	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/retry"
	"github.com/infinitysip/infinitysip/internal/transcript"
)

// Account is what all attempts of one account share. Several accounts may share a
// Transport.
type Account struct {
	Scheme, Host string // the only ones that see the credentials
	Keys         *Keys
	UserAgent    string
	Limiter      Limiter // the user's; nil: none
	Turns        *ratelimit.Limiter
	Timeouts     Timeouts
	Logger       *slog.Logger    // nil: none
	Debug        *transcript.Log // nil: none
	Observed     bool            // the owners of the calls observe their attempts
}

// Call is what the attempts of one call share, and what came of them. An Owner
// embeds it.
type Call struct {
	Account          *Account
	Op, Method, Path string
	Header           http.Header      // that the caller asks for, beside those of the account
	Form             url.Values       // that the body of the request holds
	Long             bool             // a list, whose answer may be of any length
	Write            bool             // it may change something
	Place            *ratelimit.Place // in the queue for turns
	Pause            time.Duration    // before the next attempt
	Ring             *Ring            // the keys of a source; the looks for what the call made share it
	Warned           *atomic.Bool     // the logger knows that the call waits long; nil: it is not to know

	Attempts int           // how many were sent, or may have been
	Waited   time.Duration // for turns
	Free     int           // how many of them use up nothing: refused as too many, or reads that were Stale
	last     struct {
		status  int // 0: there was no answer
		proto   string
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

// Proto is the protocol of the last answer, such as "HTTP/2.0", or "" if there was none.
func (c *Call) Proto() string { return c.last.proto }

// Succeeded reports whether the last attempt's answer has the status of a
// success. It is the only place that says which those are.
func (c *Call) Succeeded() bool {
	return c.last.status == http.StatusOK || c.last.status == http.StatusCreated || c.last.status == http.StatusNoContent
}

// Begun reports whether the last attempt went on to the transport. If not, it had no
// turn or no key.
func (c *Call) Begun() bool { return c.last.watch != nil }

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
	Clean(error) error           // returns the error without secrets
	Secrets() transcript.Secrets // to keep them out of logs

	// AttemptBegins is told of an attempt that has its turn, if the account is observed. It
	// returns a context whose values the request has, or nil, and headers to add to it.
	// AttemptEnds is told how it ended: when there was an answer, or err.
	AttemptBegins(ctx context.Context, u *url.URL) (values context.Context, header http.Header)
	AttemptEnds(err error)
}

// RequestID returns the X-Request-Id of a call's last answer, if it may be shown.
func RequestID(owner Owner) string {
	if id := owner.Base().Answer().Get("X-Request-Id"); id != "" {
		return redact.Line(owner.Secrets().Text(id))
	}
	return ""
}

type (
	ownerKey       struct{}
	observationKey struct{}
)

// NewContext returns a context for the requests of a call. It holds the call in a func,
// because a printer of contexts shows no func, and the call has a form.
func NewContext(ctx context.Context, owner Owner) context.Context {
	return context.WithValue(ctx, ownerKey{}, func() Owner { return owner })
}

// FromContext returns the call that a request's context belongs to, or nil.
func FromContext(ctx context.Context) Owner {
	if owner, ok := ctx.Value(ownerKey{}).(func() Owner); ok {
		return owner()
	}
	return nil
}

// WithObservation returns a context that carries what observes a call of a method.
func WithObservation(ctx context.Context, observation any) context.Context {
	return context.WithValue(ctx, observationKey{}, observation)
}

// Observation returns what WithObservation put into a context, or nil.
func Observation(ctx context.Context) any { return ctx.Value(observationKey{}) }

// outside is the context for what the user has written: a call that it makes is one of
// its own.
type outside struct{ context.Context }

func (o outside) Value(key any) any {
	if own(key) {
		return nil
	}
	return o.Context.Value(key)
}

// own reports whether a key is one of this package.
func own(key any) bool { return key == (ownerKey{}) || key == (observationKey{}) }

// WithValues returns ctx with the values of another context, which somebody made of it,
// or should have. It ends only when ctx ends, and belongs to the call that ctx belongs to.
func WithValues(ctx, values context.Context) context.Context {
	if values == nil {
		return ctx
	}
	return &valued{ctx, values}
}

type valued struct {
	context.Context
	values context.Context
}

func (v *valued) Value(key any) (value any) {
	if own(key) {
		return v.Context.Value(key) // the values may be of another call
	}
	defer func() {
		if recover() != nil || value == nil { // the values are somebody's, who may do anything
			value = v.Context.Value(key)
		}
	}()
	return v.values.Value(key)
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
	var exchange *transcript.Exchange
	var began time.Time
	if call.Account.Logger != nil {
		began = time.Now()
	}
	defer func() {
		if v := recover(); v != nil {
			// What was thrown may hold anything, so it is not shown.
			resp, err = nil, fmt.Errorf("the transport panicked (%T)", v)
		}
		if err != nil && req.Context().Err() != nil {
			err = req.Context().Err() // and not its cause, which is the caller's own
		}
		if exchange != nil && err == nil {
			exchange.Answered(resp)
		}
		resp, err = call.end(resp, err)
		if call.Account.Observed && call.last.watch != nil {
			owner.AttemptEnds(err)
		}
		if exchange != nil && err != nil {
			exchange.Failed(owner.Clean(err))
		}
		if call.Account.Logger != nil {
			call.log(req.Context(), owner, err, time.Since(began))
		}
	}()
	out, err := call.begin(req)
	if err != nil {
		return nil, err
	}
	if call.Account.Observed {
		values, header := owner.AttemptBegins(&call.last.watch.outside, out.URL)
		if values != nil {
			out = out.WithContext(WithValues(out.Context(), values))
		}
		for key, values := range header {
			for _, value := range values {
				if name, problem := CheckHeader(key, value); problem == "" {
					out.Header.Add(name, value)
				}
			}
		}
	}
	if call.Account.Debug != nil {
		exchange = call.Account.Debug.Request(fmt.Sprintf("%s, attempt %d", call.Op, call.Attempts), out, call.Form, owner.Secrets())
	}
	if err := call.last.watch.start(); err != nil {
		if out.Body != nil {
			_ = out.Body.Close()
		}
		return nil, err
	}
	return t.Base.RoundTrip(out)
}

// begin waits for the turn of an attempt, and returns its request.
func (c *Call) begin(req *http.Request) (*http.Request, error) {
	c.last.watch = nil
	turn, authorization, err := c.turn(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	c.Attempts++
	if follower := FollowerOf(req.Context()); follower != nil && c.Write {
		follower.Sent = time.Now()
	}
	c.last.status, c.last.proto, c.last.header, c.last.refused = 0, "", nil, false
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
		out.Header.Set("Authorization", authorization)
	}
	return out, nil
}

// wait waits until the next attempt may go.
func (c *Call) wait(ctx context.Context) (turn ratelimit.Turn, err error) {
	if c.Account.Logger != nil && c.Warned != nil {
		defer c.watchWait(ctx)()
	}
	if err = retry.Sleep(ctx, c.Pause); err != nil {
		return turn, err
	}
	c.Pause = 0
	began := time.Now()
	if err = waitFor(ctx, c.Account.Limiter); err == nil {
		turn, err = c.Account.Turns.Wait(ctx, c.Place, c.Write)
	}
	if waited := time.Since(began); waited > time.Millisecond { // else it had its turn at once
		c.Waited += waited
	}
	return turn, err
}

// turn waits until the next attempt may go, and returns what it authenticates with.
func (c *Call) turn(ctx context.Context) (turn ratelimit.Turn, authorization string, err error) {
	if turn, err = c.wait(ctx); err != nil {
		return turn, "", err
	}
	if authorization, err = c.Account.Keys.next(ctx, c.Account.Timeouts.Attempt, c.Ring); err != nil {
		turn.Done()
	}
	return turn, authorization, err
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
	c.last.status, c.last.proto, c.last.header = resp.StatusCode, resp.Proto, resp.Header
	asked := retry.After(resp)
	if c.last.refused = watch.turn.Answer(kindOf(resp.StatusCode), asked); c.last.refused {
		c.Free++
		tellRefused(c.Account.Limiter, asked)
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

// longWait is how long a call waits for a turn before the logger is told.
const longWait = 10 * time.Second

// watchWait tells the logger, once a call, that the call waits long. The func that it
// returns ends the watch.
func (c *Call) watchWait(ctx context.Context) (end func()) {
	ended, attempt := make(chan struct{}), c.Attempts+1
	timer := time.AfterFunc(longWait, func() {
		defer close(ended)
		if !c.Warned.Swap(true) {
			c.Account.Log(ctx, slog.LevelWarn, "infinitysip: a call waits long", slog.String("op", c.Op), slog.Int("attempt", attempt), slog.Duration("waited", longWait))
		}
	})
	return func() {
		if !timer.Stop() {
			<-ended
		}
	}
}

// log writes the record of an attempt that has just ended.
func (c *Call) log(ctx context.Context, owner Owner, err error, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("op", c.Op),
		slog.String("method", c.Method),
		slog.String("path", c.Path),
		slog.Int("attempt", c.Attempts),
		slog.Duration("took", took),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", owner.Clean(err).Error()))
	} else {
		attrs = append(attrs, slog.Int("status", c.last.status))
	}
	if id := RequestID(owner); id != "" && err == nil {
		attrs = append(attrs, slog.String("request_id", id))
	}
	c.Account.Log(ctx, slog.LevelDebug, "infinitysip", attrs...)
}

// Log writes a record, if there is a logger. What its handler panics with is dropped.
func (a *Account) Log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	if a.Logger != nil {
		defer func() { _ = recover() }()
		a.Logger.LogAttrs(outside{ctx}, level, message, attrs...)
	}
}
