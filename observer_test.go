package infinitysip

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// An Observer that is not set costs no allocation. It is not parallel, because
// AllocsPerRun counts for all goroutines.
func TestNoObserverCostsNothing(t *testing.T) {
	client, err := NewClient(APIKey("key"), WithObserver(Observer{}))
	require.NoError(t, err)
	call := newCall("Users.Delete", 0, http.MethodDelete, path("/domains/{domainId}/users/{userId}", DomainID(1), UserID(7)), nil, nil)
	require.Zero(t, testing.AllocsPerRun(100, func() { observeCall(t.Context(), client.caller, call) }))

	client, err = client.WithCredentials(APIKey("key"), WithObserver(Observer{Call: func(ctx context.Context, _ CallInfo) (context.Context, func(CallResult)) {
		return ctx, nil
	}}))
	require.NoError(t, err)
	require.NotZero(t, testing.AllocsPerRun(100, func() { observeCall(t.Context(), client.caller, call) }), "what is measured is what an Observer costs")
}

// observeCall does what a call does for an Observer.
func observeCall(ctx context.Context, c *caller, call *call) {
	ctx, seen := c.observe(ctx, call.Op, call.Method, call.route)
	err := errAborted // until the call has ended
	defer func() { seen.end(err) }()
	_, call.seen = c.observed(ctx)
	defer call.seen.waited(call)
	call.Warned = call.seen.waiting()
	err = nil
}
