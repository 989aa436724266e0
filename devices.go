package infinitysip

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"
)

// DevicesService makes the calls on PBX devices. Users.AddDevice associates
// one with a user.
type DevicesService struct{ caller *caller }

// Device is a PBX device row.
type Device struct {
	ID         DeviceID  `json:"pbxDeviceId" row:"id"`
	Name       string    `json:"pbxDeviceName"`
	DomainID   DomainID  `json:"domainId"`
	MACAddress string    `json:"deviceMacAddress"` // as the server has it, such as 10:20:30:1A:2B:3C
	Created    time.Time `json:"createDatetime"`
	Updated    time.Time `json:"updateDatetime"` // zero: never updated
	UserID     UserID    `json:"userId"`         // the associated user; 0: none
	User       string    `json:"user"`           // its user name

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (d Device) MarshalJSON() ([]byte, error) { return marshalRow(&d) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (d *Device) UnmarshalJSON(text []byte) error { return unmarshalRow(d, text) }

// DeviceCreateParams are the parameters of a new device. Both are required.
type DeviceCreateParams struct {
	Name string `url:"pbxDeviceName" json:"pbxDeviceName"` // such as My PBX Device 1

	// MACAddress is six octets in any form that net.ParseMAC takes; it is
	// sent as 10:20:30:1A:2B:3C.
	MACAddress string `url:"deviceMacAddress" json:"deviceMacAddress" check:"mac"`
}

// Validate returns what Devices.Create would refuse of the params, without a call.
func (p DeviceCreateParams) Validate() error { return validate("Devices.Create", p) }

// DeviceUpdateParams are the parameters of an update. The name is required;
// the API changes nothing else of a device.
type DeviceUpdateParams struct {
	Name string `url:"pbxDeviceName" json:"pbxDeviceName"`
}

// Validate returns what Devices.Update would refuse of the params, without a call.
func (p DeviceUpdateParams) Validate() error { return validate("Devices.Update", p) }

// DeviceListOptions filter, sort and page Devices.List.
type DeviceListOptions = ListOptions[Device]

// DeviceFields names the fields that Devices.List filters and sorts by.
var DeviceFields = struct {
	ID, Name, DomainID, MACAddress, Created, Updated, UserID, User Field[Device]
}{
	"pbxDeviceId", "pbxDeviceName", "domainId", "deviceMacAddress", "createDatetime", "updateDatetime", "userId", "user",
}

// List returns the devices of a domain; opts may be nil. It is one request, so
// perhaps not all of them: All goes on.
//
// API: List PBX devices
func (s DevicesService) List(ctx context.Context, domain DomainID, opts *DeviceListOptions, with ...CallOption) ([]Device, error) {
	return listPaged(ctx, s.caller, "Devices.List", path("/domains/{domainId}/devices", domain), opts, with)
}

// All is List as an iterator over every page; opts may be nil.
//
// API: List PBX devices
func (s DevicesService) All(ctx context.Context, domain DomainID, opts *DeviceListOptions, with ...CallOption) iter.Seq2[Device, error] {
	return allPages(ctx, s.caller, "Devices.List", path("/domains/{domainId}/devices", domain), opts, with)
}

// Get returns one device.
//
// API: Read PBX devices
func (s DevicesService) Get(ctx context.Context, domain DomainID, device DeviceID, with ...CallOption) (*Device, error) {
	return get[Device](ctx, s.caller, "Devices.Get", path("/domains/{domainId}/devices/{pbxDeviceId}", domain, device), with)
}

// FindByMAC returns the device of this MAC address, in any form that net.ParseMAC
// takes, however the server spells it. The package documentation tells how it is
// found, and when it is not.
//
// API: List PBX devices
func (s DevicesService) FindByMAC(ctx context.Context, domain DomainID, mac string, with ...CallOption) (*Device, error) {
	mac, problem := formFormat.Checks["mac"](mac)
	return find(ctx, s.caller, "Devices.FindByMAC", path("/domains/{domainId}/devices", domain), naturalKey{name: "deviceMacAddress", address: true}, mac, problem, func(row *Device) string { return row.MACAddress }, with)
}

// Create adds a device to a domain and returns its id.
//
// API: Create PBX device
func (s DevicesService) Create(ctx context.Context, domain DomainID, params DeviceCreateParams, with ...CallOption) (DeviceID, error) {
	return create[DeviceID, Device](ctx, s.caller, "Devices.Create", path("/domains/{domainId}/devices", domain), params, naturalKey{op: "Devices.List", name: "deviceMacAddress", address: true, number: "pbxDeviceName"}, with)
}

// Update renames a device.
//
// API: Update PBX device
func (s DevicesService) Update(ctx context.Context, domain DomainID, device DeviceID, params DeviceUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "Devices.Update", http.MethodPost, path("/domains/{domainId}/devices/{pbxDeviceId}", domain, device), params, with)
}

// Delete removes a device.
//
// API: Delete PBX device
func (s DevicesService) Delete(ctx context.Context, domain DomainID, device DeviceID, with ...CallOption) error {
	return exec(ctx, s.caller, "Devices.Delete", http.MethodDelete, path("/domains/{domainId}/devices/{pbxDeviceId}", domain, device), nil, with)
}
