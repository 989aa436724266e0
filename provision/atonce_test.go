package provision

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// atOnce calls the functions in goroutines that all begin together. The race detector
// says what they write that others read.
func atOnce(functions ...func()) {
	begin := make(chan struct{})
	var group sync.WaitGroup
	for _, f := range functions {
		group.Go(func() {
			<-begin
			f()
		})
	}
	close(begin)
	group.Wait()
}

// What the package knows of columns and fields is made once and then only read, so that a
// program may read a file while it plans another.
func TestColumnsAreOnlyRead(t *testing.T) {
	t.Parallel()
	atOnce(
		func() { columnsByName() },
		func() { columnsByName() },
		func() { fieldsByColumn() },
		func() { columnOf("extensionNumber") },
		func() { unknownColumn("extensionn", nil) },
		func() { _ = columnList() },
	)
	require.Empty(t, columns[0].field, "what is empty in the table stays so")
}

// A State is a value that many goroutines may read: those that check it, write it, and
// plan and apply it for several domains.
func TestOneStateForManyDomains(t *testing.T) {
	t.Parallel()
	state, err := ReadCSV(strings.NewReader("user,displayName,extension,groups,mac,email\nann,Ann,101,sales,00:00:5E:00:53:01,ann@example.com\nben,Ben,102,sales,,\ncat,Cat,x,,,\n"), &CSVOptions{SkipBad: true})
	require.NoError(t, err)
	state.Groups = []Group{{Name: "sales", DisplayName: "Sales", ExtensionNumber: "600"}}
	state.Queues = []Queue{{Name: "front", DisplayName: "Front", ExtensionNumber: "700", Members: []QueueMember{{Group: "sales"}}}}
	state.TrustedNetworks = []TrustedNetwork{{Network: "192.0.2.0/24"}}

	functions := []func(){
		func() { assert.NoError(t, state.Check()) },
		func() { assert.NoError(t, state.WriteJSON(&bytes.Buffer{})) },
		func() { assert.NoError(t, state.WriteSkipped(&bytes.Buffer{})) },
		func() { assert.Len(t, state.Skipped(), 1) },
		func() { assert.NoError(t, state.WriteCSV(&bytes.Buffer{})) },
		func() { assert.Len(t, Merge(state, &State{Users: []User{{User: "dan"}}}).Users, len(state.Users)+1) },
		func() {
			_, err := state.Secrets()("ann")
			assert.NoError(t, err)
		},
	}
	for range 3 {
		server := siptest.New(t)
		domain := server.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		functions = append(functions, func() {
			client := server.InProcessClient()
			changes, err := Plan(t.Context(), client, domain, state, nil)
			if !assert.NoError(t, err) {
				return
			}
			_, err = changes.Apply(t.Context(), client, nil)
			assert.NoError(t, err)
			changes, err = Plan(t.Context(), client, domain, state, nil)
			if assert.NoError(t, err) {
				assert.True(t, changes.Empty(), "%v", changes)
			}
		})
	}
	atOnce(functions...)
}

// A plan that is applied may be shown and saved meanwhile.
func TestOnePlanForManyReaders(t *testing.T) {
	t.Parallel()
	server := siptest.New(t)
	domain, client := server.AddDomain(infinitysip.Domain{DisplayName: "Acme"}), server.InProcessClient()
	state := &State{
		Users:  []User{{User: "ann", DisplayName: "Ann", ExtensionNumber: "101", Password: infinitysip.NewSecret("9WqW-canary-7")}},
		Groups: []Group{{Name: "sales", DisplayName: "Sales", ExtensionNumber: "600", Members: []string{"ann"}}},
	}
	changes, err := Plan(t.Context(), client, domain, state, nil)
	require.NoError(t, err)
	digest := changes.Digest()
	atOnce(
		func() { assert.Equal(t, digest, changes.Digest()) },
		func() { assert.NotContains(t, changes.String(), "canary") },
		func() { assert.Zero(t, changes.Deletes()) },
		func() { assert.Equal(t, 3, changes.Summary().Create) },
		func() {
			saved, err := json.Marshal(changes)
			assert.NoError(t, err)
			assert.NotContains(t, string(saved), "canary")
		},
		func() {
			cut, err := changes.Only(func(c *Change) bool { return c.Kind == KindGroup })
			if assert.NoError(t, err) {
				assert.NotEqual(t, digest, cut.Digest())
			}
		},
		func() {
			_, err := changes.Apply(t.Context(), client, nil)
			assert.NoError(t, err)
		},
	)
	require.Equal(t, digest, changes.Digest())
}
