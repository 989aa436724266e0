package sheet

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
	"sync"
	"unicode/utf16"
)

// files are what a file is that begins so, and holds such words near its beginning.
var files = []struct{ begins, holds, what string }{
	{"PK\x03\x04", "opendocument.spreadsheet", "a spreadsheet (.ods)"},
	{"PK\x03\x04", "xl/", "an Excel workbook (.xlsx)"},
	{"PK\x03\x04", "[Content_Types]", "an Excel workbook (.xlsx)"},
	{"PK\x03\x04", "", "a zip archive, or a workbook such as .xlsx"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", "an old Excel workbook (.xls)"},
	{"%PDF-", "", "a PDF"},
	{`{\rtf`, "", "a text with formats (RTF)"},
	{"\x1f\x8b", "", "a gzip archive"},
	{"\xff\xfe\x00\x00", "", "a text in UTF-32"},
	{"\x00\x00\xfe\xff", "", "a text in UTF-32"},
}

// JSON is what Markup calls it.
const JSON = "JSON"

// marked are texts in a language of their own.
var marked = sync.OnceValue(func() []mark {
	return []mark{
		{regexp.MustCompile(`(?i)\A\s*<(!doctype html|html|table|head|body|meta)\b`), "a web page (HTML), even where its name ends in .xls"},
		{regexp.MustCompile(`\A\s*<[?!a-zA-Z]`), "XML"},
		{regexp.MustCompile(`\A\s*(\{\s*["}]|\[\s*[\[{"\]])`), JSON},
	}
})

type mark struct {
	begins *regexp.Regexp
	what   string
}

// File tells what a file is that is no text; "" if it may be one.
func File(data []byte) string {
	head := data[:min(len(data), 1<<12)]
	for _, f := range files {
		if bytes.HasPrefix(head, []byte(f.begins)) && bytes.Contains(head, []byte(f.holds)) {
			return f.what
		}
	}
	return ""
}

// Markup tells what a text is that is no table; "" if it may be one.
func Markup(text string) string {
	for _, m := range marked() {
		if m.begins.MatchString(text[:min(len(text), 1<<12)]) {
			return m.what
		}
	}
	return ""
}

// Text returns the text of a file in UTF-8 or UTF-16, by the mark at its
// beginning or its zero bytes, without that mark. It is UTF-8, unless the file is
// neither. What is no character in UTF-16 becomes U+FFFD.
func Text(data []byte) string {
	const utf8Mark = "\xef\xbb\xbf"
	switch {
	case bytes.HasPrefix(data, []byte(utf8Mark)):
		return unended(data[len(utf8Mark):])
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return fromUTF16(data[2:], binary.BigEndian)
	}
	head := data[:min(len(data), 1<<8)]
	var zeros [2]int // at even and at odd places
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch half := len(head) / 2; {
	case half < 4:
	case zeros[1] > half/2 && zeros[0] <= half/10:
		return fromUTF16(data, binary.LittleEndian)
	case zeros[0] > half/2 && zeros[1] <= half/10:
		return fromUTF16(data, binary.BigEndian)
	}
	return unended(data)
}

// unended is a text less the mark that DOS puts at its end.
func unended(data []byte) string { return strings.TrimSuffix(string(data), "\x1a") }

func fromUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	text := string(utf16.Decode(units))
	if len(data)%2 != 0 { // half a character: the file was cut
		text += "\ufffd"
	}
	return text
}
