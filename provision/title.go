package provision

import (
	"fmt"
)

// title tells what a change does, for errors: "create user ann.abel".
func (c *Change) title() string {
	switch c.Kind {
	case KindGroupMembers:
		who := count(len(c.Members), "user")
		if len(c.Members) == 1 {
			who = "user " + printable(c.Members[0].Name)
		}
		if c.Op == OpDelete {
			return fmt.Sprintf("take %s out of group %s", who, printable(c.Name))
		}
		return fmt.Sprintf("put %s into group %s", who, printable(c.Name))
	case KindQueueMember:
		group := ""
		if len(c.Members) > 0 {
			group = printable(c.Members[0].Name)
		}
		switch c.Op {
		case OpCreate:
			return fmt.Sprintf("put group %s into queue %s", group, printable(c.Name))
		case OpDelete:
			return fmt.Sprintf("take group %s out of queue %s", group, printable(c.Name))
		}
		return fmt.Sprintf("change group %s in queue %s", group, printable(c.Name))
	case KindQueueOrder:
		return "order the groups of queue " + printable(c.Name)
	case KindOwner:
		switch {
		case c.NewToken && c.To != nil:
			return fmt.Sprintf("give device %s of user %s a new token", printable(c.Name), printable(c.To.Name))
		case c.To == nil && c.From != nil:
			return fmt.Sprintf("take device %s from user %s", printable(c.Name), printable(c.From.Name))
		case c.To != nil:
			return fmt.Sprintf("give device %s to user %s", printable(c.Name), printable(c.To.Name))
		}
	}
	verb := string(c.Op)
	if c.Op == OpUpdate {
		verb = "change"
	}
	return fmt.Sprintf("%s %s %s", verb, c.Kind, printable(c.Name))
}
