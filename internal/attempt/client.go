package attempt

import (
	"net/http"
	"reflect"
)

// CheckClient tells what of an http.Client is not used, and what to use instead.
func CheckClient(hc *http.Client) (problems []string) {
	if hc.Timeout != 0 {
		problems = append(problems, "its Timeout is not used: give each call a context with a deadline, or set Limits")
	}
	if hc.Jar != nil {
		problems = append(problems, "its Jar is not used: this package keeps no cookies, so set them in the Transport, or with CallHeader")
	}
	if hc.CheckRedirect != nil {
		problems = append(problems, "its CheckRedirect is not used: this package follows no redirects, so leave it out")
	}
	return problems
}

// IsNil reports whether v is nil, or a nil pointer, func or the like.
func IsNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Chan, reflect.Func, reflect.Map, reflect.Pointer, reflect.Slice:
		return r.IsNil()
	}
	return false
}
