package provision_test

import (
	"net/http"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// acme is a server with a domain, and a client on it.
type acme struct {
	*siptest.Server
	domain infinitysip.DomainID
	client *infinitysip.Client
}

func newAcme(t *testing.T, o ...siptest.Options) *acme {
	srv := siptest.New(t, o...)
	return &acme{srv, srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"}), srv.InProcessClient()}
}

// sent are the calls that may have changed something.
func (a *acme) sent() []string {
	var ops []string
	for _, r := range a.Requests() {
		if r.Method != http.MethodGet {
			ops = append(ops, r.Op)
		}
	}
	return ops
}

// plan plans what there is no problem with.
func (a *acme) plan(t *testing.T, desired *provision.State, opts *provision.PlanOptions) *provision.Changes {
	t.Helper()
	changes, err := provision.Plan(t.Context(), a.client, a.domain, desired, opts)
	require.NoError(t, err)
	return changes
}
