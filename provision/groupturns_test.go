package provision_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// swapped are two groups that change their numbers, and more of both.
func swapped() (before, after *provision.State) {
	return &provision.State{Groups: []provision.Group{
			{Name: "sales", ExtensionNumber: "0600", DisplayName: "Sales"}, {Name: "support", ExtensionNumber: "0601", DisplayName: "Support"}}},
		&provision.State{Groups: []provision.Group{
			{Name: "sales", ExtensionNumber: "0601", DisplayName: "Sales!", RingRetry: new(true)}, {Name: "support", ExtensionNumber: "0600", DisplayName: "Support!", RingRetry: new(true)}}}
}

// The API sets every field of a group at once. So two changes of one group are made one
// after the other, or the later would undo the earlier.
func TestChangesOfOneGroupTakeTurns(t *testing.T) {
	t.Parallel()
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{Latency: time.Second})
			before, after := swapped()
			a.become(t, before)
			_, err := a.plan(t, after, nil).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 4})
			require.NoError(t, err)
			a.is(t, after, nil)
		})
	}
}
