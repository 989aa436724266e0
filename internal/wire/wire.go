// Package wire holds what is known of how the API's server writes and bounds
// things: the forms of addresses and networks, and the most that one answer or
// one request can hold. The client and package provision share it.
package wire

import (
	"net"
	"net/netip"
	"strings"

	"github.com/infinitysip/infinitysip/internal/verify"
)

// MaxRows is the most rows that the API's siblings give in one answer: a list
// as long as this may go on.
const MaxRows = 10_000

// MaxOrder is the most ids that an order can name: PHP keeps nothing of a
// longer PUT form, and says nothing.
const MaxOrder = 1_000

// MAC writes a MAC address as the API does, such as 10:20:30:1A:2B:3C. It takes
// six octets in any form of net.ParseMAC, and returns "" for anything else.
func MAC(text string) string {
	if written(text) {
		return text // most are, and there may be many
	}
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return ""
	}
	return strings.ToUpper(mac.String())
}

// written reports whether a MAC address is written as the API does.
func written(text string) bool {
	if len(text) != len("10:20:30:1A:2B:3C") {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case i%3 == 2:
			if c != ':' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}

// Network reads a network in CIDR notation, or an address alone as a /32 or
// /128. It refuses an address with a zone, which no prefix can hold.
func Network(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, true
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// SameValue reports whether a row's value is what was sent, allowing for the
// ways in which a server may write a flag.
func SameValue(sent, got string) bool {
	return sent == got || sent == "1" && got == "true" || sent == "0" && (got == "false" || got == "")
}

// SameAddress reports whether a row's text is the MAC address or the network that
// was sent. A server may keep a network without its host bits.
func SameAddress(sent, got string) bool {
	if mac := MAC(sent); mac != "" {
		return mac == MAC(got)
	}
	a, ok := Network(sent)
	b, okToo := Network(got)
	return ok && okToo && (b == a || b == a.Masked())
}

// NearNetwork reports whether a row's text may be the network that was sent, in a
// notation that SameAddress does not know: 10.0.20.0/255.255.255.0, or the address alone.
func NearNetwork(sent, got string) bool {
	a, _ := Network(sent)
	text, _, _ := strings.Cut(got, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return got != ""
	}
	b, _ := Network(got)
	return addr.Unmap() == a.Addr() || addr.Unmap() == a.Masked().Addr() || b.Masked() == a.Masked()
}

// LikeName compares a row's name with one that is looked for.
func LikeName(want, got string) verify.Likeness {
	switch {
	case got == "":
		return verify.Unsaid
	case got == want:
		return verify.Exact
	case strings.EqualFold(got, want):
		return verify.Alike
	}
	return verify.Other
}

// LikeAddress compares a row's MAC address or network with one that is looked for. A
// MAC address may have colons, hyphens, dots or none. Two networks are alike without
// their host bits.
func LikeAddress(want, got string) verify.Likeness {
	a, ok := Network(want)
	b, okToo := Network(got)
	bare := strings.NewReplacer(":", "", "-", "", ".", "")
	switch {
	case got == "":
		return verify.Unsaid
	case !ok && strings.EqualFold(bare.Replace(want), bare.Replace(got)), ok && a == b:
		return verify.Exact
	case ok && okToo && a.Masked() == b.Masked():
		return verify.Alike
	case ok && (!okToo || !strings.Contains(got, "/")) && NearNetwork(want, got):
		return verify.Unclear
	}
	return verify.Other
}

// Addresses are the ways in which a server may keep a MAC address or a network.
func Addresses(sent string) []any {
	if mac := MAC(sent); mac != "" {
		return []any{mac, strings.ToLower(mac)}
	}
	network, _ := Network(sent)
	ways := []any{sent, network.Masked().String()}
	if network.IsSingleIP() {
		ways = append(ways, network.Addr().String())
	}
	return ways
}
