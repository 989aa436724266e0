package command

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/where"
)

// A rowField is a column without the type of its rows, so that what follows is compiled
// once, and not for each type. A row is a pointer to one.
type rowField struct {
	name, api string
	text      func(row any) string
	member    *member // nil: the API documents no such field
}

// A member is a field of a row that the API documents.
type member struct {
	kind where.Kind
	text func(row any) string // as where wants it
}

// anyRow stands for the type of the rows in filters and sorts.
type anyRow struct{}

func rowFields[R any](columns []output.Column[R]) []rowField {
	fields := make([]rowField, len(columns))
	for i := range columns {
		c := &columns[i]
		fields[i] = rowField{c.Name, c.API, func(row any) string { return c.Value(row.(*R)) }, memberOf(reflect.TypeFor[R](), c.API)}
	}
	return fields
}

// A rowCondition is a --where.
type rowCondition struct {
	*where.Condition
	text    func(row any) string         // of its field
	filters []infinitysip.Filter[anyRow] // what the server is asked with
}

// newCondition reads a --where.
func newCondition(rows []rowField, text string, f filtered, now time.Time) (*rowCondition, error) {
	fields := make([]where.Field, len(rows))
	for i, row := range rows {
		fields[i] = where.Field{Name: row.name, Other: row.api}
		if row.member != nil {
			fields[i].Kind = row.member.kind
		}
	}
	condition, err := where.Parse(text, fields, now)
	if wrong, ok := errors.AsType[*where.Error](err); ok {
		message := fmt.Sprintf("--where: %s\n%s", wrong.Problem, output.Point(wrong.Text, wrong.At))
		if wrong.Hint != "" {
			message += "\n" + wrong.Hint
		}
		return nil, errors.New(message)
	}
	if err != nil {
		return nil, err
	}
	row := rows[condition.Field]
	c := &rowCondition{Condition: condition, text: row.text}
	if row.member != nil {
		c.text = row.member.text
		if f == byServer {
			c.filters = filters(infinitysip.Field[anyRow](row.api), condition)
		}
	}
	return c, nil
}

// memberOf finds the field of rows that has a name of the API. Conditions look at it,
// not at what a table shows: a table may show less of a date.
func memberOf(t reflect.Type, api string) *member {
	if t.Kind() != reflect.Struct || api == "" {
		return nil
	}
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != api || !field.IsExported() {
			continue
		}
		of := func(row any) reflect.Value { return reflect.ValueOf(row).Elem().FieldByIndex(field.Index) }
		switch field.Type {
		case reflect.TypeFor[time.Time]():
			return &member{where.Time, func(row any) string {
				if t := of(row).Interface().(time.Time); !t.IsZero() {
					return t.UTC().Format(time.DateTime)
				}
				return ""
			}}
		case reflect.TypeFor[netip.Prefix]():
			return &member{where.Network, func(row any) string {
				if p := of(row).Interface().(netip.Prefix); p.IsValid() {
					return p.String()
				}
				return ""
			}}
		}
		switch field.Type.Kind() {
		case reflect.String:
			return &member{where.Text, func(row any) string { return of(row).String() }}
		case reflect.Bool:
			return &member{where.Flag, func(row any) string {
				if of(row).Bool() {
					return "1"
				}
				return "0"
			}}
		case reflect.Int, reflect.Int64:
			isID := field.Type.PkgPath() != "" // the id 0 is none
			return &member{where.Number, func(row any) string {
				n := of(row).Int()
				if n == 0 && isID {
					return ""
				}
				return strconv.FormatInt(n, 10)
			}}
		}
	}
	return nil // or a secret
}

// filters are what the server is asked for a condition. Every row is looked at here
// again, because a server may ignore filters. So only such conditions are sent as mean
// the same to every server. The others are left to this program alone:
//
//   - the opposite of something: a database leaves out rows that have no value,
//   - "is set": the API writes 0 and 0000-00-00 for nothing,
//   - whether a text is greater or less: as a number, or as a text?
//   - case that does not matter, or one character of a pattern, outside ASCII,
//   - regular expressions, of which the server has another syntax,
//   - networks in networks.
func filters(field infinitysip.Field[anyRow], c *where.Condition) []infinitysip.Filter[anyRow] {
	one := func(f infinitysip.Filter[anyRow]) []infinitysip.Filter[anyRow] {
		return []infinitysip.Filter[anyRow]{f}
	}
	if c.Not || c.Op == where.IsSet {
		return nil
	}
	for _, value := range c.Values {
		if value == "" || strings.ContainsAny(value, "\r\n\x00") || !utf8.ValidString(value) || c.Fold && !ascii(value) || c.Op == where.In && strings.Contains(value, ",") {
			return nil
		}
	}
	value := c.Values[0]
	switch c.Kind() {
	case where.Time:
		return timeFilters(field, c)
	case where.Network:
		return nil // of the several spellings of one
	case where.Number:
		switch c.Op {
		case where.Greater:
			return one(field.Gt(value))
		case where.GreaterOrEqual:
			return one(field.Ge(value))
		case where.Less:
			return one(field.Lt(value))
		case where.LessOrEqual:
			return one(field.Le(value))
		}
	}
	switch c.Op {
	case where.Is:
		if c.Fold {
			return one(field.EqFold(value))
		}
		return one(field.Eq(value))
	case where.In:
		values := make([]any, len(c.Values))
		for i := range values {
			values[i] = c.Values[i]
		}
		if c.Fold {
			return one(field.InFold(values...))
		}
		return one(field.In(values...))
	case where.Begins:
		if c.Fold {
			return one(field.BeginsFold(value))
		}
		return one(field.Begins(value))
	case where.Ends:
		if c.Fold {
			return one(field.EndsFold(value))
		}
		return one(field.Ends(value))
	case where.Contains:
		if c.Fold {
			return one(field.ContainsFold(value))
		}
		return one(field.Contains(value))
	case where.Like:
		if !c.Fold && !strings.ContainsAny(value, `?[]\`) {
			return one(field.Glob(value))
		}
	}
	return nil
}

func timeFilters(field infinitysip.Field[anyRow], c *where.Condition) []infinitysip.Filter[anyRow] {
	from, err := time.Parse(time.DateTime, c.Values[0])
	if err != nil {
		return nil
	}
	after := from // what comes behind it
	if c.Day {
		after = from.AddDate(0, 0, 1)
	}
	switch c.Op {
	case where.Is:
		if c.Day {
			return infinitysip.Where(field.Ge(from), field.Lt(after))
		}
		return infinitysip.Where(field.Eq(from))
	case where.Greater:
		if c.Day {
			return infinitysip.Where(field.Ge(after))
		}
		return infinitysip.Where(field.Gt(from))
	case where.GreaterOrEqual:
		return infinitysip.Where(field.Ge(from))
	case where.Less:
		return infinitysip.Where(field.Lt(from))
	default:
		if c.Day {
			return infinitysip.Where(field.Lt(after))
		}
		return infinitysip.Where(field.Le(from))
	}
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
