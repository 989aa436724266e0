package provision

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/infinitysip/infinitysip/provision/internal/graph"
)

// invalid is an error of a plan that cannot be applied.
func invalid(format string, args ...any) error {
	return fmt.Errorf("provision: %w: %w", infinitysip.ErrInvalid, fmt.Errorf(format, args...))
}

// applicable tells what is wrong with a plan in itself, whatever is on the server. If
// nothing is, it returns which changes wait for which.
func (c *Changes) applicable(ctx context.Context, client *infinitysip.Client) (*graph.Graph, error) {
	switch {
	case c == nil:
		return nil, invalid("there is no plan")
	case ctx == nil:
		return nil, invalid("the context is nil")
	case client == nil:
		return nil, invalid("the client is nil")
	case c.Domain <= 0:
		return nil, invalid("the plan does not say of which domain it is")
	}
	var problems []string
	report := func(item *Change, text string) {
		problems = append(problems, fmt.Sprintf("change %d (%s): %s", item.N, item.title(), text))
	}
	ended := map[int]bool{} // the changes for the time in between that another ends
	for i := range c.Items {
		if item := &c.Items[i]; !item.Between {
			for _, n := range item.Needs {
				if j, ok := indexOf(c.Items, n); ok && c.Items[j].Between && c.Items[j].Kind == item.Kind && c.Items[j].ID == item.ID && item.Op != OpDelete {
					ended[j] = item.Kind == KindOwner || item.takesNumber() != ""
				}
			}
		}
	}
	type field struct {
		of   target
		name string
	}
	set := map[field]bool{}
	for i := range c.Items {
		item := &c.Items[i]
		if item.Op != OpUpdate || item.Between || !item.Kind.isThing() {
			continue
		}
		for _, f := range item.Fields {
			if key := (field{target{item.Kind, item.ID}, f.Field}); set[key] {
				report(item, fmt.Sprintf("another change sets field %s, too", f.Field))
			} else {
				set[key] = true
			}
		}
	}
	for i := range c.Items {
		if c.Items[i].Between && !ended[i] {
			report(&c.Items[i], "it is for the time in between, and no change ends that")
		}
		for _, text := range c.wrong(i) {
			report(&c.Items[i], text)
		}
	}
	var order *graph.Graph
	if len(problems) == 0 { // else the numbers may not be those that they seem to be
		order = graph.New(len(c.Items), func(i int, on func(int)) { waits(c.Items, i, on) })
		if circle := order.Circle(); circle != nil {
			var in []string
			for _, i := range circle {
				in = append(in, fmt.Sprintf("%d (%s)", c.Items[i].N, c.Items[i].title()))
			}
			problems = append(problems, "changes wait for each other in a circle: "+enumerate(in, ", "))
		}
	}
	if len(problems) > 0 {
		return nil, invalid("the plan cannot be carried out, and nothing was changed:\n%s", enumerate(problems, "\n"))
	}
	if n := c.Deletes(); n > max(c.MaxDeletes, 0) {
		return nil, fmt.Errorf("%w: the plan deletes %d, with what they take along, and the limit is %d: nothing was changed", ErrTooManyDeletes, n, c.MaxDeletes)
	}
	return order, nil
}

// possible are the ops of each kind.
var possible = map[Kind][]Op{
	KindUser: {OpCreate, OpUpdate, OpDelete}, KindGroup: {OpCreate, OpUpdate, OpDelete}, KindQueue: {OpCreate, OpUpdate, OpDelete},
	KindTrustedNetwork: {OpCreate, OpUpdate, OpDelete}, KindDevice: {OpCreate, OpUpdate, OpDelete},
	KindGroupMembers: {OpCreate, OpDelete}, KindOwner: {OpCreate, OpUpdate, OpDelete},
	KindQueueMember: {OpCreate, OpUpdate, OpDelete}, KindQueueOrder: {OpUpdate},
}

// wrong tells what is wrong with a change.
func (c *Changes) wrong(i int) (problems []string) {
	item := &c.Items[i]
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if item.N <= 0 || i > 0 && item.N <= c.Items[i-1].N {
		report("its number is not above that of the change before")
	}
	if ops, known := possible[item.Kind]; !known {
		report("there is no kind %s", quote(string(item.Kind)))
		return problems
	} else if !slices.Contains(ops, item.Op) {
		report("%s of a %s is nothing that can be done", quote(string(item.Op)), item.Kind)
		return problems
	}
	for _, list := range [][]int{item.Needs, item.After} {
		for _, n := range list {
			if _, ok := indexOf(c.Items, n); !ok || n == item.N {
				report("it waits for change %d, which is none of the others", n)
			}
		}
	}
	for kind, ref := range item.parts {
		switch j, ok := indexOf(c.Items, ref.MadeBy); {
		case ref.ID < 0 || ref.ID == 0 && ref.MadeBy == 0:
			report("%s %s has no id, and no change makes it", kind, quote(ref.Name))
		case ref.MadeBy == 0:
		case ref.ID != 0 || !ok || c.Items[j].Kind != kind || c.Items[j].Op != OpCreate || ref.Name != c.Items[j].makes():
			report("change %d does not make %s %s", ref.MadeBy, kind, quote(ref.Name))
		case ref == item.From, ref == &item.Ref && item.Op != OpCreate && item.Kind != KindQueueOrder:
			report("%s %s must be there already", kind, quote(ref.Name))
		}
	}
	isThing := item.Kind.isThing()
	if isThing && item.Op == OpCreate && (item.ID != 0 || item.MadeBy != 0 || item.Name == "") {
		report("what is made needs a name, and has no id yet")
	}
	switch item.Kind {
	case KindTrustedNetwork:
		if _, ok := wire.Network(item.Name); !ok {
			report("%s is no network", quote(item.Name))
		}
	case KindGroupMembers, KindQueueOrder:
		if len(item.Members) == 0 {
			report("it names nobody")
		}
	case KindQueueMember:
		if len(item.Members) != 1 {
			report("it must name one group")
		}
		if (item.MemberID > 0) == (item.Op == OpCreate) || item.MemberID < 0 {
			report("the id of the queue's member is wrong")
		}
	case KindOwner:
		if taken := item.Op == OpDelete || item.Between; (item.From == nil) != (item.Op == OpCreate) || (item.To == nil) != taken {
			report("from whom the device is taken, or to whom it is given, is wrong")
		} else if item.Op == OpUpdate && !taken && item.NewToken != (item.From.ID == item.To.ID && item.To.MadeBy == 0) || item.Op != OpUpdate && item.NewToken {
			report("a new token is for the user who has the device")
		}
	}
	for _, name := range item.Secrets {
		if item.Kind != KindUser || item.Op == OpDelete || name != "password" && name != "pin" {
			report("there is no secret %s", quote(name))
		}
	}
	if item.Op == OpUpdate && (isThing || item.Kind == KindQueueMember) && len(item.Fields)+len(item.Secrets) == 0 {
		report("nothing changes")
	}
	if item.Between && (item.Op != OpUpdate || item.Kind != KindOwner && item.takesNumber() == "") {
		report("it cannot be for the time in between")
	}
	if len(item.Takes) > 0 && (item.Op != OpDelete || item.Kind != KindUser && item.Kind != KindGroup && item.Kind != KindQueue) {
		report("it takes nothing along")
	}
	for f := range item.Fields {
		name := item.Fields[f].Field
		if !item.maySet(name) {
			report("%s is no field that it can set", quote(name))
		} else if slices.ContainsFunc(item.Fields[:f], func(other FieldChange) bool { return other.Field == name }) {
			report("field %s is there twice", name)
		}
	}
	if err := item.fieldsKnown(); err != nil {
		report("%s", err)
	}
	return problems
}

// makes is the name of what a create makes.
func (c *Change) makes() string {
	if c.Kind == KindQueueMember && len(c.Members) == 1 {
		return c.Members[0].Name
	}
	return c.Name
}

// stated are the types of what a state says of each kind.
var stated = map[Kind]reflect.Type{
	KindUser: reflect.TypeFor[User](), KindGroup: reflect.TypeFor[Group](), KindQueue: reflect.TypeFor[Queue](), KindQueueMember: reflect.TypeFor[QueueMember](),
	KindTrustedNetwork: reflect.TypeFor[TrustedNetwork](), KindDevice: reflect.TypeFor[Device](),
}

// maySet reports whether a change of that kind may set a field: one that a state can
// say of such a thing. What a thing is called is no field, so a change does what its
// name says.
func (c *Change) maySet(field string) bool {
	if c.Kind == KindQueueMember && c.Op == OpCreate && field == "ringOrder" {
		return true
	}
	for _, f := range layouts()[stated[c.Kind]].fields {
		if f.name == field {
			return f.stated && !f.secret
		}
	}
	return false
}

// fieldsKnown tells which field cannot be sent, or would be refused.
func (c *Change) fieldsKnown() error {
	switch c.Op {
	case OpCreate:
		switch c.Kind {
		case KindUser:
			return wouldBeRefused(&infinitysip.UserCreateParams{User: c.Name, Password: infinitysip.NewSecret("x")}, c.Fields)
		case KindGroup:
			return wouldBeRefused(&infinitysip.GroupCreateParams{Name: c.Name}, c.Fields)
		case KindQueue:
			return wouldBeRefused(&infinitysip.QueueCreateParams{Name: c.Name}, c.Fields)
		case KindTrustedNetwork:
			network, _ := wire.Network(c.Name)
			return wouldBeRefused(&infinitysip.TrustedNetworkCreateParams{Network: network}, c.Fields)
		case KindDevice:
			return wouldBeRefused(&infinitysip.DeviceCreateParams{MACAddress: c.Name}, c.Fields)
		case KindQueueMember:
			params := newMember(&QueueMember{})
			params.GroupID = 1
			return wouldBeRefused(&params, c.Fields)
		}
	case OpUpdate:
		switch c.Kind {
		case KindUser:
			params := infinitysip.UserUpdateParams{}
			if len(c.Secrets) > 0 {
				params.Password = new(infinitysip.NewSecret("x"))
			}
			return wouldBeRefused(&params, c.Fields)
		case KindGroup:
			params := infinitysip.Group{Name: c.Name, DisplayName: "x", ExtensionNumber: "1", CallerNameFormat: "{displayName}"}.UpdateParams()
			return wouldBeRefused(&params, c.Fields)
		case KindQueue:
			return wouldBeRefused(&infinitysip.QueueUpdateParams{}, c.Fields)
		case KindTrustedNetwork:
			return wouldBeRefused(&infinitysip.TrustedNetworkUpdateParams{}, c.Fields)
		case KindDevice:
			return wouldBeRefused(&infinitysip.DeviceUpdateParams{}, c.Fields)
		case KindQueueMember:
			return wouldBeRefused(&infinitysip.QueueMemberUpdateParams{}, c.Fields)
		}
	}
	if len(c.Fields) > 0 {
		return errors.New("it has no fields")
	}
	return nil
}

// wouldBeRefused tells what the client would refuse of params with these fields.
func wouldBeRefused[P interface{ Validate() error }](params *P, fields []FieldChange) error {
	if err := fillFields(params, fields); err != nil {
		return err
	}
	err := (*params).Validate()
	if refused, ok := errors.AsType[*infinitysip.ValidationError](err); ok && len(refused.Fields) > 0 {
		return fmt.Errorf("%s: %s", refused.Fields[0].Field, refused.Fields[0].Problem)
	}
	return err
}
