package siptest

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A listQuery is the parsed query string of a list or a read.
type listQuery struct {
	filters []func(cells map[string]string) bool
	sorts   []func(a, b map[string]string) int
	limit   int // -1: none
	offset  int
	columns []column
	asArray bool
}

// A listParamPolicy decides about filter, sort, limit and offset.
type listParamPolicy int

const (
	honourListParams listParamPolicy = iota
	ignoreListParams
	refuseListParams
)

// parseQuery parses a query string for rows with these columns.
func parseQuery(raw string, columns []column, policy listParamPolicy) (*listQuery, error) {
	q := &listQuery{limit: -1, columns: columns}
	for _, p := range parseParams(splitPairs(raw)) {
		switch p.name {
		case "filter", "sort", "limit", "offset":
			switch policy {
			case refuseListParams:
				return nil, malformed("%s is not a parameter here", p.name)
			case ignoreListParams:
				continue
			}
		case "display", "format":
		default:
			return nil, malformed("%q is not a query parameter", p.name)
		}
		if wantArray := p.name == "filter" || p.name == "sort" || p.name == "display"; p.isArray != wantArray || p.nested {
			if wantArray {
				return nil, malformed("%s must be an array: %s[]=…", p.name, p.name)
			}
			return nil, malformed("%s must not be an array", p.name)
		}
		if err := q.read(p, columns); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *listQuery) read(p *param, columns []column) error {
	switch p.name {
	case "limit", "offset":
		n, ok := wholeNumber(p.text)
		if !ok {
			return malformed("%s must be a whole number", p.name)
		}
		// No list has that many rows, so a larger number makes no difference.
		if p.name == "limit" {
			q.limit = int(min(n, 1<<30))
		} else {
			q.offset = int(min(n, 1<<30))
		}
	case "format":
		if p.text != "jsonarray" {
			return malformed("format must be jsonarray")
		}
		q.asArray = true
	case "filter":
		for _, item := range p.items {
			match, err := parseFilter(item, columns)
			if err != nil {
				return err
			}
			q.filters = append(q.filters, match)
		}
	case "sort":
		for _, item := range p.items {
			compareRows, err := parseSort(item, columns)
			if err != nil {
				return err
			}
			q.sorts = append(q.sorts, compareRows)
		}
	case "display":
		q.columns = nil
		for _, item := range p.items {
			name, alias, hasAlias := strings.Cut(item, "-")
			c, err := queryColumn(columns, name)
			if err != nil {
				return err
			}
			if hasAlias && alias == "" {
				return malformed("display: empty alias of %s", name)
			}
			c.alias = alias
			q.columns = append(q.columns, c)
		}
	}
	return nil
}

// apply filters, sorts and pages rows. The sort is stable: equal rows keep their
// order.
func (q *listQuery) apply(rows []map[string]string) []map[string]string {
	if len(q.filters) > 0 {
		rows = slices.DeleteFunc(rows, func(cells map[string]string) bool {
			return !q.matches(cells)
		})
	}
	if len(q.sorts) > 0 {
		slices.SortStableFunc(rows, func(a, b map[string]string) int {
			for _, compareRows := range q.sorts {
				if c := compareRows(a, b); c != 0 {
					return c
				}
			}
			return 0
		})
	}
	rows = rows[min(q.offset, len(rows)):]
	if q.limit >= 0 {
		rows = rows[:min(q.limit, len(rows))]
	}
	return rows
}

func (q *listQuery) matches(cells map[string]string) bool {
	for _, match := range q.filters {
		if !match(cells) {
			return false
		}
	}
	return true
}

func queryColumn(columns []column, name string) (column, error) {
	c, ok := findColumn(columns, name)
	if !ok {
		return c, malformed("%q is not a field of these rows", name)
	}
	return c, nil
}

func parseSort(s string, columns []column) (func(a, b map[string]string) int, error) {
	name, direction, _ := strings.Cut(s, "-")
	c, err := queryColumn(columns, name)
	if err != nil {
		return nil, err
	}
	switch direction {
	case "asc":
		return func(a, b map[string]string) int { return compareForSort(a[c.name], b[c.name]) }, nil
	case "desc":
		return func(a, b map[string]string) int { return compareForSort(b[c.name], a[c.name]) }, nil
	}
	return nil, malformed("sort must be {field}-asc or {field}-desc")
}

// parseFilter parses {field}-{operand}-value-{comparison}. The comparison begins
// after the third dash and may contain dashes.
func parseFilter(s string, columns []column) (func(map[string]string) bool, error) {
	parts := strings.SplitN(s, "-", 4)
	if len(parts) != 4 || parts[2] != "value" {
		return nil, malformed("filter must be {field}-{operand}-value-{comparison}")
	}
	c, err := queryColumn(columns, parts[0])
	if err != nil {
		return nil, err
	}
	operand, ok := operands[parts[1]]
	if !ok {
		return nil, malformed("%q is not an operand", parts[1])
	}
	test, err := operand(parts[3])
	if err != nil {
		return nil, err
	}
	return func(cells map[string]string) bool { return test(cells[c.name]) }, nil
}

// An operand takes a comparison and returns a test of values.
type operand func(comparison string) (func(value string) bool, error)

var operands = map[string]operand{
	"bool":     isSet,
	"eq":       text(exact, func(v, c string) bool { return v == c }),
	"ne":       not(text(exact, func(v, c string) bool { return v == c })),
	"eqi":      text(folded, func(v, c string) bool { return v == c }),
	"nei":      not(text(folded, func(v, c string) bool { return v == c })),
	"gt":       text(exact, func(v, c string) bool { return compareValues(v, c) > 0 }),
	"lt":       text(exact, func(v, c string) bool { return compareValues(v, c) < 0 }),
	"ge":       text(exact, func(v, c string) bool { return compareValues(v, c) >= 0 }),
	"le":       text(exact, func(v, c string) bool { return compareValues(v, c) <= 0 }),
	"inc":      text(exact, strings.Contains),
	"ninc":     not(text(exact, strings.Contains)),
	"inci":     text(folded, strings.Contains),
	"ninci":    not(text(folded, strings.Contains)),
	"begins":   text(exact, strings.HasPrefix),
	"beginsi":  text(folded, strings.HasPrefix),
	"nbegins":  not(text(exact, strings.HasPrefix)),
	"nbeginsi": not(text(folded, strings.HasPrefix)),
	"ends":     text(exact, strings.HasSuffix),
	"endsi":    text(folded, strings.HasSuffix),
	"re":       matchesRegexp,
	"nre":      not(matchesRegexp),
	"in":       text(exact, oneOf),
	"ini":      text(folded, oneOf),
	"nin":      not(text(exact, oneOf)),
	"nini":     not(text(folded, oneOf)),
	"innet":    inNetwork,
	"glob":     glob,
}

func exact(s string) string  { return s }
func folded(s string) string { return strings.ToLower(s) }

func text(fold func(string) string, test func(value, comparison string) bool) operand {
	return func(comparison string) (func(string) bool, error) {
		comparison = fold(comparison)
		return func(value string) bool { return test(fold(value), comparison) }, nil
	}
}

func not(op operand) operand {
	return func(comparison string) (func(string) bool, error) {
		test, err := op(comparison)
		if err != nil {
			return nil, err
		}
		return func(value string) bool { return !test(value) }, nil
	}
}

func oneOf(value, list string) bool {
	return slices.Contains(strings.Split(list, ","), value)
}

// isSet tests whether a field is empty. 0 is not empty.
func isSet(comparison string) (func(string) bool, error) {
	if comparison != "true" && comparison != "false" {
		return nil, malformed("bool compares with true or false")
	}
	return func(value string) bool { return (value != "") == (comparison == "true") }, nil
}

// matchesRegexp takes an expression as it is, or as PHP writes it: between
// slashes, with flags after them.
func matchesRegexp(comparison string) (func(string) bool, error) {
	expression := comparison
	if end := strings.LastIndexByte(comparison, '/'); end > 0 && comparison[0] == '/' {
		expression = comparison[1:end]
		if flags := comparison[end+1:]; flags != "" {
			expression = "(?" + flags + ")" + expression
		}
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, malformed("not a regular expression")
	}
	return re.MatchString, nil
}

func inNetwork(comparison string) (func(string) bool, error) {
	network, err := netip.ParsePrefix(comparison)
	if err != nil {
		return nil, malformed("innet compares with a CIDR network")
	}
	network = network.Masked()
	return func(value string) bool {
		if addr, err := netip.ParseAddr(value); err == nil {
			return network.Contains(addr)
		}
		inner, err := netip.ParsePrefix(value)
		return err == nil && inner.Bits() >= network.Bits() && network.Contains(inner.Addr())
	}, nil
}

// glob takes the patterns of PHP's fnmatch: *, ?, [abc], [!abc], and a backslash
// that escapes the next character.
func glob(comparison string) (func(string) bool, error) {
	re, err := regexp.Compile("(?s)^" + globToRegexp(comparison) + "$")
	if err != nil {
		return nil, malformed("not a pattern")
	}
	return re.MatchString, nil
}

var globSet = lazily(`^\[([!^]?)(\][^\]]*|[^\]]+)\]`)

func globToRegexp(pattern string) string {
	var expression strings.Builder
	for pattern != "" {
		c, rest := pattern[0], pattern[1:]
		switch set := globSet().FindStringSubmatch(pattern); {
		case c == '*':
			expression.WriteString(".*")
		case c == '?':
			expression.WriteString(".")
		case set != nil:
			negation := strings.Replace(set[1], "!", "^", 1)
			members := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(set[2])
			expression.WriteString("[" + negation + members + "]")
			rest = pattern[len(set[0]):]
		default:
			if c == '\\' && rest != "" {
				pattern, rest = rest, rest[1:]
			}
			expression.WriteString(regexp.QuoteMeta(pattern[:1]))
		}
		pattern = rest
	}
	return expression.String()
}

// compareValues compares two numbers as numbers and other values as text.
func compareValues(a, b string) int {
	x, aIsNumber := number(a)
	y, bIsNumber := number(b)
	if aIsNumber && bIsNumber {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// compareForSort puts all numbers before all texts. A sort needs a transitive
// order, and compareValues has none: 2 < 10 < 1a < 2.
func compareForSort(a, b string) int {
	_, aIsNumber := number(a)
	_, bIsNumber := number(b)
	switch {
	case aIsNumber == bIsNumber:
		return compareValues(a, b)
	case aIsNumber:
		return -1
	}
	return 1
}

var numeric = lazily(`^-?[0-9]+(\.[0-9]+)?$`)

func number(s string) (float64, bool) {
	if !numeric().MatchString(s) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}
