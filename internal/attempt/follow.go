package attempt

import (
	"context"
	"time"
)

// Follower is put into the context of a call by a package of this module that sees to
// the secrets of what the call makes. The call sets none of them by a further call.
type Follower struct {
	Sent time.Time // when the call was sent the last time; not when it was looked what became of it
}

type followerKey struct{}

// Context returns a context that a Follower follows.
func (f *Follower) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, followerKey{}, f)
}

// FollowerOf returns the Follower of a context, or nil.
func FollowerOf(ctx context.Context) *Follower {
	f, _ := ctx.Value(followerKey{}).(*Follower)
	return f
}
