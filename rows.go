package infinitysip

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// errCut marks an answer that ended before it was complete. Rows that came
// before the cut are good; that they are all is what cannot be said.
var errCut = errors.New("the answer was cut short")

// rows reads rows of type R off the wire: JSON objects one after the other, or
// one array of them.
type rows[R any] struct {
	plan  plan
	body  io.Reader
	in    *bounded
	dec   *json.Decoder
	array bool
	n     int // rows read
}

// newRows reads rows of at most limit bytes.
func newRows[R any](p plan, body io.Reader, limit int) *rows[R] {
	in := &bounded{r: bufio.NewReader(body), limit: limit}
	return &rows[R]{plan: p, body: body, in: in, dec: json.NewDecoder(in)}
}

// readRows reads a complete answer.
func readRows[R any](p plan, body io.Reader, limit int) ([]R, error) {
	var all []R
	for rows := newRows[R](p, body, limit); ; {
		row, err := rows.next()
		if err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
}

// next returns the next row. Its error is io.EOF after the last row of a
// complete answer, wraps errCut when the answer ends before that, and
// otherwise names the row and the field that are wrong.
func (r *rows[R]) next() (R, error) {
	var row R
	raw, err := r.raw()
	if err == io.EOF {
		return row, err
	}
	r.n++
	if err == nil {
		err = r.plan.set(reflect.ValueOf(&row).Elem(), raw)
	}
	if err != nil {
		var none R
		return none, fmt.Errorf("row %d: %w", r.n, err)
	}
	if body, ok := r.body.(*watchedBody); ok {
		body.progress()
	}
	return row, nil
}

// raw returns the text of the next row, or io.EOF.
func (r *rows[R]) raw() (json.RawMessage, error) {
	if r.n == 0 {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	r.in.left = r.in.limit
	if r.array && !r.dec.More() {
		// More is false for an error too; the closing bracket tells.
		if _, err := r.dec.Token(); err != nil {
			return nil, r.in.explain(err)
		}
		switch _, err := r.dec.Token(); {
		case err == nil:
			return nil, errors.New("something follows the array")
		case err == io.EOF && r.in.err == nil:
			return nil, io.EOF
		default:
			return nil, r.in.explain(err)
		}
	}
	var raw json.RawMessage
	switch err := r.dec.Decode(&raw); {
	case err == io.EOF && r.in.err == nil && !r.array:
		return nil, io.EOF
	case err != nil:
		return nil, r.in.explain(err)
	case len(raw) > r.in.limit:
		return nil, r.in.tooLong()
	case raw[0] != '{':
		return nil, errors.New("not an object")
	case !utf8.Valid(raw):
		return nil, errors.New("not valid UTF-8")
	}
	return raw, nil
}

// open looks at how the answer begins.
func (r *rows[R]) open() error {
	if bom, _ := r.in.r.Peek(3); string(bom) == "\xef\xbb\xbf" {
		_, _ = r.in.r.Discard(3)
	}
	for n := 0; ; n++ {
		if n > r.in.limit {
			return r.in.tooLong()
		}
		switch c, err := r.in.r.ReadByte(); {
		case err == io.EOF:
			return io.EOF
		case err != nil:
			return fmt.Errorf("%w: %w", errCut, err)
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == '<':
			return errors.New("the answer is a page of HTML, not rows")
		case c == '[':
			r.array = true
		}
		_ = r.in.r.UnreadByte()
		break
	}
	r.in.left = r.in.limit
	if r.array {
		if _, err := r.dec.Token(); err != nil {
			return r.in.explain(err)
		}
	}
	return nil
}

// bounded gives the decoder what it asks for until a row grows past the limit,
// and keeps the error that ended the reading, which the decoder may hide.
type bounded struct {
	r           *bufio.Reader
	limit, left int
	err         error
}

var errLongRow = errors.New("too long")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.err = errLongRow
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func (b *bounded) tooLong() error {
	return fmt.Errorf("%w: more than %d bytes", errLongRow, b.limit)
}

// explain tells a cut answer from a wrong one.
func (b *bounded) explain(err error) error {
	switch {
	case b.err == errLongRow:
		return b.tooLong()
	case b.err != nil:
		return fmt.Errorf("%w: %w", errCut, b.err)
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	}
	return fmt.Errorf("not JSON: %w", err)
}

// plan tells, for a row type, which of its fields takes which member of a row.
type plan struct {
	fields []field
	id     field // the row's own id
	extra  int   // the index of Extra
}

type field struct {
	index int
	names []string // of the member; the first that is there is taken
	id    bool     // the row's own id: it must be one
}

// planFor reads the tags of a row type. json names the member that a field
// takes; row:"id" marks the row's own id, and may add other spellings of its
// name.
func planFor(t reflect.Type) plan {
	var p plan
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			p.extra = i
			continue
		}
		tag := strings.Split(t.Field(i).Tag.Get("row"), ",")
		f := field{index: i, names: append([]string{name}, tag[1:]...), id: tag[0] == "id"}
		if f.id {
			p.id = f
		}
		p.fields = append(p.fields, f)
	}
	return p
}

// planOf is planFor, once for each Client and type.
func planOf[R any](c *Client) plan {
	t := reflect.TypeFor[R]()
	if p, ok := c.plans.Load(t); ok {
		return p.(plan)
	}
	p := planFor(t)
	c.plans.Store(t, p)
	return p
}

// idOf returns the own id of a row.
func (p plan) idOf(row any) int64 {
	return reflect.ValueOf(row).Elem().Field(p.id.index).Int()
}

func (p plan) set(row reflect.Value, raw json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	claimed := false
	for _, f := range p.fields {
		for _, name := range f.names {
			value, sent := members[name]
			if !sent {
				continue
			}
			claimed = true
			taken, err := setField(row.Field(f.index), value, f.id)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if taken {
				delete(members, name)
			}
			break
		}
	}
	if !claimed && len(p.fields) > 0 {
		return errors.New("no field of this kind of row is in it")
	}
	for name := range members {
		if secretName(name) {
			members[name] = json.RawMessage(`"` + redacted + `"`)
		}
	}
	if len(members) > 0 {
		row.Field(p.extra).Set(reflect.ValueOf(members))
	}
	return nil
}

// secretName reports whether a member that no field claims is a secret all the
// same: some row type has a Secret of this name.
func secretName(name string) bool {
	switch strings.ToLower(name) {
	case "password", "pin", "pbxdevicetoken":
		return true
	}
	return false
}

// setField takes a value as the field needs it, whether the server sends a
// string, a number, a bool or null. It reports false for a value that is kept
// in Extra instead.
func setField(field reflect.Value, value json.RawMessage, id bool) (bool, error) {
	text, err := scalar(value)
	if err != nil {
		return false, err
	}
	switch target := field.Addr().Interface().(type) {
	case *Secret:
		*target = NewSecret(text)
		return true, nil
	case *time.Time:
		*target, err = parseDatetime(text)
		return true, err
	case *netip.Prefix:
		if text == "" {
			return true, nil
		}
		prefix, ok := parseNetwork(text)
		*target = prefix
		return ok, nil
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Bool:
		switch text {
		case "", "0", "false":
		case "1", "true":
			field.SetBool(true)
		default:
			return false, fmt.Errorf("%s is not a flag: want 1 or 0", quote(text))
		}
	default: // an id or a count
		n, err := parseNumber(text)
		switch {
		case err != nil:
			return false, err
		case id && n <= 0:
			return false, fmt.Errorf("%s is not an id", quote(text))
		}
		field.SetInt(n)
	}
	return true, nil
}

// scalar returns a JSON string, number or bool as text, and null as "".
func scalar(value json.RawMessage) (string, error) {
	switch {
	case value[0] == '"':
		var text string
		err := json.Unmarshal(value, &text)
		return text, err
	case value[0] == '{' || value[0] == '[':
		return "", errors.New("want one value, not a list or an object")
	case bytes.Equal(value, []byte("null")):
		return "", nil
	}
	return string(value), nil
}

func parseNumber(text string) (int64, error) {
	switch text {
	case "", "false":
		return 0, nil
	case "true":
		return 1, nil
	}
	digits := strings.TrimPrefix(text, "-")
	n, err := parseDigits(digits)
	if err != nil || digits == "" {
		return 0, fmt.Errorf("%s is not a whole number of 64 bits", quote(text))
	}
	if len(digits) < len(text) {
		n = -n
	}
	return n, nil
}

func parseDatetime(text string) (time.Time, error) {
	if text == "" || text == "0" || strings.HasPrefix(text, "0000-00-00") {
		return time.Time{}, nil
	}
	t, err := time.Parse(datetimeLayout, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is not a time: want %s", quote(text), datetimeLayout)
	}
	return t, nil
}

// parseNetwork reads a network in CIDR notation, or an address alone.
func parseNetwork(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, true
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	return netip.Prefix{}, false
}
