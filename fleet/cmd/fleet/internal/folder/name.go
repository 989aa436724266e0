package folder

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/fleet"
)

// CheckAccount says what is wrong with the name of an account.
func CheckAccount(name string) error {
	others := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
	if name == "" || len(name) > 64 || others != "" || strings.ContainsAny(name[:1], ".-") {
		return fmt.Errorf("%q cannot be the name of an account: letters, digits, dots, hyphens and underscores can, up to 64 of them, and a letter, a digit or an underscore comes first", name)
	}
	return nil
}

// ParseDomain reads account/domain. The name of a domain may have a slash; that of an
// account has none.
func ParseDomain(text string) (fleet.Domain, error) {
	account, domain, found := strings.Cut(text, "/")
	if !found {
		return fleet.Domain{}, fmt.Errorf("%q is not account/domain", text)
	}
	if err := CheckAccount(account); err != nil {
		return fleet.Domain{}, err
	}
	if _, err := FileName(domain); err != nil {
		return fleet.Domain{}, err
	}
	return fleet.Domain{Account: account, Name: domain}, nil
}

// FileName is the name of the file of a domain, without its ending: the domain's
// name, in which %XX stands for each byte that some system does not take in the name of
// a file, or that nobody sees there, as in a URL. These are / \ : * ? " < > | %, characters
// that are not printed, spaces other than the usual one, a dot at the beginning, and a dot or a
// space at the end. So no name of a domain leads out of the
// folder, and each has one file.
func FileName(domain string) (string, error) {
	if domain == "" {
		return "", errors.New("the name of the domain is empty")
	}
	if !utf8.ValidString(domain) {
		return "", fmt.Errorf("%q cannot be the name of a domain: it is not UTF-8", domain)
	}
	var b strings.Builder
	for i, r := range domain {
		last := i+utf8.RuneLen(r) == len(domain)
		if strings.ContainsRune(`/\:*?"<>|%`, r) || !unicode.IsPrint(r) ||
			r == '.' && (i == 0 || last) || r == ' ' && last {
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
			continue
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

// domainOf is the domain of a file, which is named without its ending.
func domainOf(file string) (string, error) {
	domain, err := url.PathUnescape(file)
	if err != nil || !utf8.ValidString(domain) {
		return "", errors.New("it is not the name of a domain: in the name of a file, % stands before the two hexadecimal digits of a byte in UTF-8, and %25 is a % itself")
	}
	want, err := FileName(domain)
	if err != nil {
		return "", err
	}
	if want != file {
		return "", fmt.Errorf("the file of the domain %q has another name: rename it to %s, with its ending", domain, want)
	}
	return domain, nil
}
