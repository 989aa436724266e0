package provision

import (
	"regexp"
	"slices"
	"sync"

	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/infinitysip/infinitysip/provision/internal/sheet"
)

// forms are what the values of columns look like, be they misspelled. In a file with
// passwords or PINs a row in which one looks different is perhaps shifted, and any of its
// cells may be the password. A form is wide enough for a slip of the hand, such as 02O1.
var forms = map[string]func() *regexp.Regexp{
	"extension":      lazily(`^(?i:ext\.?|x)? *[-\d０-９OoIl ()./*#+\p{Cf}]{1,8}$`),
	"email":          lazily(`@.*\.`),
	"mobile":         lazily(`^[-\d+ ()./\p{Cf}\p{Zs}]{6,}$`),
	"pin":            lazily(`^\d+$`),
	"mobileFollow":   flagForm,
	"hotdeskAllowed": flagForm,
	"dashboard":      flagForm,
	"ukPhoneId":      idForm,
	"usPhoneId":      idForm,
}

var (
	flagForm = lazily(`^(?i:yes|no|true|false|on|off|[a-z0-9])$`)
	idForm   = lazily(`^[-+]?\d+$`)
	digit    = lazily(`\d|[０-９]`)
	macForm  = lazily(`^[-0-9A-Za-z:.– ]{10,24}$`)
	hexDigit = lazily(`[0-9A-Fa-f]`)
)

// lazily compiles an expression when it is first used: most programs that import this
// package, and most runs of one, never use it.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// formed reports whether a cell has the form of its column, or is empty. A column of
// names has none.
func formed(c *column, cell string) bool {
	if !hasForm(c) || (c.name == "extension" || c.name == "pin") && len(cell) <= 8 && allDigits(cell) {
		return true
	}
	value := sheet.Value(composed(cell))
	switch {
	case value == "" || spoiled(value) && (c.name == "extension" || c.name == "mobile" || c.name == "pin" || c.name == "mac"):
		return true
	case c.name == "mac":
		return !slices.ContainsFunc(sheet.Elements(cell), func(mac string) bool {
			return mac != "" && wire.MAC(mac) == "" && (!macForm().MatchString(mac) || len(hexDigit().FindAllString(mac, -1)) < 10)
		})
	case c.name == "extension":
		return forms[c.name]().MatchString(value) && digit().MatchString(value)
	}
	return forms[c.name]().MatchString(value)
}

// hasForm reports whether the values of a column have a form.
func hasForm(c *column) bool { return c != nil && (c.name == "mac" || forms[c.name] != nil) }

// torn reports whether a row ends before its password or PIN, or has a value without the
// form of its column.
func (f *csvReader) torn(cells []string) bool {
	if !f.secrets {
		return false
	}
	for i, c := range f.columns {
		switch {
		case i >= len(cells):
			if c != nil && c.secret {
				return true
			}
		case !formed(c, cells[i]) && !f.isClear(cells[i]) && noValue(cells[i]) == "":
			return true
		}
	}
	return false
}
