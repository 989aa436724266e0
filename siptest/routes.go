package siptest

import (
	"net/http"
	"strings"
)

// A field is a parameter of a form.
type field struct {
	column
	optional bool
}

// form returns the fields with these names of columns. A question mark marks an
// optional field.
func (res *resource) form(names string) []field {
	var fields []field
	columns := res.allColumns()
	for name := range strings.FieldsSeq(names) {
		name, optional := strings.CutSuffix(name, "?")
		c, ok := findColumn(columns, name)
		if !ok {
			panic("siptest: no column " + name)
		}
		fields = append(fields, field{c, optional})
	}
	return fields
}

// idField is a parameter with the id of a row, or with kindIDs of several.
func idField(name string, k kind, refs *resource) []field {
	return []field{{column: column{name: name, kind: k, refs: refs.id}}}
}

// A route is one endpoint.
type route struct {
	op     string
	method string
	path   string
	form   []field

	// listParams: the API documents filter, sort, limit and offset.
	listParams bool

	run handler

	segments []string
}

const root = "/config/v2/sip/domains"

// routes are all endpoints, in the order of the API's page. The API itself spells
// trustednetworks in three ways.
var routes = withSegments([]*route{
	{op: "Domains.List", method: http.MethodGet, path: root, run: list(domains)},
	{op: "Domains.Get", method: http.MethodGet, path: root + "/{domainId}", run: get(domains)},
	{op: "Domains.Update", method: http.MethodPost, path: root + "/{domainId}", run: update(domains),
		form: domains.form("displayName rec")},

	{op: "Users.List", method: http.MethodGet, path: root + "/{domainId}/users", run: list(users)},
	{op: "Users.Get", method: http.MethodGet, path: root + "/{domainId}/users/{userId}", run: get(users)},
	{op: "Users.Create", method: http.MethodPost, path: root + "/{domainId}/users", run: create(users),
		form: users.form(`user password displayName pin? extensionNumber email? firstName? lastName? jobName?
			departmentName? companyName? officeName? ukCallerId? usCallerId? mobileNumber? mobileFollow?
			ukPhoneId? usPhoneId? hotdeskAllowed? dashboard?`)},
	{op: "Users.Update", method: http.MethodPost, path: root + "/{domainId}/users/{userId}", run: update(users),
		form: users.form(`password? displayName? pin? email? firstName? lastName? jobName?
			departmentName? companyName? officeName? extensionNumber? ukCallerId? usCallerId? mobileNumber?
			mobileFollow? hotdeskAllowed? dashboard?`)},
	{op: "Users.Delete", method: http.MethodDelete, path: root + "/{domainId}/users/{userId}", run: remove(users)},

	{op: "Groups.List", method: http.MethodGet, path: root + "/{domainId}/groups", run: list(groups)},
	{op: "Groups.Get", method: http.MethodGet, path: root + "/{domainId}/groups/{groupId}", run: get(groups)},
	{op: "Groups.Create", method: http.MethodPost, path: root + "/{domainId}/groups", run: create(groups),
		form: groups.form("groupName displayName extensionNumber ringRetry ringExclusive callerNameFormat")},
	{op: "Groups.Update", method: http.MethodPost, path: root + "/{domainId}/groups/{groupId}", run: update(groups),
		form: groups.form("groupName displayName extensionNumber ringRetry ringExclusive callerNameFormat")},
	{op: "Groups.Delete", method: http.MethodDelete, path: root + "/{domainId}/groups/{groupId}", run: remove(groups)},
	{op: "Groups.ListUsers", method: http.MethodGet, path: root + "/{domainId}/groups/{groupId}/users", run: listMemberships(users, "groupId", groupUserColumns)},
	{op: "Groups.AddUsers", method: http.MethodPost, path: root + "/{domainId}/groups/{groupId}/users", run: addMemberships(users),
		form: idField("userSpec", kindIDs, users)},
	{op: "Groups.RemoveUsers", method: http.MethodDelete, path: root + "/{domainId}/groups/{groupId}/users", run: removeMemberships(users),
		form: idField("userSpec", kindIDs, users)},

	{op: "Users.ListDevices", method: http.MethodGet, path: root + "/{domainId}/users/{userId}/devices", run: listUserDevices,
		listParams: true},
	{op: "Users.GetDevice", method: http.MethodGet, path: root + "/{domainId}/users/{userId}/devices/{pbxDeviceId}", run: getUserDevice},
	{op: "Users.AddDevice", method: http.MethodPost, path: root + "/{domainId}/users/{userId}/devices", run: addUserDevice,
		form: idField("pbxDeviceId", kindID, devices)},
	{op: "Users.RemoveDevice", method: http.MethodDelete, path: root + "/{domainId}/users/{userId}/devices/{pbxDeviceId}", run: removeUserDevice},
	{op: "Users.ListGroups", method: http.MethodGet, path: root + "/{domainId}/users/{userId}/groups", run: listMemberships(groups, "userId", userGroupColumns),
		listParams: true},
	{op: "Users.AddGroups", method: http.MethodPost, path: root + "/{domainId}/users/{userId}/groups", run: addMemberships(groups),
		form: idField("groupSpec", kindIDs, groups)},

	{op: "Queues.List", method: http.MethodGet, path: root + "/{domainId}/queues", run: list(queues), listParams: true},
	{op: "Queues.Get", method: http.MethodGet, path: root + "/{domainId}/queues/{queueId}", run: get(queues)},
	{op: "Queues.Create", method: http.MethodPost, path: root + "/{domainId}/queues", run: create(queues),
		form: queues.form("queueName displayName extensionNumber callerNameFormat?")},
	{op: "Queues.Update", method: http.MethodPost, path: root + "/{domainId}/queues/{queueId}", run: update(queues),
		form: queues.form("queueName? displayName? extensionNumber? callerNameFormat?")},
	{op: "Queues.Delete", method: http.MethodDelete, path: root + "/{domainId}/queues/{queueId}", run: remove(queues)},
	{op: "Queues.ListMembers", method: http.MethodGet, path: root + "/{domainId}/queues/{queueId}/members", run: listQueueMembers},
	{op: "Queues.GetMember", method: http.MethodGet, path: root + "/{domainId}/queues/{queueId}/members/{queueMemberId}", run: get(queueMembers)},
	{op: "Queues.CreateMember", method: http.MethodPost, path: root + "/{domainId}/queues/{queueId}/members", run: create(queueMembers),
		form: queueMembers.form("groupId ringStrategy ringAttempts ringSecs ringOrder")},
	{op: "Queues.UpdateMember", method: http.MethodPost, path: root + "/{domainId}/queues/{queueId}/members/{queueMemberId}", run: update(queueMembers),
		form: queueMembers.form("groupId? ringStrategy? ringAttempts? ringSecs? ringOrder?")},
	{op: "Queues.DeleteMember", method: http.MethodDelete, path: root + "/{domainId}/queues/{queueId}/members/{queueMemberId}", run: remove(queueMembers)},
	{op: "Queues.SetMemberOrder", method: http.MethodPut, path: root + "/{domainId}/queues/{queueId}/members/order", run: setMemberOrder,
		form: idField("queueMemberId", kindIDs, queueMembers)},

	{op: "TrustedNetworks.List", method: http.MethodGet, path: root + "/{domainId}/trustednetworks", run: list(trustedNetworks), listParams: true},
	{op: "TrustedNetworks.Get", method: http.MethodGet, path: root + "/{domainId}/trustedNetworks/{trustedNetworkId}", run: get(trustedNetworks)},
	{op: "TrustedNetworks.Create", method: http.MethodPost, path: root + "/{domainId}/trustedNetworks", run: create(trustedNetworks),
		form: trustedNetworks.form("network description?")},
	{op: "TrustedNetworks.Update", method: http.MethodPost, path: root + "/{domainId}/trustedNetwork/{trustedNetworkId}", run: update(trustedNetworks),
		form: trustedNetworks.form("network? description?")},
	{op: "TrustedNetworks.Delete", method: http.MethodDelete, path: root + "/{domainId}/trustedNetwork/{trustedNetworkId}", run: remove(trustedNetworks)},

	{op: "Devices.List", method: http.MethodGet, path: root + "/{domainId}/devices", run: list(devices), listParams: true},
	{op: "Devices.Get", method: http.MethodGet, path: root + "/{domainId}/devices/{pbxDeviceId}", run: get(devices)},
	{op: "Devices.Create", method: http.MethodPost, path: root + "/{domainId}/devices", run: create(devices),
		form: devices.form("pbxDeviceName deviceMacAddress")},
	{op: "Devices.Update", method: http.MethodPost, path: root + "/{domainId}/devices/{pbxDeviceId}", run: update(devices),
		form: devices.form("pbxDeviceName")},
	{op: "Devices.Delete", method: http.MethodDelete, path: root + "/{domainId}/devices/{pbxDeviceId}", run: remove(devices)},
})

func withSegments(routes []*route) []*route {
	for _, rt := range routes {
		rt.segments = strings.Split(rt.path, "/")
	}
	return routes
}

// match reports whether the segments of an escaped path are this route's, and
// returns the ids in them.
func (rt *route) match(segments []string, paths Paths) (map[string]int64, bool) {
	if len(segments) != len(rt.segments) {
		return nil, false
	}
	ids := map[string]int64{}
	for i, want := range rt.segments {
		name, isParam := paramName(want)
		if !isParam {
			if !paths.equal(segments[i], want) {
				return nil, false
			}
			continue
		}
		n, ok := wholeNumber(segments[i])
		if !ok || n == 0 {
			return nil, false
		}
		ids[name] = n
	}
	return ids, true
}

// equal compares a segment of a path with that of a route.
func (paths Paths) equal(segment, want string) bool {
	if paths == PathsExact {
		return segment == want
	}
	const one, many = "trustedNetwork", "trustedNetworks"
	if strings.EqualFold(segment, one) {
		segment = many
	}
	if want == one {
		want = many
	}
	return strings.EqualFold(segment, want)
}

func paramName(segment string) (string, bool) {
	name, ok := strings.CutPrefix(segment, "{")
	return strings.TrimSuffix(name, "}"), ok
}

// findRoute returns the route of a request. If there is none, it returns the
// methods that the path allows.
func findRoute(method, path string, paths Paths) (rt *route, ids map[string]int64, allowed []string) {
	segments := strings.Split(path, "/")
	for _, rt := range routes {
		ids, ok := rt.match(segments, paths)
		switch {
		case !ok:
		case rt.method == method:
			return rt, ids, nil
		default:
			allowed = append(allowed, rt.method)
		}
	}
	return nil, nil, allowed
}
