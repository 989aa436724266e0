package provision

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/infinitysip/infinitysip/provision/internal/sheet"
)

// column is a column of a spreadsheet of people.
type column struct {
	name    string   // as WriteCSV writes it
	field   string   // of the API; empty: as the name (see apiField)
	aliases []string // what headers call it besides, by headerKey

	always bool // WriteCSV writes it even where nobody has such a value
	filled bool // it has no empty cells
	secret bool
}

// apiField is the column's field of the API.
func (c *column) apiField() string { return cmp.Or(c.field, c.name) }

// columns are in the order of WriteCSV.
var columns = []column{
	{name: "user", aliases: []string{"username", "login", "loginname", "sipuser"}, always: true, filled: true},
	{name: "displayName", aliases: []string{"fullname"}, always: true, filled: true},
	{name: "extension", field: "extensionNumber", aliases: []string{"ext", "extn", "extno", "extnumber", "extensionno"}, always: true, filled: true},
	{name: "email", aliases: []string{"emailaddress", "mail", "mailaddress"}, always: true},
	{name: "groups", aliases: []string{"group", "groupname", "groupnames"}, always: true},
	{name: "mac", field: "deviceMacAddress", aliases: []string{"macs", "macaddress", "macaddresses", "phonemac", "phonemacaddress", "devicemac"}, always: true},
	{name: "mobile", field: "mobileNumber", aliases: []string{"mobilephone", "mobileno", "cell", "cellphone", "cellnumber"}, always: true},
	{name: "pin", aliases: []string{"pincode", "hotdeskpin"}, always: true, secret: true},
	{name: "password", aliases: []string{"passwd"}, always: true, secret: true},
	{name: "firstName", aliases: []string{"forename", "givenname"}},
	{name: "lastName", aliases: []string{"surname", "familyname"}},
	{name: "jobName", aliases: []string{"job", "jobtitle"}},
	{name: "departmentName", aliases: []string{"department", "dept"}},
	{name: "companyName", aliases: []string{"company"}},
	{name: "officeName", aliases: []string{"office"}},
	{name: "ukCallerId", aliases: []string{"ukcallernumber"}},
	{name: "usCallerId", aliases: []string{"uscallernumber"}},
	{name: "mobileFollow"},
	{name: "ukPhoneId"},
	{name: "usPhoneId"},
	{name: "hotdeskAllowed", aliases: []string{"hotdesk", "hotdesking"}},
	{name: "dashboard"},
}

// problemColumn is the column of WriteSkipped with what is wrong. ReadCSV ignores it, so
// that a file can be mended and read again.
const problemColumn = "problem"

// columnNamed are the columns by headerKey of everything that a header calls them.
var columnNamed = sync.OnceValue(columnsByName)

func columnsByName() map[string]*column {
	all := map[string]*column{}
	for i := range columns {
		c := &columns[i]
		for _, name := range slices.Concat(c.aliases, []string{headerKey(c.name), headerKey(c.apiField())}) {
			all[name] = c
		}
	}
	return all
}

// headerKey is what two headers have in common that mean the same column: letters and
// digits, small.
func headerKey(header string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, composed(header))
}

// columnOf is what a spreadsheet calls a field.
func columnOf(field string) string {
	for i := range columns {
		if columns[i].apiField() == field {
			return columns[i].name
		}
	}
	return field
}

// userField are the fields of a user that the columns have, by their names.
var userField = sync.OnceValue(fieldsByColumn)

func fieldsByColumn() map[string]int {
	all := map[string]int{}
	for field := range reflect.TypeFor[User]().Fields() {
		if field.IsExported() {
			all[columnOf(jsonName(field))] = field.Index[0]
		}
	}
	return all
}

// column returns a pointer to the field of the user that a column has.
func (u *User) column(name string) any {
	return reflect.ValueOf(u).Elem().Field(userField()[name]).Addr().Interface()
}

// columnList are the names of the columns, for a message.
func columnList() string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return strings.Join(names, ", ")
}

// unknownColumn tells of a header that names no column, and which column it may mean of
// those that are not there; empty: it cannot tell.
func unknownColumn(header string, there map[string]bool) (text, meant string) {
	key := headerKey(header)
	nearest, least := "", 1+max(1, len(key)/3)
	for name, c := range columnNamed() {
		if there[c.name] {
			continue
		}
		n := distance(key, name)
		if len(name) > 3 && strings.Contains(key, name) {
			n = 0
		}
		if n < least || n == least && nearest != "" && c.name < nearest {
			nearest, least = c.name, n
		}
	}
	if nearest != "" {
		return fmt.Sprintf("unknown column: did you mean %s?", nearest), nearest
	}
	return "unknown column: take it out, or say what it means, or that it is to be ignored", ""
}

// distance is how many letters of a word are to be changed, put in or taken out to make
// another one.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j := range to {
			cost := diagonal
			if from[i] != to[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(to)]
}

// letterOf is what a message calls a column without a name.
func letterOf(i int) string { return "column " + sheet.Letter(i) }
