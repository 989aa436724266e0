package infinitysip

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-querystring/query"

	"github.com/infinitysip/infinitysip/internal/form"
)

// Field names a field of the rows R, to filter and sort by. DeviceFields,
// QueueFields and their like have the fields that the API documents.
// Field[Device]("anything") names any other.
//
// A value of type any must be a string, an integer, an id, a bool, a time.Time or
// a netip.Prefix. A call with any other is refused before it is sent. In names,
// Fold means that case does not matter.
type Field[R any] string

// Filter is one condition on rows R. Make it with the methods of Field.
type Filter[R any] struct {
	field, operand, value, problem string
}

// Sort is one order of rows R. Make it with Field's Asc and Desc.
type Sort[R any] struct {
	field, direction string
}

// ListOptions filter, sort and page a list of rows R. The zero value asks for
// everything that the server gives.
type ListOptions[R any] struct {
	Filter []Filter[R] // all must hold; see Where
	Sort   []Sort[R]   // applied in turn; see OrderBy

	// Limit is the most rows in all; 0: any number.
	Limit int

	// PageSize is how many rows an iterator asks for at a time, but never more than
	// Limit leaves; default 1,000. A List is one request and ignores it. Rows makes one
	// request without it.
	PageSize int

	// Offset is how many rows to skip.
	Offset int
}

// clone returns a copy, for an iterator.
func (o *ListOptions[R]) clone() (copied ListOptions[R]) {
	if o == nil {
		return copied
	}
	copied = *o
	copied.Filter, copied.Sort = slices.Clone(o.Filter), slices.Clone(o.Sort)
	return copied
}

// Where collects filters: a row must satisfy all of them.
func Where[R any](filters ...Filter[R]) []Filter[R] { return filters }

// OrderBy collects sorts: by the first, then by the next where rows are equal.
func OrderBy[R any](sorts ...Sort[R]) []Sort[R] { return sorts }

// Asc sorts by the field, lowest first.
func (f Field[R]) Asc() Sort[R] { return Sort[R]{string(f), "asc"} }

// Desc sorts by the field, highest first.
func (f Field[R]) Desc() Sort[R] { return Sort[R]{string(f), "desc"} }

// Eq holds where the field equals value.
func (f Field[R]) Eq(value any) Filter[R] { return f.compare("eq", value) }

// Ne holds where the field does not equal value.
func (f Field[R]) Ne(value any) Filter[R] { return f.compare("ne", value) }

// EqFold is Eq, whatever the case.
func (f Field[R]) EqFold(value any) Filter[R] { return f.compare("eqi", value) }

// NeFold is Ne, whatever the case.
func (f Field[R]) NeFold(value any) Filter[R] { return f.compare("nei", value) }

// Gt holds where the field is greater than value.
func (f Field[R]) Gt(value any) Filter[R] { return f.compare("gt", value) }

// Lt holds where the field is less than value.
func (f Field[R]) Lt(value any) Filter[R] { return f.compare("lt", value) }

// Ge holds where the field is at least value.
func (f Field[R]) Ge(value any) Filter[R] { return f.compare("ge", value) }

// Le holds where the field is at most value.
func (f Field[R]) Le(value any) Filter[R] { return f.compare("le", value) }

// Contains holds where the field has text in it.
func (f Field[R]) Contains(text string) Filter[R] { return f.compare("inc", text) }

// NotContains holds where the field does not have text in it.
func (f Field[R]) NotContains(text string) Filter[R] { return f.compare("ninc", text) }

// ContainsFold is Contains, whatever the case.
func (f Field[R]) ContainsFold(text string) Filter[R] { return f.compare("inci", text) }

// NotContainsFold is NotContains, whatever the case.
func (f Field[R]) NotContainsFold(text string) Filter[R] { return f.compare("ninci", text) }

// Begins holds where the field begins with text.
func (f Field[R]) Begins(text string) Filter[R] { return f.compare("begins", text) }

// BeginsFold is Begins, whatever the case.
func (f Field[R]) BeginsFold(text string) Filter[R] { return f.compare("beginsi", text) }

// NotBegins holds where the field does not begin with text.
func (f Field[R]) NotBegins(text string) Filter[R] { return f.compare("nbegins", text) }

// NotBeginsFold is NotBegins, whatever the case.
func (f Field[R]) NotBeginsFold(text string) Filter[R] { return f.compare("nbeginsi", text) }

// Ends holds where the field ends with text.
func (f Field[R]) Ends(text string) Filter[R] { return f.compare("ends", text) }

// EndsFold is Ends, whatever the case.
func (f Field[R]) EndsFold(text string) Filter[R] { return f.compare("endsi", text) }

// Matches holds where the field matches a regular expression, in the server's
// syntax. That is PHP's, which may want delimiters: /^Lobby/i.
func (f Field[R]) Matches(expression string) Filter[R] { return f.compare("re", expression) }

// NotMatches holds where the field does not match a regular expression.
func (f Field[R]) NotMatches(expression string) Filter[R] { return f.compare("nre", expression) }

// In holds where the field equals one of values. No value may hold a comma:
// the API has no way to write it.
func (f Field[R]) In(values ...any) Filter[R] { return f.compareList("in", values) }

// NotIn holds where the field equals none of values.
func (f Field[R]) NotIn(values ...any) Filter[R] { return f.compareList("nin", values) }

// InFold is In, whatever the case.
func (f Field[R]) InFold(values ...any) Filter[R] { return f.compareList("ini", values) }

// NotInFold is NotIn, whatever the case.
func (f Field[R]) NotInFold(values ...any) Filter[R] { return f.compareList("nini", values) }

// InNetwork holds where the field is an address in network.
func (f Field[R]) InNetwork(network netip.Prefix) Filter[R] { return f.compare("innet", network) }

// Glob holds where the field matches a pattern with * and ?.
func (f Field[R]) Glob(pattern string) Filter[R] { return f.compare("glob", pattern) }

// IsSet holds where the field is set and not empty, or, for false, where it is
// not.
func (f Field[R]) IsSet(set bool) Filter[R] {
	return Filter[R]{field: string(f), operand: "bool", value: strconv.FormatBool(set)}
}

func (f Field[R]) compare(operand string, value any) Filter[R] {
	text, problem := filterText(value)
	return Filter[R]{string(f), operand, text, problem}
}

func (f Field[R]) compareList(operand string, values []any) Filter[R] {
	filter := Filter[R]{field: string(f), operand: operand}
	if len(values) == 0 {
		filter.problem = "an empty list of values"
	}
	texts := make([]string, len(values))
	for i, value := range values {
		var problem string
		texts[i], problem = filterText(value)
		switch {
		case problem != "":
			filter.problem = problem
		case strings.Contains(texts[i], ","):
			filter.problem = "a value holds a comma, which separates values here"
		}
	}
	filter.value = strings.Join(texts, ",")
	return filter
}

// filterText writes a value as the server compares it.
func filterText(value any) (text, problem string) {
	switch v := value.(type) {
	case time.Time:
		return v.UTC().Format(time.DateTime), ""
	case netip.Prefix:
		if !v.IsValid() {
			return "", "a network that is no CIDR"
		}
		return v.String(), ""
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.String:
		return v.String(), form.TextProblem(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), ""
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10), ""
	case reflect.Bool:
		if v.Bool() {
			return "1", ""
		}
		return "0", ""
	}
	return "", fmt.Sprintf("cannot compare with a %T", value)
}

// fieldProblem tells what is wrong with the name of a field.
func fieldProblem(name string) string {
	switch {
	case name == "":
		return "no field name"
	case strings.Contains(name, "-"):
		return "a field name cannot hold a hyphen: " + quote(name)
	}
	return form.TextProblem(name)
}

// query renders the options as the API reads them:
// filter[]={field}-{operand}-value-{comparison} and sort[]={field}-{direction}.
func (o *ListOptions[R]) query() (url.Values, problems) {
	if o == nil {
		return nil, nil
	}
	var (
		wrong problems
		wire  struct {
			Filter []string `url:"filter,brackets"`
			Sort   []string `url:"sort,brackets"`
			Limit  int      `url:"limit,omitempty"`
			Offset int      `url:"offset,omitempty"`
		}
	)
	for i, f := range o.Filter {
		wrong.report(fmt.Sprintf("filter[%d]", i), fieldProblem(f.field))
		wrong.report(fmt.Sprintf("filter[%d]", i), f.problem)
		wire.Filter = append(wire.Filter, f.field+"-"+f.operand+"-value-"+f.value)
	}
	for i, s := range o.Sort {
		wrong.report(fmt.Sprintf("sort[%d]", i), fieldProblem(s.field))
		wire.Sort = append(wire.Sort, s.field+"-"+s.direction)
	}
	wrong.report("limit", form.CountProblem(int64(o.Limit)))
	wrong.report("pageSize", form.CountProblem(int64(o.PageSize)))
	wrong.report("offset", form.CountProblem(int64(o.Offset)))
	wire.Limit, wire.Offset = o.Limit, o.Offset

	values, err := query.Values(wire)
	if err != nil { // which these fields cannot cause
		wrong.report("options", err.Error())
	}
	return values, wrong
}
