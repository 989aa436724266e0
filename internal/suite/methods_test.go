package suite_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// method is a method of a service: that of a call, the iterator of a list, one of the
// finds or of the compounds.
type method struct {
	name   string // "Users.AllDevices"
	op     string // of the call that it makes, or makes last: "Users.ListDevices"
	params any
	ids    ids      // nil: those of the table
	makes  []string // the calls of a compound, if its list has one row
	soak   step     // if it is in no table of calls

	call func(context.Context, *infinitysip.Client, ...infinitysip.CallOption) error // of a method that is none of a service
}

// isFind reports whether it is one of the finds.
func (m method) isFind() bool { return strings.Contains(m.name, ".Find") }

// methods are all of them.
func methods() []method {
	all := append(compounds(), finds()...)
	for _, call := range apiCalls() {
		all = append(all, method{name: call.op, op: call.op, params: call.params})
		if iterator := iteratorOf(call.op); iterator != "" {
			all = append(all, method{name: iterator, op: call.op})
		}
	}
	return all
}

// rawMethods are those for what this package does not have, each on the path of the
// call that is its op.
func rawMethods() []method {
	all := []method{
		{name: "Rows", op: "Users.List", call: rowsOf[infinitysip.User](nil)},
		{name: "Rows, in pages", op: "Users.List", call: rowsOf(&infinitysip.ListOptions[infinitysip.User]{PageSize: 2})},
	}
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		op := map[string]string{http.MethodGet: "Users.List", http.MethodPost: "Users.Create"}[verb]
		all = append(all, method{name: "Client.Do, " + verb, op: op, call: func(ctx context.Context, client *infinitysip.Client, with ...infinitysip.CallOption) error {
			return raw(ctx, client, verb, with...)
		}})
	}
	return all
}

// rowsOf reads the rows at rawPath.
func rowsOf[R any](opts *infinitysip.ListOptions[R]) func(context.Context, *infinitysip.Client, ...infinitysip.CallOption) error {
	return func(ctx context.Context, client *infinitysip.Client, with ...infinitysip.CallOption) error {
		return errorOf(infinitysip.Collect(infinitysip.Rows(ctx, client, rawPath, opts, with...)))
	}
}

// iteratorOf names the All… method of a List… method, and is "" for any other.
func iteratorOf(op string) string {
	service, rest, ok := strings.Cut(op, ".List")
	if !ok {
		return ""
	}
	return service + ".All" + rest
}

// do makes the call. An iterator goes to its first row.
func (m method) do(ctx context.Context, client *infinitysip.Client, with ...infinitysip.CallOption) error {
	if m.call != nil {
		return m.call(ctx, client, with...)
	}
	named := m.ids
	if named == nil {
		named = namedIDs()
	}
	result, err := invoke(ctx, client, m.name, named, m.params, with...)
	if rows, ok := result.(iterated); ok {
		if result, err = rows.take(1); err == nil && reflect.ValueOf(result).Len() == 0 {
			err = errors.New("no row")
		}
	}
	return err
}

// ids are the ids that a call names, by their types.
type ids map[reflect.Type]reflect.Value

func idsOf(all ...any) ids {
	m := make(ids)
	for _, id := range all {
		m[reflect.TypeOf(id)] = reflect.ValueOf(id)
	}
	return m
}

// namedIDs are those of the table.
func namedIDs() ids { return idsOf(domainID, userID, groupID, queueID, memberID, networkID, deviceID) }

// invoke calls a method by its name. Every method takes a context, ids, params if
// it has any, and options, and returns a result, an error, or both. For an
// iterator the result is what it iterates.
func invoke(ctx context.Context, client *infinitysip.Client, name string, named ids, params any, with ...infinitysip.CallOption) (any, error) {
	service, rest, _ := strings.Cut(name, ".")
	f := reflect.ValueOf(client).Elem().FieldByName(service)
	if f.IsValid() {
		f = f.MethodByName(rest)
	}
	if !f.IsValid() {
		return nil, fmt.Errorf("there is no %s", name)
	}
	var args []reflect.Value
	for i := range f.Type().NumIn() - 1 {
		given := params
		if i == 0 {
			given = ctx
		}
		arg := reflect.New(f.Type().In(i)).Elem()
		if id, ok := named[arg.Type()]; ok {
			arg.Set(id)
		} else if given != nil {
			arg.Set(reflect.ValueOf(given))
		}
		args = append(args, arg)
	}
	for _, option := range with {
		args = append(args, reflect.ValueOf(option))
	}
	out := f.Call(args)
	if out[0].Kind() == reflect.Func {
		return iterated(out[0]), nil
	}
	err, _ := out[len(out)-1].Interface().(error)
	if len(out) == 1 {
		return nil, err
	}
	return out[0].Interface(), err
}

// iterated is what an iterator iterates.
type iterated reflect.Value

// take returns the first rows, or all for -1, as a slice, and the error after them.
func (it iterated) take(most int) (rows any, err error) {
	v := reflect.Value(it)
	list := reflect.Zero(reflect.SliceOf(v.Type().In(0).In(0)))
	for row, failed := range v.Seq2() {
		if err, _ = failed.Interface().(error); err != nil {
			break
		}
		if list = reflect.Append(list, row); list.Len() == most {
			break
		}
	}
	return list.Interface(), err
}
