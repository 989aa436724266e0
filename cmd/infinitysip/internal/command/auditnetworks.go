package command

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// A seenNetwork is a network of a domain that was looked at before.
type seenNetwork struct {
	network netip.Prefix // without host bits
	id      infinitysip.TrustedNetworkID
	domain  *infinitysip.Domain
}

// title is how a person is told of it who looks at a domain.
func (s *seenNetwork) title(at *infinitysip.Domain) string {
	title := named[infinitysip.TrustedNetworkID]{s.id, s.network.String()}.String()
	if s.domain.ID != at.ID {
		title += " of domain " + domainTitle(s.domain)
	}
	return title
}

// seenNetworks are the networks that were looked at before, in two orders.
type seenNetworks struct {
	sorted []seenNetwork // by address, the wider before the narrower
	exact  map[netip.Prefix][]seenNetwork
}

// look is what is odd about the networks of one domain, which it remembers.
func (s *seenNetworks) look(domain *infinitysip.Domain, networks []infinitysip.TrustedNetwork) []networkFinding {
	var all []networkFinding
	add := func(n *infinitysip.TrustedNetwork, finding, detail string) {
		f := networkFinding{DomainID: idText(domain.ID), Domain: domain.DisplayName, Finding: finding, Detail: detail, Advice: networkAdvice(finding)}
		if n != nil {
			f.NetworkID, f.Network = idText(n.ID), networkAsKept(n)
		}
		all = append(all, f)
	}
	if len(networks) == 0 {
		add(nil, "no networks", "")
	}
	networks = slices.Clone(networks)
	slices.SortStableFunc(networks, func(a, b infinitysip.TrustedNetwork) int { return cmp.Compare(a.ID, b.ID) })
	for i := range networks {
		n := &networks[i]
		if n.Network.IsValid() {
			s.about(domain, n, add)
		} else {
			add(n, "unreadable", "")
		}
		if strings.TrimSpace(n.Description) == "" {
			add(n, "no description", "")
		}
	}
	return all
}

// about says what is odd about one network, and remembers it.
func (s *seenNetworks) about(domain *infinitysip.Domain, n *infinitysip.TrustedNetwork, add func(*infinitysip.TrustedNetwork, string, string)) {
	network := plain(n.Network)
	switch special := specialRange(network); {
	case network.Bits() == 0:
		add(n, "everything", "")
	case special == "private":
		add(n, "private", "")
	case special != "":
		add(n, "special", special)
	}
	if bits := network.Bits(); bits > 0 && (network.Addr().Is4() && bits < 16 || network.Addr().Is6() && bits < 32) {
		add(n, "very wide", fmt.Sprintf("a /%d", bits))
	}
	if n.Network != n.Network.Masked() {
		add(n, "host bits", "it is "+n.Network.Masked().String())
	}
	var same, overlaps []string
	for _, other := range s.exact[network] {
		same = append(same, other.title(domain))
	}
	for _, other := range s.around(network) {
		overlaps = append(overlaps, other.title(domain))
	}
	if len(same) > 0 {
		add(n, "same", titles(same))
	}
	if len(overlaps) > 0 {
		add(n, "overlaps", titles(overlaps))
	}
	s.remember(seenNetwork{network, n.ID, domain})
}

// around are the networks that have this one in them, or are in it, but are not it:
// the widest first.
func (s *seenNetworks) around(network netip.Prefix) []seenNetwork {
	var found []seenNetwork
	for bits := range network.Bits() {
		wider, _ := network.Addr().Prefix(bits)
		found = append(found, s.exact[wider]...)
	}
	i, _ := slices.BinarySearchFunc(s.sorted, network, func(other seenNetwork, network netip.Prefix) int { return comparePrefixes(other.network, network) })
	for _, other := range s.sorted[i:] {
		if !network.Contains(other.network.Addr()) {
			break
		}
		if other.network != network {
			found = append(found, other)
		}
	}
	return found
}

func (s *seenNetworks) remember(n seenNetwork) {
	if s.exact == nil {
		s.exact = map[netip.Prefix][]seenNetwork{}
	}
	s.exact[n.network] = append(s.exact[n.network], n)
	i, _ := slices.BinarySearchFunc(s.sorted, n.network, func(other seenNetwork, network netip.Prefix) int {
		if c := comparePrefixes(other.network, network); c != 0 {
			return c
		}
		return -1 // after the same ones
	})
	s.sorted = slices.Insert(s.sorted, i, n)
}

func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return cmp.Compare(a.Bits(), b.Bits())
}

// plain is a network without host bits, and one of IPv4 that is written as IPv6 as
// IPv4.
func plain(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network.Masked()
}

// specialRange is what a network that lies in no public range is for; "" for any
// other.
func specialRange(network netip.Prefix) string {
	for _, r := range []struct{ network, use string }{
		{"10.0.0.0/8", "private"}, {"172.16.0.0/12", "private"}, {"192.168.0.0/16", "private"}, {"100.64.0.0/10", "private"}, {"fc00::/7", "private"},
		{"192.0.2.0/24", "documentation"}, {"198.51.100.0/24", "documentation"}, {"203.0.113.0/24", "documentation"}, {"2001:db8::/32", "documentation"}, {"3fff::/20", "documentation"},
		{"127.0.0.0/8", "loopback"}, {"::1/128", "loopback"}, {"169.254.0.0/16", "link-local"}, {"fe80::/10", "link-local"},
		{"0.0.0.0/8", "no address of its own"}, {"::/128", "no address of its own"}, {"198.18.0.0/15", "benchmarks"},
		{"224.0.0.0/4", "multicast"}, {"ff00::/8", "multicast"}, {"240.0.0.0/4", "reserved"},
	} {
		whole := netip.MustParsePrefix(r.network)
		if network.Bits() >= whole.Bits() && whole.Contains(network.Addr()) {
			return r.use
		}
	}
	return ""
}
