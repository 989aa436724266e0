package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An answer is what the server answered to one request.
type answer struct {
	status int
	header http.Header
	body   []byte
	at     time.Time // when the request was sent
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// refused reports whether the server says that it did not do it.
func (a answer) refused() bool { return a.status >= 300 && a.status < 500 }

// A request is one that the probe makes.
type request struct {
	method, path string // path is below the domain's, or whole if it begins with "/config"
	form         url.Values
	query        string // of a request that is no GET
	body         []byte // instead of form
	cleaning     bool
	unpaced      bool
}

// ask makes a request and returns what was answered, whatever its status. The error
// says that there was no answer, or none that could be read to its end. sent is false
// if the server cannot have seen the request.
func (p *prober) ask(ctx context.Context, r request) (a answer, sent bool, err error) {
	if err := context.Cause(ctx); err != nil {
		return answer{}, false, err
	}
	if !r.unpaced {
		if err := p.pace(ctx); err != nil {
			return answer{}, false, err
		}
	}
	ex := &exchange{cleaning: r.cleaning, query: r.query, body: r.body}
	response, err := p.client.Do(context.WithValue(ctx, exchangeKey{}, ex), r.method, p.path(r.path), r.form)
	a, sent, bodyErr := ex.seen()
	p.lastRequest = ex
	switch {
	case a.status == 0:
		if sent {
			p.silent++
		}
		return answer{}, sent, cmp.Or(err, errors.New("no answer"))
	case bodyErr != nil && a.ok():
		return answer{}, true, fmt.Errorf("the answer breaks off: %w", bodyErr)
	}
	p.silent = 0
	if response != nil {
		a.body = response.Body
	}
	return a, true, nil
}

// path is the whole path of one below the domain.
func (p *prober) path(path string) string {
	if strings.HasPrefix(path, "/config") {
		return path
	}
	return fmt.Sprintf("/config/v2/sip/domains/%d%s", p.domain, path)
}

// pace waits until the next request may be sent.
func (p *prober) pace(ctx context.Context) error {
	if p.rate <= 0 {
		return nil
	}
	next := p.paced.Add(time.Duration(float64(time.Second) / p.rate))
	if err := sleep(ctx, time.Until(next)); err != nil {
		return err
	}
	p.paced = time.Now()
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// get reads, twice if there is no answer or a failure of the server.
func (p *prober) get(ctx context.Context, path string, query url.Values) (answer, error) {
	return p.read(ctx, request{method: http.MethodGet, path: path, form: query})
}

func (p *prober) read(ctx context.Context, r request) (a answer, err error) {
	for range 2 {
		a, _, err = p.ask(ctx, r)
		if err == nil && a.status < 500 || errors.Is(err, errBudget) || ctx.Err() != nil {
			break
		}
	}
	return a, err
}

// A row is one object that the server sent.
type row map[string]any

// text is a member as text, whether it is a string or a number.
func (r row) text(name string) string {
	switch value := r[name].(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		if value {
			return "1"
		}
		return "0"
	}
	return ""
}

func (r row) id(name string) int64 {
	id, _ := strconv.ParseInt(r.text(name), 10, 64)
	return id
}

// parseRows reads rows, one a line or as an array.
func parseRows(body []byte) ([]row, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		var rows []row
		err := dec.Decode(&rows)
		return rows, err
	}
	var rows []row
	for dec.More() {
		var r row
		if err := dec.Decode(&r); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// rows reads a list.
func (p *prober) rows(ctx context.Context, path string, query url.Values) ([]row, answer, error) {
	a, err := p.get(ctx, path, query)
	if err != nil {
		return nil, a, err
	}
	if !a.ok() {
		return nil, a, statusError(a.status)
	}
	rows, err := parseRows(a.body)
	if err != nil {
		return nil, a, errors.New("the answer is not rows of JSON")
	}
	p.lookAtNumbers(rows)
	return rows, a, nil
}

// row reads one row.
func (p *prober) row(ctx context.Context, path string) (row, error) {
	rows, _, err := p.rows(ctx, path, nil)
	if err == nil && len(rows) != 1 {
		err = errors.New("the answer is not one row")
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// A statusError is an answer that the probe had not hoped for.
type statusError int

func (e statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answered %d %s", int(e), http.StatusText(int(e))))
}

// bodyKind names the format of an error's body.
func bodyKind(a answer) string {
	body := bytes.TrimSpace(a.body)
	var text string
	var object map[string]any
	switch {
	case len(body) == 0:
		return "empty"
	case body[0] == '<':
		return "HTML"
	case json.Unmarshal(body, &text) == nil:
		return "a JSON string"
	case json.Unmarshal(body, &object) == nil:
		names := make([]string, 0, len(object))
		for name := range object {
			names = append(names, name)
		}
		slices.Sort(names)
		return "a JSON object with " + strings.Join(names[:min(len(names), 6)], ", ")
	}
	return "text"
}

func tlsName(version uint16) string { return tls.VersionName(version) }

// isLimitHeader reports whether a header tells of a limit of requests.
func isLimitHeader(name string) bool {
	lower := strings.ToLower(name)
	return strings.Contains(lower, "ratelimit") || strings.Contains(lower, "rate-limit") || lower == "retry-after"
}
