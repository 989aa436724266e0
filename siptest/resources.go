package siptest

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// A kind is the type of a column. It decides which values a form may have and how
// a row shows them.
type kind int

const (
	kindText   kind = iota
	kindFlag        // 0 or 1
	kindNumber      // whole and not negative
	kindID          // like kindNumber
	kindIDs         // an array of ids; only in forms
	kindStrategy
	kindMAC
	kindNetwork
	kindNameFormat
	kindDatetime // never in forms
)

func (k kind) isNumber() bool { return k == kindFlag || k == kindNumber || k == kindID }

// zeroValue is the value in a new row if the form has none.
func (k kind) zeroValue() string {
	switch {
	case k.isNumber():
		return "0"
	case k == kindDatetime:
		return zeroDatetime
	}
	return ""
}

// normalize checks a form's text and returns it as it is stored, or the problem.
// The problem does not contain the text, because it may be a password.
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

	required bool // never empty, neither in a new row nor after an update

	refs  string // in a form: the id column of the resource that the value names
	alias string // in an answer: the name that the query asks for
}

func (c column) label() string {
	if c.alias != "" {
		return c.alias
	}
	return c.name
}

// A resource is a type of rows. Each row has an id and, except for a domain, a
// parent row.
type resource struct {
	id      string // the column of the id, and the name of the id in paths
	parent  string // the column of the parent's id; "" for domains
	columns []column
	secrets []column // stored, but shown only with Options.EchoSecrets

	// unique are the columns whose values are unique in a domain. Columns of
	// the same name in several resources share their values: extensionNumber
	// is unique among users, groups and queues.
	unique []string

	// createAnswersID: the API documents that a create answers the new id.
	createAnswersID bool
}

// timestampColumns are the last columns of most rows.
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

// The columns of rows that join two resources.
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

// allColumns returns the columns of a stored row, with the secret ones.
func (res *resource) allColumns() []column { return slices.Concat(res.columns, res.secrets) }

func findColumn(columns []column, name string) (column, bool) {
	i := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return columns[i], true
}

// idColumn returns the columns of an answer with the new id alone.
func (res *resource) idColumn() []column {
	c, _ := findColumn(res.columns, res.id)
	return []column{c}
}
