package attempt

import (
	"net/http"
	"strconv"
	"strings"
)

// ownHeaders are set by this package or by net/http, or change what a request
// means. Those that begin with one of ownPrefixes are too.
var (
	ownHeaders = map[string]bool{
		"Authorization": true, "User-Agent": true, "Host": true, "Accept-Encoding": true,
		"Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
		"Expect": true, "Range": true, "Idempotency-Key": true, "X-Idempotency-Key": true,
		"X-Http-Method-Override": true, "X-Http-Method": true, "X-Method-Override": true,
	}
	ownPrefixes = []string{"Content-", "If-", "Proxy-"}
)

// CheckHeader returns the canonical name of a header that a caller asks for, or
// what is wrong with it. It does not repeat the value.
func CheckHeader(key, value string) (name, problem string) {
	name = http.CanonicalHeaderKey(key)
	own := ownHeaders[name]
	for _, prefix := range ownPrefixes {
		own = own || strings.HasPrefix(name, prefix)
	}
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }):
		return "", "not the name of a header: " + strconv.QuoteToASCII(key[:min(len(key), 64)])
	case own:
		return "", name + " is not the caller's to set"
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "", "the value of " + name + " holds a line break or another control character"
	}
	return name, ""
}
