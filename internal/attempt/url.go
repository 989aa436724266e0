package attempt

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
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

// CheckPath tells what is wrong with a whole path that the caller wrote. The problem does
// not repeat it, since it may hold a query.
func CheckPath(path string) (problem string) {
	first, rest, _ := strings.Cut(path, "/")
	bad := func(c rune) bool { return !unicode.IsPrint(c) || strings.ContainsRune(`?#%\`, c) }
	switch {
	case first != "" || path == "":
		return "must begin with a slash, as a page of the API writes it"
	case !utf8.ValidString(path) || strings.ContainsFunc(path, bad):
		return `must be a path alone, without escapes: no ?, #, % or \, and nothing that does not print`
	case slices.ContainsFunc(strings.Split(rest, "/"), func(s string) bool { return s == "" || s == "." || s == ".." }):
		return `must have no empty segment, and neither "." nor ".."`
	}
	return ""
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
