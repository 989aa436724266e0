package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/siptest"
)

// setZone records the zone, by a name that can be looked up: that of the vendor, if it
// has this time now, or one that says its distance from UTC.
func (p *prober) setZone(offset time.Duration, at time.Time) {
	for _, name := range []string{"Europe/London", fmt.Sprintf("Etc/GMT%+d", -int(offset.Hours())), "Asia/Kolkata"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue
		}
		if _, seconds := at.In(zone).Zone(); time.Duration(seconds)*time.Second == offset {
			p.options.Zone = zone
			return
		}
	}
}

// lookAtTransport tells what the Meter saw.
func (p *prober) lookAtTransport() {
	m := p.meter
	m.mu.Lock()
	proto, tlsName, keepAlive, framings, limits := m.proto, m.tls, m.keepAlive, m.framings, slices.Sorted(slices.Values(m.limits))
	conn, served := m.conn, m.served
	m.mu.Unlock()
	const how = "all answers of the probe"
	p.marked = m.Used()
	p.find("http", Seen, how, "%s, %s", proto, cmp.Or(tlsName, "without TLS"))
	p.options.HTTP2 = strings.HasPrefix(proto, "HTTP/2")
	p.judgeFraming(framings, how)
	switch {
	case p.known("connections"):
	case p.options.Framing == siptest.FramingClose:
		p.find("connections", Seen, how, "closed after each answer with a body")
	case conn == nil:
		p.unknown("connections", "the server is in process")
	default:
		found := fmt.Sprintf("stay open for %d requests or more", served)
		if keepAlive != "" {
			found += "; Keep-Alive: " + keepAlive
		}
		p.find("connections", Seen, how, "%s", found)
	}
	latency := m.latency()
	if latency >= 10*time.Millisecond {
		p.options.Latency = latency.Round(time.Millisecond)
	}
	p.find("latency", Seen, "the median of all answers", "%s", latency.Round(100*time.Microsecond))
	if len(limits) > 0 {
		p.find("limit.headers", Seen, how, "%s", strings.Join(limits, ", "))
	} else {
		p.find("limit.headers", Seen, how, "none")
	}
	p.unknown("idle", "not looked for: it takes longer than a probe should")
}

func (p *prober) judgeFraming(framings map[string]int, how string) {
	chunked, length, closed := framings["chunked"], framings["length"], framings["close"]
	if chunked+length+closed == 0 {
		p.unknown("framing", "it does not show over HTTP/2")
		return
	}
	found := "chunked"
	switch max(chunked, length, closed) {
	case chunked:
	case length:
		found, p.options.Framing = "a Content-Length", siptest.FramingLength
	default:
		found, p.options.Framing = "the connection closes", siptest.FramingClose
	}
	if n := chunked + length + closed; n != max(chunked, length, closed) {
		found += fmt.Sprintf(" (mostly: %d chunked, %d with a length, %d closed)", chunked, length, closed)
	}
	p.find("framing", Seen, how, "%s", found)
}
