package siptest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/infinitysip/infinitysip"
)

// Client returns a client that uses the server's socket and API key. The client
// trusts the server's certificate, if there is one. Client panics if an option is
// invalid.
func (s *Server) Client(opts ...infinitysip.Option) *infinitysip.Client {
	own := []infinitysip.Option{infinitysip.WithBaseURL(s.URL())}
	if s.encrypted() {
		own = append(own, infinitysip.WithHTTPClient(s.socket.Client()))
	}
	return s.client(opts, own...)
}

// InProcessClient returns a client that uses Transport, without a socket or a
// goroutine. InProcessClient panics if an option is invalid.
func (s *Server) InProcessClient(opts ...infinitysip.Option) *infinitysip.Client {
	return s.client(opts,
		infinitysip.WithBaseURL("https://siptest.invalid"),
		infinitysip.WithHTTPClient(&http.Client{Transport: s.Transport()}),
	)
}

func (s *Server) client(opts []infinitysip.Option, own ...infinitysip.Option) *infinitysip.Client {
	s.mu.Lock()
	key := infinitysip.APIKey(s.apiKey)
	s.mu.Unlock()
	client, err := infinitysip.NewClient(key, append(own, opts...)...)
	if err != nil {
		panic("siptest: " + err.Error())
	}
	return client
}

// Domains returns the domains in the order of their ids. Extra["domain"] is the
// host name, as in AddDomain.
func (s *Server) Domains() []infinitysip.Domain {
	return readRows(s, domains, 0, func(r *row) infinitysip.Domain {
		return infinitysip.Domain{
			ID:          infinitysip.DomainID(r.id),
			DisplayName: r.cells["displayName"],
			Rec:         r.flag("rec"),
			Extra:       map[string]json.RawMessage{"domain": appendString(nil, r.cells["domain"])},
		}
	})
}

// Users returns the users of a domain, with their passwords and PINs, in the order
// of their ids.
func (s *Server) Users(domain infinitysip.DomainID) []infinitysip.User {
	return readRows(s, users, int64(domain), func(r *row) infinitysip.User {
		return infinitysip.User{
			ID:              infinitysip.UserID(r.id),
			DomainID:        domain,
			User:            r.cells["user"],
			DisplayName:     r.cells["displayName"],
			ExtensionNumber: r.cells["extensionNumber"],
			Email:           r.cells["email"],
			FirstName:       r.cells["firstName"],
			LastName:        r.cells["lastName"],
			JobName:         r.cells["jobName"],
			DepartmentName:  r.cells["departmentName"],
			CompanyName:     r.cells["companyName"],
			OfficeName:      r.cells["officeName"],
			UKCallerID:      r.cells["ukCallerId"],
			USCallerID:      r.cells["usCallerId"],
			MobileNumber:    r.cells["mobileNumber"],
			MobileFollow:    r.flag("mobileFollow"),
			UKPhoneID:       infinitysip.PhoneID(r.number("ukPhoneId")),
			USPhoneID:       infinitysip.PhoneID(r.number("usPhoneId")),
			HotdeskAllowed:  r.flag("hotdeskAllowed"),
			Dashboard:       r.flag("dashboard"),
			Password:        infinitysip.NewSecret(r.cells["password"]),
			PIN:             infinitysip.NewSecret(r.cells["pin"]),
		}
	})
}

// Groups returns the groups of a domain in the order of their ids.
func (s *Server) Groups(domain infinitysip.DomainID) []infinitysip.Group {
	return readRows(s, groups, int64(domain), func(r *row) infinitysip.Group {
		return infinitysip.Group{
			ID:               infinitysip.GroupID(r.id),
			DomainID:         domain,
			Name:             r.cells["groupName"],
			DisplayName:      r.cells["displayName"],
			ExtensionNumber:  r.cells["extensionNumber"],
			RingRetry:        r.flag("ringRetry"),
			RingExclusive:    r.flag("ringExclusive"),
			CallerNameFormat: infinitysip.CallerNameFormat(r.cells["callerNameFormat"]),
		}
	})
}

// GroupUsers returns the users in a group, in the order of their ids.
func (s *Server) GroupUsers(domain infinitysip.DomainID, group infinitysip.GroupID) []infinitysip.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []infinitysip.UserID
	for _, user := range s.store.children(users, int64(domain)) {
		if s.store.memberships[membership{group: int64(group), user: user.id}] {
			ids = append(ids, infinitysip.UserID(user.id))
		}
	}
	return ids
}

// Queues returns the queues of a domain in the order of their ids.
func (s *Server) Queues(domain infinitysip.DomainID) []infinitysip.Queue {
	return readRows(s, queues, int64(domain), func(r *row) infinitysip.Queue {
		return infinitysip.Queue{
			ID:               infinitysip.QueueID(r.id),
			DomainID:         domain,
			Name:             r.cells["queueName"],
			DisplayName:      r.cells["displayName"],
			ExtensionNumber:  r.cells["extensionNumber"],
			CallerNameFormat: infinitysip.CallerNameFormat(r.cells["callerNameFormat"]),
		}
	})
}

// QueueMembers returns the members of a queue in ringing order.
func (s *Server) QueueMembers(domain infinitysip.DomainID, queue infinitysip.QueueID) []infinitysip.QueueMember {
	if !slices.ContainsFunc(s.Queues(domain), func(q infinitysip.Queue) bool { return q.ID == queue }) {
		return nil
	}
	rows := readRows(s, queueMembers, int64(queue), func(r *row) infinitysip.QueueMember {
		return infinitysip.QueueMember{
			ID:           infinitysip.QueueMemberID(r.id),
			QueueID:      queue,
			GroupID:      infinitysip.GroupID(r.number("groupId")),
			RingStrategy: infinitysip.RingStrategy(r.cells["ringStrategy"]),
			RingAttempts: int(r.number("ringAttempts")),
			RingSecs:     int(r.number("ringSecs")),
			RingOrder:    int(r.number("ringOrder")),
		}
	})
	slices.SortStableFunc(rows, func(a, b infinitysip.QueueMember) int {
		return cmp.Compare(a.RingOrder, b.RingOrder)
	})
	return rows
}

// TrustedNetworks returns the trusted networks of a domain in the order of
// their ids. If a stored network is not in CIDR notation, Network is the zero
// Prefix, and Extra["network"] holds the text.
func (s *Server) TrustedNetworks(domain infinitysip.DomainID) []infinitysip.TrustedNetwork {
	return readRows(s, trustedNetworks, int64(domain), func(r *row) infinitysip.TrustedNetwork {
		network := infinitysip.TrustedNetwork{
			ID:          infinitysip.TrustedNetworkID(r.id),
			DomainID:    domain,
			Description: r.cells["description"],
		}
		var err error
		if network.Network, err = netip.ParsePrefix(r.cells["network"]); err != nil {
			network.Extra = map[string]json.RawMessage{"network": appendString(nil, r.cells["network"])}
		}
		return network
	})
}

// Devices returns the devices of a domain in the order of their ids.
func (s *Server) Devices(domain infinitysip.DomainID) []infinitysip.Device {
	return readRows(s, devices, int64(domain), func(r *row) infinitysip.Device {
		return infinitysip.Device{
			ID:         infinitysip.DeviceID(r.id),
			Name:       r.cells["pbxDeviceName"],
			DomainID:   domain,
			MACAddress: r.cells["deviceMacAddress"],
			Created:    r.datetime("createDatetime", s.opts.Zone),
			Updated:    r.datetime("updateDatetime", s.opts.Zone),
			UserID:     infinitysip.UserID(r.number("userId")),
			User:       r.cells["user"],
		}
	})
}

// readRows converts every row of a parent.
func readRows[T any](s *Server, res *resource, parent int64, convert func(*row) T) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var result []T
	for _, r := range s.store.children(res, parent) {
		result = append(result, convert(r))
	}
	return result
}

func (r *row) flag(column string) bool { return r.cells[column] == "1" }

func (r *row) number(column string) int64 {
	n, _ := wholeNumber(r.cells[column])
	return n
}

// datetime returns the zero Time if the column has the zero date.
func (r *row) datetime(column string, zone *time.Location) time.Time {
	t, err := time.ParseInLocation(datetimeLayout, r.cells[column], zone)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
