package probe

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// readThings reads what was made, to see what was stored.
func (p *prober) readThings(ctx context.Context) {
	p.tryUser(ctx)
	p.tryRewrite(ctx, "rewrite.group", p.group)
	p.tryRewrite(ctx, "rewrite.queue", p.queue)
	p.tryNetwork(ctx)
	p.tryDevices(ctx)
}

func (p *prober) tryUser(ctx context.Context) {
	t := p.user1
	if !t.alive() {
		p.cannot("passwords", t, "user")
		p.cannot("rewrite.user", t, "user")
		return
	}
	r, err := p.row(ctx, t.path())
	if err != nil {
		p.failed("passwords", err)
		p.failed("rewrite.user", err)
		return
	}
	const how = "the row of a user that has both"
	password, pin := r.text("password"), r.text("pin")
	switch {
	case password == "" && pin == "":
		p.find("passwords", Seen, how, "not shown")
	case password != "" && pin != "" && !strings.Contains(password+pin, "*"):
		p.options.EchoSecrets = true
		p.find("passwords", Seen, how, "both are shown")
	case strings.Contains(password+pin, "*"):
		p.find("passwords", Seen, how, "masked")
	case password != "":
		p.options.EchoSecrets = true
		p.find("passwords", Seen, how, "the password is shown, the PIN is not")
	default:
		p.find("passwords", Seen, how, "the PIN is shown, the password is not")
	}
	p.judgeRewrite("rewrite.user", t, r)
}

// cannot says that a question has no answer because a thing could not be made.
func (p *prober) cannot(key string, t *thing, name string) {
	switch {
	case p.skipped[name] != "":
		p.unknown(key, "%s", p.skipped[name])
	case t != nil && t.state == doubtful:
		p.unknown(key, "nobody knows whether the %s was made: its create failed", name)
	case t != nil && t.state == made:
		p.unknown(key, "the %s that was made was not found again", name)
	default:
		p.unknown(key, "%s", p.noneMade(name))
	}
}

// noneMade says that no thing of a kind could be made, and why.
func (p *prober) noneMade(name string) string {
	if status := p.refusals[name]; status != 0 {
		return fmt.Sprintf("no %s could be made: %s", name, statusError(status))
	}
	return fmt.Sprintf("no %s could be made", name)
}

func (p *prober) tryRewrite(ctx context.Context, key string, t *thing) {
	if !t.alive() {
		p.cannot(key, t, strings.TrimPrefix(key, "rewrite."))
		return
	}
	r, err := p.row(ctx, t.path())
	if err != nil {
		p.failed(key, err)
		return
	}
	p.judgeRewrite(key, t, r)
}

func (p *prober) judgeRewrite(key string, t *thing, r row) {
	stored := r.text(t.kind.key)
	how := "a name with capitals, and spaces around it"
	if status := p.spaces[t.kind.name]; status != 0 {
		how = fmt.Sprintf("a name with capitals; spaces around it are refused (%d)", status)
	}
	rewrite, found := "", ""
	switch stored {
	case t.key:
		found = "as it was sent"
	case strings.ToLower(t.key):
		rewrite, found = "lower", "in lower case"
	case strings.ToUpper(t.key):
		rewrite, found = "upper", "in upper case"
	case strings.TrimSpace(t.key):
		rewrite, found = "trim", "without the spaces around it"
	case strings.ToLower(strings.TrimSpace(t.key)):
		found = "in lower case, without the spaces around it"
	case strings.ToUpper(strings.TrimSpace(t.key)):
		found = "in upper case, without the spaces around it"
	case "":
		p.unknown(key, "the row has no %s", t.kind.key)
		return
	default:
		found = "changed in another way"
	}
	p.rewrites(t.kind.key, rewrite)
	p.find(key, Seen, how, "%s", found)
}

func (p *prober) tryNetwork(ctx context.Context) {
	const key = "rewrite.network"
	t := p.network1
	if !t.alive() {
		p.cannot(key, t, "network")
		return
	}
	r, err := p.row(ctx, t.path())
	if err != nil {
		p.failed(key, err)
		return
	}
	sent, _ := netip.ParsePrefix(t.key)
	switch stored := r.text("network"); stored {
	case t.key:
		if p.hostBits != 0 {
			p.find(key, Seen, "a network with and without host bits", "as it was sent; host bits are refused (%d)", p.hostBits)
			return
		}
		p.find(key, Seen, "a network with host bits", "as it was sent")
	case sent.Masked().String():
		p.rewrites("network", "mask")
		p.find(key, Seen, "a network with host bits", "without the host bits")
	default:
		p.find(key, Seen, "a network with host bits", "changed in another way")
	}
}

func (p *prober) tryDevices(ctx context.Context) {
	var stored []string
	for _, t := range []*thing{p.device1, p.device2} {
		if !t.alive() {
			p.cannot("rewrite.mac", t, "device")
			p.cannot("zone", t, "device")
			return
		}
		r, err := p.row(ctx, t.path())
		if err != nil {
			p.failed("rewrite.mac", err)
			p.failed("zone", err)
			return
		}
		stored = append(stored, r.text("deviceMacAddress"))
		if t == p.device1 {
			p.judgeZone(t, r)
		}
	}
	const key, how = "rewrite.mac", "one sent in lower case with colons, and one in capitals with hyphens"
	bare1, bare2 := bareMAC(p.device1.key), bareMAC(p.device2.key)
	same := func(separator string, spell func(string) string) bool {
		return stored[0] == spell(mac(bare1, separator)) && stored[1] == spell(mac(bare2, separator))
	}
	switch {
	case same(":", strings.ToUpper):
		p.find(key, Seen, how, "in capitals with colons")
	case same(":", strings.ToLower):
		p.rewrites("deviceMacAddress", "lower")
		p.find(key, Seen, how, "in lower case with colons")
	case same("-", strings.ToUpper):
		p.rewrites("deviceMacAddress", "hyphens")
		p.find(key, Seen, how, "in capitals with hyphens")
	case same("", strings.ToUpper):
		p.rewrites("deviceMacAddress", "bare")
		p.find(key, Seen, how, "in capitals without separators")
	case stored[0] == p.device1.key && stored[1] == p.device2.key:
		p.find(key, Seen, how, "as it was sent")
	default:
		p.find(key, Seen, how, "changed in another way, such as %q", strings.ReplaceAll(stored[0], bare1[10:], "xx"))
	}
}

// judgeZone compares the date of a row with the Date of the answer to its create.
func (p *prober) judgeZone(t *thing, r row) {
	const how = "createDatetime of a device, beside the Date of the answer"
	written, err := time.Parse("2006-01-02 15:04:05", r.text("createDatetime"))
	if err != nil || t.date.IsZero() {
		p.unknown("zone", "the row has no date that could be read, or the answer has none")
		return
	}
	off := written.Sub(t.date)
	offset := off.Round(15 * time.Minute)
	switch {
	case (off - offset).Abs() > 30*time.Second:
		p.find("zone", Likely, how, "its clock differs from the Date of the answers by %s", off)
	case offset == 0:
		p.find("zone", Seen, how, "UTC, or a zone that has that time now")
	default:
		p.setZone(offset, t.date)
		p.find("zone", Seen, how, "UTC%s now", offsetText(offset))
	}
}

func offsetText(offset time.Duration) string {
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	return fmt.Sprintf("%s%02d:%02d", sign, int(offset.Hours()), int(offset.Minutes())%60)
}
