package command

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, e := range []*infinitysip.Error{
		{Attempts: 4, Err: errors.New("connection refused")},
		{StatusCode: 503, Attempts: 20},
		{StatusCode: 429, Attempts: 1},
	} {
		require.True(t, unreachable(fmt.Errorf("deleting: %w", e)), "%v", e)
	}
	for _, err := range []error{nil, errors.New("x"), &infinitysip.Error{StatusCode: 409, Attempts: 1}, &infinitysip.Error{StatusCode: 404, Attempts: 1}, &infinitysip.Error{}} {
		require.False(t, unreachable(err), "%v", err)
	}
}
