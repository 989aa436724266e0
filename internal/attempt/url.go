package attempt

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ParseBaseURL reads the URL that all paths are put after. The problem with it
// does not repeat it, since it may hold a password.
func ParseBaseURL(raw string, insecure bool) (base *url.URL, problem string) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, "empty"
	case err != nil || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return nil, "not a URL"
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "the scheme must be https"
	case u.Hostname() == "":
		return nil, "no host"
	case u.RawPath != "":
		return nil, "the path must not hold escapes"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return nil, "must hold no user name, password, query or fragment"
	case u.Port() != "" && !validPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return nil, "not a port"
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		return nil, "plain http to a host that is not loopback: use https, or WithInsecureHTTP"
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, ""
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
