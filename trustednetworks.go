package infinitysip

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/netip"

	"github.com/infinitysip/infinitysip/internal/rows"
)

// TrustedNetworksService makes the calls on the networks that a domain trusts.
type TrustedNetworksService struct{ caller *caller }

// TrustedNetwork is a SIP trusted network row.
type TrustedNetwork struct {
	// The API's page does not name the id of this row, and spells its path in
	// three ways. So near spellings of the id are read too.
	ID TrustedNetworkID `json:"trustedNetworkId" row:"id,trustednetworkId,trustedNetworksId,sipTrustedNetworkId,networkId,id"`

	DomainID DomainID `json:"domainId"`

	// Network is in CIDR notation and keeps its host bits: 10.0.20.10/24. An
	// address without a length is a /32 or /128. If the server's text is neither,
	// Network is the zero Prefix, and Extra holds the text.
	Network     netip.Prefix `json:"network"`
	Description string       `json:"description"`

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (t TrustedNetwork) MarshalJSON() ([]byte, error) { return marshalRow(&t) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (t *TrustedNetwork) UnmarshalJSON(text []byte) error { return unmarshalRow(t, text) }

// TrustedNetworkCreateParams are the parameters of a new trusted network. Network is
// required.
type TrustedNetworkCreateParams struct {
	Network     netip.Prefix `url:"network" json:"network"`                   // sent as given, host bits too
	Description string       `url:"description,omitempty" json:"description"` // not sent when empty
}

// Validate returns what TrustedNetworks.Create would refuse of the params, without a call.
func (p TrustedNetworkCreateParams) Validate() error { return validate("TrustedNetworks.Create", p) }

// TrustedNetworkUpdateParams change a trusted network: nil leaves a field as
// it is, new("") clears the description.
type TrustedNetworkUpdateParams struct {
	Network     *netip.Prefix `url:"network,omitempty" json:"network"` // sent as given, host bits too
	Description *string       `url:"description,omitempty" json:"description"`
}

// Validate returns what TrustedNetworks.Update would refuse of the params, without a call.
func (p TrustedNetworkUpdateParams) Validate() error { return validate("TrustedNetworks.Update", p) }

// TrustedNetworkListOptions filter, sort and page TrustedNetworks.List.
type TrustedNetworkListOptions = ListOptions[TrustedNetwork]

// TrustedNetworkFields names the fields that TrustedNetworks.List filters and
// sorts by.
var TrustedNetworkFields = struct{ ID, DomainID, Network, Description Field[TrustedNetwork] }{
	"trustedNetworkId", "domainId", "network", "description",
}

// The API spells the path of this resource in three ways: trustednetworks to
// list, trustedNetworks to read and create, trustedNetwork to update and
// delete.

// List returns the trusted networks of a domain; opts may be nil. It is one
// request, so perhaps not all of them: All goes on.
//
// API: List SIP trusted networks
func (s TrustedNetworksService) List(ctx context.Context, domain DomainID, opts *TrustedNetworkListOptions, with ...CallOption) ([]TrustedNetwork, error) {
	return listPaged(ctx, s.caller, "TrustedNetworks.List", path("/domains/{domainId}/trustednetworks", domain), opts, with)
}

// All is List as an iterator over every page; opts may be nil.
//
// API: List SIP trusted networks
func (s TrustedNetworksService) All(ctx context.Context, domain DomainID, opts *TrustedNetworkListOptions, with ...CallOption) iter.Seq2[TrustedNetwork, error] {
	return allPages(ctx, s.caller, "TrustedNetworks.List", path("/domains/{domainId}/trustednetworks", domain), opts, with)
}

// Get returns one trusted network.
//
// API: Read SIP trusted network
func (s TrustedNetworksService) Get(ctx context.Context, domain DomainID, network TrustedNetworkID, with ...CallOption) (*TrustedNetwork, error) {
	return get[TrustedNetwork](ctx, s.caller, "TrustedNetworks.Get", path("/domains/{domainId}/trustedNetworks/{trustedNetworkId}", domain, network), with)
}

// FindByNetwork returns the trusted network with exactly this prefix, or else the one
// of the same network, whatever its host bits: 10.0.20.0/24 for 10.0.20.10/24. The
// package documentation tells how it is found, and when it is not.
//
// API: List SIP trusted networks
func (s TrustedNetworksService) FindByNetwork(ctx context.Context, domain DomainID, network netip.Prefix, with ...CallOption) (*TrustedNetwork, error) {
	return find(ctx, s.caller, "TrustedNetworks.FindByNetwork", path("/domains/{domainId}/trustednetworks", domain), naturalKey{name: "network", address: true}, network.String(), formFormat.Problem(network), func(row *TrustedNetwork) string {
		if !row.Network.IsValid() {
			text, _ := rows.Text(row.Extra["network"])
			return text
		}
		return row.Network.String()
	}, with)
}

// Create adds a trusted network to a domain and returns its id.
//
// API: Create SIP trusted network
func (s TrustedNetworksService) Create(ctx context.Context, domain DomainID, params TrustedNetworkCreateParams, with ...CallOption) (TrustedNetworkID, error) {
	return create[TrustedNetworkID, TrustedNetwork](ctx, s.caller, "TrustedNetworks.Create", path("/domains/{domainId}/trustedNetworks", domain), params, naturalKey{
		op: "TrustedNetworks.List", list: path("/domains/{domainId}/trustednetworks", domain), name: "network", address: true,
	}, with)
}

// Update changes the fields that are not nil in params. If all are nil, it is refused.
//
// API: Update SIP trusted network
func (s TrustedNetworksService) Update(ctx context.Context, domain DomainID, network TrustedNetworkID, params TrustedNetworkUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "TrustedNetworks.Update", http.MethodPost, path("/domains/{domainId}/trustedNetwork/{trustedNetworkId}", domain, network), params, with)
}

// Delete removes a trusted network.
//
// API: Delete SIP trusted network
func (s TrustedNetworksService) Delete(ctx context.Context, domain DomainID, network TrustedNetworkID, with ...CallOption) error {
	return exec(ctx, s.caller, "TrustedNetworks.Delete", http.MethodDelete, path("/domains/{domainId}/trustedNetwork/{trustedNetworkId}", domain, network), nil, with)
}
