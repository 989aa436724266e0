package rows

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"
)

// format is that of the rows below: it hides what is a secret by its name.
var format = &Format{
	Set: func(to any, text []byte) bool {
		switch to := to.(type) {
		case *Secret:
			*to = NewSecret(string(text))
			return true
		case *netip.Prefix:
			var taken bool
			*to, taken = parseNetwork(string(text))
			return taken
		}
		return false
	},
	Hidden: func(name string) bool {
		return strings.EqualFold(name, "password") || strings.EqualFold(name, "pin") || strings.EqualFold(name, "pbxDeviceToken")
	},
	Mark: "[redacted]",
}

// Secret is a type that this package does not know.
type Secret struct{ reveal func() string }

func NewSecret(value string) Secret { return Secret{func() string { return value }} }

func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// parseNetwork reads a network, which is of another type that this package does
// not know.
func parseNetwork(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, true
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

type (
	UserID           int64
	DomainID         int64
	PhoneID          int64
	DeviceID         int64
	TrustedNetworkID int64
	RingStrategy     string
)

// Rows like those that are read with this package.
type (
	User struct {
		ID              UserID   `json:"userId" row:"id"`
		DomainID        DomainID `json:"domainId"`
		User            string   `json:"user"`
		DisplayName     string   `json:"displayName"`
		ExtensionNumber string   `json:"extensionNumber"`
		Email           string   `json:"email"`
		FirstName       string   `json:"firstName"`
		LastName        string   `json:"lastName"`
		JobName         string   `json:"jobName"`
		DepartmentName  string   `json:"departmentName"`
		CompanyName     string   `json:"companyName"`
		OfficeName      string   `json:"officeName"`
		UKCallerID      string   `json:"ukCallerId"`
		USCallerID      string   `json:"usCallerId"`
		MobileNumber    string   `json:"mobileNumber"`
		MobileFollow    bool     `json:"mobileFollow"`
		UKPhoneID       PhoneID  `json:"ukPhoneId"`
		USPhoneID       PhoneID  `json:"usPhoneId"`
		HotdeskAllowed  bool     `json:"hotdeskAllowed"`
		Dashboard       bool     `json:"dashboard"`
		Password        Secret   `json:"password,omitzero"`
		PIN             Secret   `json:"pin,omitzero"`

		Extra map[string]json.RawMessage `json:"-"`
	}
	Device struct {
		ID         DeviceID  `json:"pbxDeviceId" row:"id"`
		Name       string    `json:"pbxDeviceName"`
		DomainID   DomainID  `json:"domainId"`
		MACAddress string    `json:"deviceMacAddress"`
		Created    time.Time `json:"createDatetime"`
		Updated    time.Time `json:"updateDatetime"`
		UserID     UserID    `json:"userId"`
		User       string    `json:"user"`

		Extra map[string]json.RawMessage `json:"-"`
	}
	UserDevice struct {
		DeviceID DeviceID `json:"pbxDeviceId" row:"id"`
		User     string   `json:"user"`
		Token    Secret   `json:"pbxDeviceToken,omitzero"`

		Extra map[string]json.RawMessage `json:"-"`
	}
	TrustedNetwork struct {
		ID      TrustedNetworkID `json:"trustedNetworkId" row:"id,trustednetworkId,trustedNetworksId,sipTrustedNetworkId,networkId,id"`
		Network netip.Prefix     `json:"network"`

		Extra map[string]json.RawMessage `json:"-"`
	}
	Any struct {
		Extra map[string]json.RawMessage `json:"-"`
	}
)
