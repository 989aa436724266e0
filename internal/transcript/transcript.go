// Package transcript writes requests and answers as text, for whoever develops with
// them. What is secret is hidden.
package transcript

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/internal/redact"
)

// maxBody is how much of a body is written, in bytes.
const maxBody = 16 << 10

// Log writes records, each by one call of its writer.
type Log struct {
	mu   sync.Mutex
	to   io.Writer
	last int // the number of the last request
}

// New returns a Log.
func New(to io.Writer) *Log { return &Log{to: to} }

// write writes a record, with the number of its request: a new one for 0. A log that
// fails is no reason for a call to fail. All lines but the first are indented, so that
// no body looks like a record.
func (l *Log) write(number int, arrow, head, body string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { _ = recover() }()
	if number == 0 {
		l.last++
		number = l.last
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s #%d %s\n", arrow, number, head)
	for line := range strings.Lines(body) {
		if line = printable(strings.TrimRight(line, "\r\n")); line != "" {
			b.WriteString("    " + line)
		}
		b.WriteByte('\n')
	}
	_, _ = io.WriteString(l.to, b.String())
	return number
}

// printable writes what does not print as Go does.
func printable(line string) string {
	var b strings.Builder
	for i, r := range line {
		_, size := utf8.DecodeRuneInString(line[i:])
		switch {
		case r == '\t' || unicode.IsPrint(r) && (r != utf8.RuneError || size > 1):
			b.WriteRune(r)
		default:
			quoted := strconv.Quote(line[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Secrets are those of a call.
type Secrets struct {
	*redact.Detector
	Named func(name string) bool // reports whether the value of a parameter, a member or a header is one
}

// Exchange is a request and its answer.
type Exchange struct {
	log     *Log
	secrets Secrets
	number  int
	name    string
	began   time.Time
}

// Request writes the record of a request that is about to be sent. name tells whose
// it is. form is its body.
func (l *Log) Request(name string, req *http.Request, form url.Values, secrets Secrets) *Exchange {
	x := &Exchange{log: l, secrets: secrets, name: name, began: time.Now()}
	var b strings.Builder
	b.WriteString(req.Method + " " + x.shown(req.URL.EscapedPath()))
	if req.URL.RawQuery != "" {
		b.WriteString("?" + x.query(req.URL.RawQuery))
	}
	b.WriteByte('\n')
	x.header(&b, req.Header)
	x.form(&b, form)
	x.number = l.write(0, "-->", name, b.String())
	return x
}

// shown returns text, or what stands for a secret.
func (x *Exchange) shown(text string) string {
	if x.secrets.Holds(text, x.secrets.Named) {
		return redact.Mark
	}
	return text
}

// value returns the value of a parameter or a header, or what stands for a secret.
func (x *Exchange) value(name, value string) string {
	if x.secrets.Named(name) {
		return redact.Mark
	}
	return x.shown(value)
}

func (x *Exchange) query(raw string) string {
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		// A filter has the name within its value.
		if plain, err := url.QueryUnescape(pair); err != nil || x.secrets.Named(plain) {
			pairs[i] = x.shown(name) + "=" + redact.Mark
		}
	}
	return x.shown(strings.Join(pairs, "&"))
}

func (x *Exchange) header(b *strings.Builder, header http.Header) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			b.WriteString(redact.Line(x.shown(name)+": "+x.value(name, value)) + "\n")
		}
	}
}

func (x *Exchange) form(b *strings.Builder, form url.Values) {
	var lines []string
	size, left := 0, maxBody
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			line := printable(x.shown(name)+"="+x.value(name, value)) + "\n"
			if size += len(line); size <= left {
				lines = append(lines, line)
			}
		}
	}
	if len(form) == 0 {
		return
	}
	b.WriteString("\n" + strings.Join(lines, ""))
	if size > left {
		fmt.Fprintf(b, "[cut: the form has %d bytes]\n", size)
	}
}

// Failed writes the record of a request that got no answer. err shows no secret.
func (x *Exchange) Failed(err error) {
	x.answer(time.Since(x.began), redact.Line(err.Error())+"\n")
}

func (x *Exchange) answer(took time.Duration, body string) {
	x.log.write(x.number, "<--", x.name+", after "+took.Round(time.Microsecond).String(), body)
}

// Answered notes an answer, and writes its record when its body is closed.
func (x *Exchange) Answered(resp *http.Response) {
	if resp == nil {
		return
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	var b strings.Builder
	b.WriteString(strings.TrimSpace(strconv.Itoa(resp.StatusCode)+" "+http.StatusText(resp.StatusCode)) + "\n")
	x.header(&b, resp.Header)
	resp.Body = &body{
		ReadCloser: resp.Body, exchange: x, took: time.Since(x.began), head: b.String(),
		encoding: resp.Header.Get("Content-Encoding"), length: resp.ContentLength,
	}
}

// body is the body of an answer. It keeps what is read of it.
type body struct {
	io.ReadCloser
	exchange *Exchange
	took     time.Duration // until the header was there
	head     string
	encoding string
	length   int64 // as the header says; -1: unknown

	kept   []byte // a byte more than is written, to know that there is more
	read   int64
	err    error // that ended it, such as io.EOF
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if got := min(n, len(p)); got > 0 {
		b.kept = append(b.kept, p[:min(got, maxBody+1-len(b.kept))]...)
		b.read += int64(got)
	}
	if err != nil {
		b.err = err
	}
	return n, err
}

// Close writes the record, and forgets what was read.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	if !b.closed {
		b.closed = true
		b.exchange.answer(b.took, b.head+b.text())
		clear(b.kept)
		b.kept = nil
	}
	return err
}

// text is what is written of the body.
func (b *body) text() string {
	whole := b.err == io.EOF || b.read == b.length
	limit := maxBody
	if !whole { // what breaks off may do so within a secret
		limit = min(limit, max(len(b.kept)-1, 0))
	}
	text := ""
	switch b.encoding {
	case "", "identity":
		text = Rows(b.exchange.secrets.Detector, string(b.kept), limit, b.exchange.secrets.Named)
	default:
		text = fmt.Sprintf("[%d bytes, encoded]\n", b.read)
	}
	if text != "" {
		text = "\n" + strings.TrimSuffix(text, "\n") + "\n"
	}
	switch {
	case whole && len(b.kept) > maxBody:
		text += fmt.Sprintf("[cut: the body has %d bytes]\n", b.read)
	case !whole && b.err != nil:
		text += fmt.Sprintf("[it broke off after %d bytes: %v]\n", b.read, b.exchange.secrets.Error(b.err))
	case !whole && b.length > 0:
		text += fmt.Sprintf("[%d of %d bytes were read]\n", b.read, b.length)
	case !whole:
		text += fmt.Sprintf("[%d bytes were read, and perhaps not all]\n", b.read)
	}
	return text
}
