package redact

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names are the names of members that are secrets, in any case.
type Names []string

// Has reports whether a member of this name is a secret.
func (n Names) Has(name string) bool {
	return slices.ContainsFunc(n, func(secret string) bool { return strings.EqualFold(secret, name) })
}

// Words that are no values, and those that a sentence begins with.
const (
	noValues  = " null nil none true false redacted filtered hidden masked string(0 "
	sentences = " the your this must is are was not required too should can cannot could may invalid missing empty needs has have does at minimum " +
		"maximum length only please use choose contains already incorrect wrong expired want yes no "
)

// given reports whether text gives a value to the name of a secret, in JSON, PHP, a
// form, SQL or XML. After a colon, and in a tag, a sentence may say what is wrong: "pin: must be
// digits". It is known by its first word, and is no value. Every other word may be
// one, and so may all that follows an equals sign.
func given(text string, named func(string) bool) bool {
	const blanks, quotes, near = " \t\r\n", "\"'`", 256 // near a name alone, so that the work is linear
	for i := 0; i < len(text); i++ {
		start := i
		for i < len(text) && (text[i] >= utf8.RuneSelf || unicode.IsLetter(rune(text[i])) || unicode.IsDigit(rune(text[i]))) {
			i++
		}
		if start == i || !named(text[start:i]) {
			continue
		}
		rest := strings.TrimLeft(text[i:min(len(text), i+near)], blanks+quotes+`\])`)
		sentence := strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "::") || strings.HasPrefix(rest, ">") && strings.HasSuffix(text[:start], "<")
		value, ends, none := strings.TrimLeft(rest, blanks+`:=>[({\`), blanks+quotes+"<&,", ",;&)]}"
		if value != "" && strings.Contains(quotes, value[:1]) {
			value, _, _ = strings.Cut(strings.TrimLeft(value[1:], `\`), value[:1])
			ends, none = blanks, ""
		}
		if !sentence && !strings.HasPrefix(rest, "=") || strings.IndexAny(value, none) == 0 || value == "" || strings.HasPrefix(value, "</") || strings.HasPrefix(value, "***") {
			continue
		}
		word := value[:strings.IndexAny(value+" ", ends)]
		word = " " + strings.ToLower(strings.Trim(word, `.;:!\[]({})`)) + " "
		if !strings.Contains(noValues, word) && (!sentence || !strings.Contains(sentences, word)) {
			return true
		}
	}
	return false
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

// Labels returns what a header openly says beside its secrets: the names of cookies,
// and the scheme of a credential.
func Labels(name string, values ...string) []string {
	labels := []string{"Bearer", "Basic", "Digest", "ApiKey", "Token"}
	if !strings.EqualFold(name, "Cookie") {
		return labels
	}
	for _, value := range values {
		for cookie := range strings.SplitSeq(value, ";") {
			if label, _, named := strings.Cut(cookie, "="); named {
				labels = append(labels, label)
			}
		}
	}
	return labels
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
	ends := func(word string) bool {
		return slices.ContainsFunc(secretEndings, func(end string) bool { return strings.HasSuffix(word, end) })
	}
	return ends(strings.ToLower(name)) || slices.ContainsFunc(strings.FieldsFunc(words.String(), func(r rune) bool { return !unicode.IsLetter(r) }), func(word string) bool {
		return slices.Contains(secretWords, word) || ends(word)
	})
}

// MayBeSensitive is Sensitive for a parameter of which nothing is known: it takes too many
// for secret rather than too few.
func MayBeSensitive(name string) bool {
	return Sensitive(name) || slices.ContainsFunc([]string{"password", "pin", "token"}, func(word string) bool {
		return strings.Contains(strings.ToLower(name), word)
	})
}
