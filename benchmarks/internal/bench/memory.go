package bench

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Memory is a RoundTripper that answers from memory: a call costs what its
// client makes of it.
type Memory struct {
	Latency time.Duration // before every answer
	Answer  func(req *http.Request) (status int, body io.Reader)
	Watch   func(req *http.Request, body string) // for tests; nil: nobody looks
}

// Fixed answers every POST with created, and all else with row.
func Fixed(createdStatus int, created, row string) *Memory {
	return &Memory{Answer: func(req *http.Request) (int, io.Reader) {
		if req.Method == http.MethodPost {
			return createdStatus, strings.NewReader(created)
		}
		return http.StatusOK, strings.NewReader(row)
	}}
}

// RoundTrip reads the request's body and answers.
func (m *Memory) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := m.readBody(req); err != nil {
		return nil, err
	}
	if m.Latency > 0 {
		select {
		case <-time.After(m.Latency):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	status, body := m.Answer(req)
	return &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		ContentLength: -1,
		Body:          io.NopCloser(body),
		Request:       req,
	}, nil
}

func (m *Memory) readBody(req *http.Request) error {
	text := new(strings.Builder)
	if req.Body != nil {
		into := io.Discard
		if m.Watch != nil {
			into = text
		}
		if _, err := io.Copy(into, req.Body); err != nil {
			return err
		}
		if err := req.Body.Close(); err != nil {
			return err
		}
	}
	if m.Watch != nil {
		m.Watch(req, text.String())
	}
	return nil
}
