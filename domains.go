package infinitysip

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
)

// DomainsService makes the calls on SIP domains. Infinity creates and deletes
// domains; this API cannot.
type DomainsService struct{ caller *caller }

// Domain is a SIP domain row.
type Domain struct {
	ID          DomainID `json:"domainId" row:"id"`
	DisplayName string   `json:"displayName"`
	Rec         bool     `json:"rec"` // calls are recorded

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// UpdateParams returns params that leave the domain as it is in this row. Change
// what you want, and pass them to Update. A flag that the server left out of the
// row is off in them.
func (d Domain) UpdateParams() DomainUpdateParams {
	return DomainUpdateParams{DisplayName: d.DisplayName, Rec: d.Rec}
}

// DomainUpdateParams are always both sent, because the API has no optional
// parameter here. Start from Domain.UpdateParams. A domain without a display name
// must be given one.
type DomainUpdateParams struct {
	DisplayName string `url:"displayName"`
	Rec         bool   `url:"rec,int"` // record calls
}

// List returns the domains that the credentials give access to.
//
// API: List SIP Domains
func (s DomainsService) List(ctx context.Context, with ...CallOption) ([]Domain, error) {
	return list[Domain](ctx, s.caller, "Domains.List", path("/domains"), with)
}

// All is List as an iterator: one request, rows as they arrive.
//
// API: List SIP Domains
func (s DomainsService) All(ctx context.Context, with ...CallOption) iter.Seq2[Domain, error] {
	return all[Domain](ctx, s.caller, "Domains.List", path("/domains"), with)
}

// Get returns one domain.
//
// API: Read SIP Domain
func (s DomainsService) Get(ctx context.Context, domain DomainID, with ...CallOption) (*Domain, error) {
	return get[Domain](ctx, s.caller, "Domains.Get", path("/domains/{domainId}", domain), with)
}

// Update sets the display name and call recording of a domain.
//
// API: Update SIP Domain
func (s DomainsService) Update(ctx context.Context, domain DomainID, params DomainUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "Domains.Update", http.MethodPost, path("/domains/{domainId}", domain), params, with)
}
