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

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (d Domain) MarshalJSON() ([]byte, error) { return marshalRow(&d) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (d *Domain) UnmarshalJSON(text []byte) error { return unmarshalRow(d, text) }

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
	DisplayName string `url:"displayName" json:"displayName"`
	Rec         bool   `url:"rec,int" json:"rec"` // record calls
}

// Validate returns what Domains.Update would refuse of the params, without a call.
func (p DomainUpdateParams) Validate() error { return validate("Domains.Update", p) }

// List returns the domains that the credentials give access to. A list of 10,000
// rows may not be whole: a server may give no more in one answer.
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

// Find returns the domain of this display name, whatever its case if none has it
// exactly. The package documentation tells how it is found, and when it is not.
//
// API: List SIP Domains
func (s DomainsService) Find(ctx context.Context, displayName string, with ...CallOption) (*Domain, error) {
	return find(ctx, s.caller, "Domains.Find", path("/domains"), naturalKey{name: "displayName"}, displayName, "", func(row *Domain) string { return row.DisplayName }, with)
}

// Update sets the display name and call recording of a domain.
//
// API: Update SIP Domain
func (s DomainsService) Update(ctx context.Context, domain DomainID, params DomainUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "Domains.Update", http.MethodPost, path("/domains/{domainId}", domain), params, with)
}
