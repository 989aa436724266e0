package siptest

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// A kind says what a column holds: what a form may give it and how a row
// shows it.
type kind int

const (
	kindText   kind = iota
	kindFlag        // 0 or 1
	kindNumber      // whole, from 0 up
	kindID          // as kindNumber
	kindIDs         // an array of ids; only in forms
	kindStrategy
	kindMAC
	kindNetwork
	kindNameFormat
	kindDatetime // never in forms
)

func (k kind) isNumber() bool { return k == kindFlag || k == kindNumber || k == kindID }

// blank is what a new row has where its form gave nothing.
func (k kind) zeroValue() string {
	switch {
	case k.isNumber():
		return "0"
	case k == kindDatetime:
		return zeroDatetime
	}
	return ""
}

// clean checks a form's text and gives it the shape in which it is stored.
// What is wrong is said without the text itself: it may be a password.
func (k kind) normalize(value string) (normalized, problem string) {
	switch k {
	case kindFlag:
		if value != "0" && value != "1" {
			return "", "must be 0 or 1"
		}
	case kindNumber, kindID:
		if _, ok := wholeNumber(value); !ok {
			return "", "must be a whole number"
		}
	case kindStrategy:
		if value != "all" && value != "huntLongestIdle" {
			return "", "must be all or huntLongestIdle"
		}
	case kindMAC:
		mac, err := net.ParseMAC(value)
		if err != nil || len(mac) != 6 {
			return "", "must be a MAC address such as 10:20:30:1A:2B:3C"
		}
		return strings.ToUpper(mac.String()), ""
	case kindNetwork:
		if _, err := netip.ParsePrefix(value); err != nil {
			return "", "must be a CIDR network such as 10.0.20.10/24"
		}
	case kindNameFormat:
		rest := strings.NewReplacer("{displayName}", "", "{srcPhoneNumber}", "", "{dgrpName}", "").Replace(value)
		if strings.ContainsAny(rest, "{}") {
			return "", "may hold {displayName}, {srcPhoneNumber} and {dgrpName} only"
		}
	}
	if !utf8.ValidString(value) {
		return "", "must be UTF-8"
	}
	return value, ""
}

// A column is one field of a row.
type column struct {
	name string
	kind kind

	// required texts are never empty, neither in a new row nor after an
	// update.
	required bool

	refs  string // the id column of the rows that this one points to
	alias string // the name that a query asked for
}

func (c column) label() string {
	if c.alias != "" {
		return c.alias
	}
	return c.name
}

// A resource is a kind of rows, each with an id of its own, under the row of
// another resource.
type resource struct {
	id      string // the column of its id, and that id's name in paths
	parent  string // the column of the id of the row above; "" for domains
	columns []column
	secrets []column // kept, and shown only to who asks for it

	// unique columns hold a value once in a domain. A column of the same
	// name in another resource counts too: users, groups and queues share
	// their extension numbers.
	unique []string

	// createAnswersID says that the answer to a create is documented: the new id.
	createAnswersID bool
}

// timestampColumns are the columns that most rows end with.
var timestampColumns = []column{
	{name: "createDatetime", kind: kindDatetime},
	{name: "updateDatetime", kind: kindDatetime},
}

func withTimestamps(columns ...column) []column { return append(columns, timestampColumns...) }

var (
	domains = &resource{
		id: "domainId",
		columns: withTimestamps(
			column{name: "domainId", kind: kindID},
			column{name: "domain"},
			column{name: "displayName", required: true},
			column{name: "rec", kind: kindFlag},
		),
	}
	users = &resource{
		id: "userId", parent: "domainId",
		columns: withTimestamps(
			column{name: "userId", kind: kindID},
			column{name: "domainId", kind: kindID},
			column{name: "user", required: true},
			column{name: "displayName", required: true},
			column{name: "extensionNumber", required: true},
			column{name: "email"},
			column{name: "firstName"},
			column{name: "lastName"},
			column{name: "jobName"},
			column{name: "departmentName"},
			column{name: "companyName"},
			column{name: "officeName"},
			column{name: "ukCallerId"},
			column{name: "usCallerId"},
			column{name: "mobileNumber"},
			column{name: "mobileFollow", kind: kindFlag},
			column{name: "ukPhoneId", kind: kindID},
			column{name: "usPhoneId", kind: kindID},
			column{name: "hotdeskAllowed", kind: kindFlag},
			column{name: "dashboard", kind: kindFlag},
		),
		secrets: []column{{name: "password", required: true}, {name: "pin"}},
		unique:  []string{"user", "extensionNumber"},
	}
	groups = &resource{
		id: "groupId", parent: "domainId",
		columns: withTimestamps(
			column{name: "groupId", kind: kindID},
			column{name: "domainId", kind: kindID},
			column{name: "groupName", required: true},
			column{name: "displayName", required: true},
			column{name: "extensionNumber", required: true},
			column{name: "ringRetry", kind: kindFlag},
			column{name: "ringExclusive", kind: kindFlag},
			column{name: "callerNameFormat", kind: kindNameFormat},
		),
		unique: []string{"groupName", "extensionNumber"},
	}
	queues = &resource{
		id: "queueId", parent: "domainId",
		columns: withTimestamps(
			column{name: "queueId", kind: kindID},
			column{name: "domainId", kind: kindID},
			column{name: "queueName", required: true},
			column{name: "displayName", required: true},
			column{name: "extensionNumber", required: true},
			column{name: "callerNameFormat", kind: kindNameFormat},
		),
		unique: []string{"queueName", "extensionNumber"},
	}
	queueMembers = &resource{
		id: "queueMemberId", parent: "queueId",
		columns: []column{
			{name: "queueMemberId", kind: kindID},
			{name: "queueId", kind: kindID},
			{name: "groupId", kind: kindID, refs: "groupId"},
			{name: "ringStrategy", kind: kindStrategy},
			{name: "ringAttempts", kind: kindNumber},
			{name: "ringSecs", kind: kindNumber},
			{name: "ringOrder", kind: kindNumber},
		},
	}
	trustedNetworks = &resource{
		id: "trustedNetworkId", parent: "domainId",
		columns: withTimestamps(
			column{name: "trustedNetworkId", kind: kindID},
			column{name: "domainId", kind: kindID},
			column{name: "network", kind: kindNetwork},
			column{name: "description"},
		),
		unique: []string{"network"},
	}
	devices = &resource{
		id: "pbxDeviceId", parent: "domainId",
		columns: []column{
			{name: "pbxDeviceId", kind: kindID},
			{name: "pbxDeviceName", required: true},
			{name: "domainId", kind: kindID},
			{name: "deviceMacAddress", kind: kindMAC},
			{name: "createDatetime", kind: kindDatetime},
			{name: "updateDatetime", kind: kindDatetime},
			{name: "userId", kind: kindID},
			{name: "user"},
		},
		unique:          []string{"deviceMacAddress"},
		createAnswersID: true,
	}

	resources = []*resource{domains, users, groups, queues, queueMembers, trustedNetworks, devices}
)

// Rows that join two resources.
var (
	groupUserColumns = []column{
		{name: "groupId", kind: kindID},
		{name: "userId", kind: kindID},
		{name: "user"},
		{name: "displayName"},
		{name: "extensionNumber"},
	}
	userGroupColumns = []column{
		{name: "userId", kind: kindID},
		{name: "groupId", kind: kindID},
		{name: "groupName"},
		{name: "displayName"},
		{name: "extensionNumber"},
	}
	userDeviceColumns = []column{
		{name: "userId", kind: kindID},
		{name: "pbxDeviceId", kind: kindID},
		{name: "user"},
		{name: "updateDatetime", kind: kindDatetime},
		{name: "pbxDeviceName"},
	}
	deviceTokenColumns = []column{
		{name: "pbxDeviceId", kind: kindID},
		{name: "userId", kind: kindID},
		{name: "pbxDeviceToken"},
	}
)

// resourceOf finds the resource whose id column has that name.
func resourceOf(id string) *resource {
	for _, res := range resources {
		if res.id == id {
			return res
		}
	}
	return nil
}

// allColumns are the columns of a row as it is stored, with the secret ones.
func (res *resource) allColumns() []column { return slices.Concat(res.columns, res.secrets) }

func findColumn(columns []column, name string) (column, bool) {
	i := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return columns[i], true
}

// idColumn is the row of an answer that gives the new id alone.
func (res *resource) idColumn() []column {
	c, _ := findColumn(res.columns, res.id)
	return []column{c}
}
