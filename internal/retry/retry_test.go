package retry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/retry"
)

// allKinds are the kinds of calls, and whether each writes.
var allKinds = map[retry.Kind]bool{
	retry.Read: false, retry.Stream: false, retry.Update: true, retry.Delete: true, retry.Remove: true, retry.Add: true, retry.Create: true, retry.Append: true, retry.Post: true,
}

func TestWrites(t *testing.T) {
	t.Parallel()
	for kind, writes := range allKinds {
		require.Equal(t, writes, kind.Writes(), kind)
	}
}

// The whole table, in words first: each row says why it is so.
func TestRuleFor(t *testing.T) {
	t.Parallel()
	const once = retry.Rule(1)
	type rules struct{ read, stream, update, remove, delete, add, create, append, post retry.Rule }
	same := func(rule retry.Rule) rules { return rules{rule, rule, rule, rule, rule, rule, rule, rule, rule} }
	for _, test := range []struct {
		name    string
		failure retry.Failure
		want    rules
	}{
		{"the answer would be the same again", retry.Final, same(once)},
		{"the server saw nothing, so all of it can be sent again", retry.NotSent, same(4)},
		{"the server took nothing, and says so: the call keeps its place", retry.Refused, same(retry.NextTurn)},
		{
			"503 where others are accepted: a refusal too, but a proxy may have handed it on", retry.Throttled,
			rules{retry.NextTurn, retry.NextTurn, retry.NextTurn, retry.NextTurn, retry.NextTurn, retry.SendMissing, retry.LookAndTurn, retry.Verify, retry.Stop},
		},
		{
			"503: the server is busy, and a write may have been taken", retry.Unavailable,
			rules{4, 4, 3, 3, 3, retry.SendMissing, retry.Resend, retry.Verify, retry.Stop},
		},
		{
			"the server says that it did not take it: as a 503", retry.Declined,
			rules{4, 4, 3, 3, 3, retry.SendMissing, retry.Resend, retry.Verify, retry.Stop},
		},
		{
			"500: it may fail for good, so once less than a 503, and it may have been applied", retry.Broken,
			rules{3, 3, 2, 2, 2, retry.SendMissing, retry.Verify, retry.Verify, retry.Stop},
		},
		{
			"silence: a create may still be under way, so it is not sent again", retry.Lost,
			rules{4, 4, 3, 3, 3, retry.SendMissing, retry.Verify, retry.Verify, retry.Stop},
		},
		{
			"the connection had been closed: a read goes again at once", retry.Stale,
			rules{4, 4, 3, 3, 3, retry.SendMissing, retry.Verify, retry.Verify, retry.Stop},
		},
		{
			"an answer that nobody expects: nothing is sent again, and creates and adds are looked for", retry.Unexpected,
			rules{once, once, once, once, once, retry.SendMissing, retry.Verify, retry.Verify, retry.Stop},
		},
		{
			"a cut answer: read again unless its rows were handed on; a write has its status", retry.Cut,
			rules{3, once, once, once, once, once, once, once, once},
		},
		{
			"404 after an attempt that may have been applied: a delete is done", retry.Gone,
			rules{once, once, once, once, retry.Done, retry.SendMissing, retry.Verify, retry.Verify, retry.Stop},
		},
		{
			"409 after an attempt that may have been applied: it may be there", retry.Clash,
			rules{once, once, once, once, once, retry.SendMissing, retry.Verify, retry.Verify, retry.Stop},
		},
	} {
		got := func(kind retry.Kind) retry.Rule { return retry.RuleFor(test.failure, kind) }
		require.Equal(t, test.want, rules{
			read: got(retry.Read), stream: got(retry.Stream), update: got(retry.Update), remove: got(retry.Remove),
			delete: got(retry.Delete), add: got(retry.Add), create: got(retry.Create), append: got(retry.Append), post: got(retry.Post),
		}, test.name)
	}
}

// A rule is a count of attempts, or one of seven that are no count.
func TestRulesAreApart(t *testing.T) {
	t.Parallel()
	seen := make(map[retry.Rule]bool)
	for _, rule := range []retry.Rule{retry.Done, retry.SendMissing, retry.Verify, retry.Resend, retry.NextTurn, retry.LookAndTurn, retry.Stop} {
		require.Negative(t, int(rule))
		require.False(t, seen[rule], rule)
		seen[rule] = true
	}
}

func TestMayHaveApplied(t *testing.T) {
	t.Parallel()
	for failure, may := range map[retry.Failure]bool{
		retry.Final: false, retry.NotSent: false, retry.Refused: false, retry.Throttled: true, retry.Unavailable: true, retry.Declined: true,
		retry.Broken: true, retry.Lost: true, retry.Stale: true, retry.Unexpected: true, retry.Cut: false, retry.Gone: false, retry.Clash: false,
	} {
		require.Equal(t, may, failure.MayHaveApplied(), failure)
	}
}

// A server that says when to come back, or has closed an idle connection, is not down.
func TestFree(t *testing.T) {
	t.Parallel()
	for failure := retry.Final; failure <= retry.Clash; failure++ {
		free := failure == retry.Refused || failure == retry.Throttled || failure == retry.Stale
		require.Equal(t, free, failure.Free(), failure)
	}
}

func TestOfStatus(t *testing.T) {
	t.Parallel()
	classes := map[int]retry.Failure{
		1: retry.Unexpected, 2: retry.Unexpected, 3: retry.Unexpected, 4: retry.Final, 5: retry.Lost,
		6: retry.Unexpected, 7: retry.Unexpected, 8: retry.Unexpected, 9: retry.Unexpected,
	}
	own := map[int]retry.Failure{408: retry.Lost, 429: retry.Refused, 500: retry.Broken, 501: retry.Final, 503: retry.Unavailable}
	unsettled := map[int]retry.Failure{404: retry.Gone, 409: retry.Clash, 410: retry.Gone}
	for status := 100; status <= 999; status++ {
		want, ok := own[status]
		if !ok {
			want = classes[status/100]
		}
		require.Equal(t, want, retry.OfStatus(status, false, false), status)
		if late, ok := unsettled[status]; ok {
			want = late
		}
		require.Equal(t, want, retry.OfStatus(status, false, true), "%d, unsettled", status)
	}
	require.Equal(t, retry.Throttled, retry.OfStatus(503, true, false))
	require.Equal(t, retry.Refused, retry.OfStatus(429, true, true))
}

func TestOfError(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	unknownHost := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		sent bool
		want retry.Failure
	}{
		"sent":                                {t.Context(), io.EOF, true, retry.Lost},
		"sent, and the context ended":         {ended, context.Canceled, true, retry.Lost},
		"sent, and reset with REFUSED_STREAM": {t.Context(), errors.New("http2: Transport: cannot retry err [stream error: stream ID 3; REFUSED_STREAM; received from peer] after Request.Body was written"), true, retry.Declined},
		"sent, and after the last stream":     {t.Context(), errors.New("http2: Transport: cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written"), true, retry.Declined},
		"lost before it was written":          {t.Context(), errors.New("net/http: cannot rewind body after connection loss"), true, retry.Declined},
		"sent, and the server's own words":    {t.Context(), errors.New(`malformed HTTP response "x; REFUSED_STREAM; received from peer"`), true, retry.Lost},
		"sent, and a GOAWAY that says so":     {t.Context(), errors.New(`http2: server sent GOAWAY and closed the connection; LastStreamID=5, ErrCode=NO_ERROR, debug="Server's graceful shutdown GOAWAY"`), true, retry.Lost},
		"sent, and reset otherwise":           {t.Context(), errors.New("stream error: stream ID 3; PROTOCOL_ERROR; received from peer"), true, retry.Lost},
		"sent, and reset by ourselves":        {t.Context(), errors.New("stream error: stream ID 3; REFUSED_STREAM"), true, retry.Lost},
		"sent, and a GOAWAY after it":         {t.Context(), errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=5, ErrCode=NO_ERROR"), true, retry.Lost},
		"sent, whatever the error says":       {t.Context(), unknownHost, true, retry.Lost},
		"not sent, whatever the error says":   {t.Context(), errors.New("stream error: stream ID 3; REFUSED_STREAM; received from peer"), false, retry.NotSent},
		"no connection":                       {t.Context(), dial, false, retry.NotSent},
		"no connection, and the context":      {ended, dial, false, retry.Final},
		"the context ended":                   {ended, context.Canceled, false, retry.Final},
		"another's context ended":             {t.Context(), context.Canceled, false, retry.NotSent},
		"no such host":                        {t.Context(), unknownHost, false, retry.Final},
		"no answer of the name server":        {t.Context(), &net.DNSError{Err: "server misbehaving", IsTemporary: true}, false, retry.NotSent},
		"a timeout of the name server":        {t.Context(), &net.DNSError{Err: "i/o timeout", IsTimeout: true}, false, retry.NotSent},
		"a certificate":                       {t.Context(), &tls.CertificateVerificationError{Err: errors.New("expired")}, false, retry.Final},
		"a certificate, deep down":            {t.Context(), fmt.Errorf("dial: %w", &tls.CertificateVerificationError{Err: errors.New("expired")}), false, retry.Final},
		"an unknown authority":                {t.Context(), x509.UnknownAuthorityError{}, false, retry.Final},
		"a certificate of another host":       {t.Context(), x509.HostnameError{Certificate: new(x509.Certificate), Host: "gw.example.com"}, false, retry.Final},
		"a handshake that broke off":          {t.Context(), tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, false, retry.NotSent},
		"an error that nobody knows of, new":  {t.Context(), errors.New("odd"), false, retry.NotSent},
	} {
		require.Equal(t, test.want, retry.OfError(test.ctx, test.err, test.sent, false), name)
	}
	require.Equal(t, retry.Stale, retry.OfError(t.Context(), io.EOF, true, true))
	require.Equal(t, retry.NotSent, retry.OfError(t.Context(), io.EOF, false, true))
}
