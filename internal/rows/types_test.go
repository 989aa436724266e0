package rows

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// format is that of the rows below: it hides what is a secret by its name.
var format = &Format{
	Own: func(t reflect.Type) bool {
		return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[netip.Prefix]()
	},
	Text: func(value any) (string, bool) {
		switch value := value.(type) {
		case *Secret:
			return "[redacted]", value.Reveal() != ""
		case *netip.Prefix:
			text := ""
			if value.IsValid() {
				text = value.String()
			}
			return text, true
		}
		return "", false
	},
	Set: func(to any, text []byte) bool {
		switch to := to.(type) {
		case *Secret:
			if string(text) != "[redacted]" {
				*to = NewSecret(string(text))
			}
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

// Other ways to write a number and a time, and PHP's zero, which is no time.
func TestOtherWays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Device{
		`{"pbxDeviceId":"7.0"}`: {ID: 7},
		`{"pbxDeviceId":7.00}`:  {ID: 7},
		`{"pbxDeviceId":7,"updateDatetime":"2019-10-31T09:42:56Z"}`:      {ID: 7, Updated: time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC)},
		`{"pbxDeviceId":7,"updateDatetime":"2019-10-31T09:42:56"}`:       {ID: 7, Updated: time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC)},
		`{"pbxDeviceId":7,"updateDatetime":"2019-10-31T10:42:56+01:00"}`: {ID: 7, Updated: time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC)},
		`{"pbxDeviceId":7,"updateDatetime":"-0001-11-30 00:00:00"}`:      {ID: 7, Extra: map[string]json.RawMessage{"updateDatetime": json.RawMessage(`"-0001-11-30 00:00:00"`)}},
	} {
		got, err := readRow[Device](t, text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"7.5", ".0", "7.", "7.0.0", "1e3"} {
		_, err := readRow[Device](t, `{"pbxDeviceId":"`+text+`"}`)
		require.Error(t, err, text)
	}
}
