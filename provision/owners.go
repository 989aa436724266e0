package provision

import (
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// owners gives devices to users.
func (d *differ) owners() {
	rows := make(map[int64]*infinitysip.Device, len(d.there.devices))
	for i := range d.there.devices {
		rows[int64(d.there.devices[i].ID)] = &d.there.devices[i]
	}
	rotate := d.rotated()
	for i := range d.desired.Devices {
		want := &d.desired.Devices[i]
		device, _ := d.devices.find(want.MACAddress)
		if device == nil {
			continue // it has been told
		}
		var from *Ref
		if row := rows[device.id]; row != nil && row.UserID != 0 {
			from = d.ownerOf(row)
		}
		d.owner(device, want.Owner, from, rotate[wire.MAC(want.MACAddress)], func() place { return d.desired.deviceAt(i) })
	}
}

// ownerOf is the user who has a device.
func (d *differ) ownerOf(row *infinitysip.Device) *Ref {
	owner := &Ref{Name: row.User, ID: int64(row.UserID)}
	if user := d.users.byID[owner.ID]; user != nil {
		owner.Name = user.name
	}
	return owner
}

// owner gives a device to the user that the state says, if it says one.
func (d *differ) owner(device *thing, says *string, from *Ref, rotate bool, at func() place) {
	var to *thing
	if says != nil && *says != "" {
		if to = d.resolve(d.users, *says, KindUser, at, "user"); to == nil {
			return
		}
	}
	var leaves *thing // who has it, if that user is deleted
	if from != nil {
		if leaves = d.users.byID[from.ID]; leaves != nil && leaves.remove == 0 {
			leaves = nil
		}
	}
	if d.opts.CreateOnly && device.id != 0 && (!rotate || from != nil && (to == nil || to.id != from.ID)) {
		if says != nil && (to == nil) != (from == nil) || to != nil && from != nil && to.id != from.ID {
			d.notes.add(device.String(), leftAsItIs)
		}
		return // it keeps its owner
	}
	c := Change{Op: OpUpdate, Kind: KindOwner, Ref: device.ref(), From: from}
	switch {
	case to != nil && from == nil:
		c.Op, c.To = OpCreate, new(to.ref())
	case to != nil && to.id != from.ID:
		c.To = new(to.ref())
	case says != nil && to == nil && from != nil:
		if !d.opts.Prune {
			d.notes.stay("device stays with its user", "devices stay with their users", device.shown())
			return
		}
		c.Op = OpDelete
	case rotate && from != nil:
		c.To, c.NewToken = from, true
	default: // it keeps its owner
		return
	}
	switch {
	case leaves == nil:
		n := d.plan(c)
		d.needs(n, device.make)
		if to != nil {
			d.needs(n, to.make)
		}
	case to == nil:
		d.follows(leaves.remove, d.plan(c))
	default:
		// It is taken before its user goes, and does not wait for the next one, who
		// perhaps takes the number of the one who goes.
		taken := d.plan(Change{Op: OpUpdate, Kind: KindOwner, Ref: device.ref(), From: from, Between: true})
		d.follows(leaves.remove, taken)
		c.Op, c.From = OpCreate, nil
		d.needs(d.plan(c), taken, to.make)
	}
}

// rotated are the devices that are to get another token.
func (d *differ) rotated() map[string]bool {
	inState := map[string]*Device{}
	for _, mac := range d.opts.RotateTokens {
		inState[wire.MAC(mac)] = nil
	}
	for _, c := range d.opts.Unsettled {
		inState[wire.MAC(c.Device)] = nil
	}
	for i := range d.desired.Devices {
		mac := wire.MAC(d.desired.Devices[i].MACAddress)
		if _, asked := inState[mac]; asked {
			inState[mac] = &d.desired.Devices[i]
		}
	}
	rotate := map[string]bool{}
	for _, mac := range d.opts.RotateTokens {
		at := place{path: "new tokens"}
		switch want := inState[wire.MAC(mac)]; {
		case want == nil:
			d.report(at, "", "%s is not the MAC address of a device in the state", quote(mac))
		case want.Owner == nil:
			d.report(at, "", "the state does not say whose %s is: if a run ended when the device is taken from its user and not yet given back, nothing would tell. Name its user", quote(mac))
		case *want.Owner == "":
			d.report(at, "", "the state says that %s is nobody's, and a device of nobody has no token. Name its user", quote(mac))
		}
		rotate[wire.MAC(mac)] = true
	}
	for _, c := range d.opts.Unsettled {
		mac := wire.MAC(c.Device)
		switch want := inState[mac]; {
		case mac == "":
		case want != nil && want.Owner != nil && *want.Owner != "":
			rotate[mac] = true
		default:
			d.notes.add("device "+printable(mac), "a run that was cut may have lost its token, and the state does not name its user: it keeps the token that it has")
		}
	}
	return rotate
}
