package redact

import (
	"slices"
	"strings"
	"unicode"
)

// Names are the names of members that are secrets, in any case.
type Names []string

// Has reports whether a member of this name is a secret.
func (n Names) Has(name string) bool {
	return slices.ContainsFunc(n, func(secret string) bool { return strings.EqualFold(secret, name) })
}

// Words that say of a name that its value is secret: by themselves, or also at the
// end of a word.
var (
	secretWords   = []string{"pass", "pwd", "pin", "key", "auth", "authorization", "credentials"}
	secretEndings = []string{"password", "passwd", "passphrase", "passcode", "apikey", "token", "secret", "cookie", "credential", "signature", "session"}
)

// leastPiece is how short a piece may be, in bytes: shorter ones are in every text.
const leastPiece = 4

// Pieces returns what no text may show of the values of a parameter or a header, if
// its name says that they are secret: each value, and its parts, such as the token
// after a scheme and the values of cookies.
func Pieces(name string, values ...string) []string {
	if !Sensitive(name) {
		return nil
	}
	var all []string
	for _, value := range values {
		all = append(all, value)
		all = append(all, strings.FieldsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(";,=", r) })...)
	}
	return slices.DeleteFunc(all, func(piece string) bool { return len(piece) < leastPiece })
}

// Sensitive reports whether a name such as X-Api-Key or voicemailPin says that its
// value is secret.
func Sensitive(name string) bool {
	var words strings.Builder // in lower case, a blank before each
	runes := []rune(name)
	for i, r := range runes {
		// A word begins at SIP|Pin and at voicemail|Pin, and nowhere in PIN.
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			words.WriteByte(' ')
		}
		words.WriteRune(unicode.ToLower(r))
	}
	return slices.ContainsFunc(strings.FieldsFunc(words.String(), func(r rune) bool { return !unicode.IsLetter(r) }), func(word string) bool {
		return slices.Contains(secretWords, word) || slices.ContainsFunc(secretEndings, func(end string) bool { return strings.HasSuffix(word, end) })
	}) || slices.ContainsFunc(secretEndings, func(end string) bool { return strings.HasSuffix(strings.ToLower(name), end) })
}
