package siptest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// AddDomain adds a domain and returns its id. (The API has no call for this.) The
// id is d.ID, or the next one if d.ID is zero. The host name of the domain is
// Extra["domain"]; if there is none, AddDomain makes one. Extra may hold the dates
// too, as in AddUser. AddDomain panics if the id is in use.
func (s *Server) AddDomain(d infinitysip.Domain) infinitysip.DomainID {
	return infinitysip.DomainID(s.add(domains, 0, int64(d.ID), d.Extra, map[string]string{
		"domain":      extraText(d.Extra, "domain"),
		"displayName": d.DisplayName,
		"rec":         flagText(d.Rec),
	}))
}

// AddUser adds a user to a domain and returns its id, without a request. The row
// is stored as it is, with its password and PIN. Only two fields differ: an ID of
// zero becomes the next one, and DomainID becomes domain. The server's checks do
// not apply, nor Options.RewriteKey. Fields may be empty.
//
// The dates of the row are Extra["createDatetime"] and Extra["updateDatetime"].
// Without the first, the row was made now. Without the second, it was never
// updated. Other members of Extra are ignored.
//
// AddUser panics if there is no such domain, if the id is in use, or if another
// row has the user name or the extension number.
func (s *Server) AddUser(domain infinitysip.DomainID, user infinitysip.User) infinitysip.UserID {
	return infinitysip.UserID(s.add(users, domain, int64(user.ID), user.Extra, map[string]string{
		"user":            user.User,
		"displayName":     user.DisplayName,
		"extensionNumber": user.ExtensionNumber,
		"email":           user.Email,
		"firstName":       user.FirstName,
		"lastName":        user.LastName,
		"jobName":         user.JobName,
		"departmentName":  user.DepartmentName,
		"companyName":     user.CompanyName,
		"officeName":      user.OfficeName,
		"ukCallerId":      user.UKCallerID,
		"usCallerId":      user.USCallerID,
		"mobileNumber":    user.MobileNumber,
		"mobileFollow":    flagText(user.MobileFollow),
		"ukPhoneId":       strconv.FormatInt(int64(user.UKPhoneID), 10),
		"usPhoneId":       strconv.FormatInt(int64(user.USPhoneID), 10),
		"hotdeskAllowed":  flagText(user.HotdeskAllowed),
		"dashboard":       flagText(user.Dashboard),
		"password":        user.Password.Reveal(),
		"pin":             user.PIN.Reveal(),
	}))
}

// AddGroup adds a group without users, as AddUser adds a user.
func (s *Server) AddGroup(domain infinitysip.DomainID, group infinitysip.Group) infinitysip.GroupID {
	return infinitysip.GroupID(s.add(groups, domain, int64(group.ID), group.Extra, map[string]string{
		"groupName":        group.Name,
		"displayName":      group.DisplayName,
		"extensionNumber":  group.ExtensionNumber,
		"ringRetry":        flagText(group.RingRetry),
		"ringExclusive":    flagText(group.RingExclusive),
		"callerNameFormat": string(group.CallerNameFormat),
	}))
}

// AddQueue adds a queue without members, as AddUser adds a user.
func (s *Server) AddQueue(domain infinitysip.DomainID, queue infinitysip.Queue) infinitysip.QueueID {
	return infinitysip.QueueID(s.add(queues, domain, int64(queue.ID), queue.Extra, map[string]string{
		"queueName":        queue.Name,
		"displayName":      queue.DisplayName,
		"extensionNumber":  queue.ExtensionNumber,
		"callerNameFormat": string(queue.CallerNameFormat),
	}))
}

// AddTrustedNetwork adds a trusted network, as AddUser adds a user. If Network is
// the zero Prefix, the text of Extra["network"] is stored, which need not be one.
func (s *Server) AddTrustedNetwork(domain infinitysip.DomainID, network infinitysip.TrustedNetwork) infinitysip.TrustedNetworkID {
	cells := map[string]string{
		"network":     extraText(network.Extra, "network"),
		"description": network.Description,
	}
	if network.Network.IsValid() {
		cells["network"] = network.Network.String()
	}
	return infinitysip.TrustedNetworkID(s.add(trustedNetworks, domain, int64(network.ID), network.Extra, cells))
}

// AddDevice adds a device, as AddUser adds a user. Its dates are Created and
// Updated. UserID is its owner, who need not exist. If User is empty, it becomes
// the owner's user name.
func (s *Server) AddDevice(domain infinitysip.DomainID, device infinitysip.Device) infinitysip.DeviceID {
	cells := map[string]string{
		"pbxDeviceName":    device.Name,
		"deviceMacAddress": device.MACAddress,
		"createDatetime":   s.store.datetimeText(device.Created),
		"updateDatetime":   s.store.datetimeText(device.Updated),
		"userId":           strconv.FormatInt(int64(device.UserID), 10),
		"user":             device.User,
	}
	return infinitysip.DeviceID(s.add(devices, domain, int64(device.ID), device.Extra, cells))
}

// add adds a row and returns its id.
func (s *Server) add(res *resource, domain infinitysip.DomainID, id int64, extra map[string]json.RawMessage, cells map[string]string) int64 {
	for _, name := range []string{"createDatetime", "updateDatetime"} {
		if text := extraText(extra, name); text != "" {
			cells[name] = text
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimSuffix(res.id, "Id")
	switch {
	case res != domains && s.store.find(domains, 0, int64(domain)) == nil:
		panic(fmt.Sprintf("siptest: domain %d does not exist", domain))
	case id < 0:
		panic(fmt.Sprintf("siptest: %s %d: an id is not negative", name, id))
	case s.store.tables[res].rows[id] != nil:
		panic(fmt.Sprintf("siptest: %s %d exists already", name, id))
	}
	if res == devices && cells["user"] == "" {
		ownerID, _ := wholeNumber(cells["userId"])
		if owner := s.store.find(users, int64(domain), ownerID); owner != nil {
			cells["user"] = owner.cells["user"]
		}
	}
	r, err := s.store.insert(res, int64(domain), id, cells)
	if err != nil {
		panic(fmt.Sprintf("siptest: the new %s of domain %d: %v", name, domain, err))
	}
	if res == domains && r.cells["domain"] == "" {
		r.cells["domain"] = fmt.Sprintf("domain%d.sip.example.com", r.id)
		s.store.saved(r)
	}
	s.store.showNow(r)
	return r.id
}

// extraText returns a text of a row's Extra, or "".
func extraText(extra map[string]json.RawMessage, name string) string {
	var text string
	_ = json.Unmarshal(extra[name], &text)
	return text
}

func flagText(flag bool) string {
	if flag {
		return "1"
	}
	return "0"
}
