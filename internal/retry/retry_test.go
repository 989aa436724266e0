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
	retry.Read: false, retry.Stream: false, retry.Update: true, retry.Delete: true, retry.Remove: true, retry.Add: true, retry.Create: true,
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
	type rules struct{ read, stream, update, remove, delete, add, create retry.Rule }
	same := func(rule retry.Rule) rules { return rules{rule, rule, rule, rule, rule, rule, rule} }
	for _, test := range []struct {
		name    string
		failure retry.Failure
		want    rules
	}{
		{"the answer would be the same again", retry.Final, same(once)},
		{"the server saw nothing, so all of it can be sent again", retry.NotSent, same(4)},
		{"the server took nothing, and says so", retry.Refused, same(4)},
		{
			"503: the server is busy, and a write may have been taken", retry.Unavailable,
			rules{read: 4, stream: 4, update: 3, remove: 3, delete: 3, add: retry.SendMissing, create: retry.Resend},
		},
		{
			"500: it may fail for good, so once less than a 503", retry.Broken,
			rules{read: 3, stream: 3, update: 2, remove: 2, delete: 2, add: retry.SendMissing, create: retry.Resend},
		},
		{
			"silence: as a 503, but a create may still be under way, so it is not sent again", retry.Lost,
			rules{read: 4, stream: 4, update: 3, remove: 3, delete: 3, add: retry.SendMissing, create: retry.Verify},
		},
		{
			"an answer that nobody expects: nothing is sent again, and a create is looked for", retry.Unexpected,
			rules{read: once, stream: once, update: once, remove: once, delete: once, add: once, create: retry.Verify},
		},
		{
			"a cut answer: read again unless its rows were handed on; a write has its status", retry.Cut,
			rules{read: 3, stream: once, update: once, remove: once, delete: once, add: once, create: once},
		},
		{
			"404 after an attempt that may have been applied: a delete is done", retry.Gone,
			rules{read: once, stream: once, update: once, remove: once, delete: retry.Done, add: retry.SendMissing, create: retry.Verify},
		},
		{
			"409 after an attempt that may have been applied: it may be there", retry.Clash,
			rules{read: once, stream: once, update: once, remove: once, delete: once, add: retry.SendMissing, create: retry.Verify},
		},
	} {
		got := func(kind retry.Kind) retry.Rule { return retry.RuleFor(test.failure, kind) }
		require.Equal(t, test.want, rules{
			read: got(retry.Read), stream: got(retry.Stream), update: got(retry.Update), remove: got(retry.Remove),
			delete: got(retry.Delete), add: got(retry.Add), create: got(retry.Create),
		}, test.name)
	}
}

// A rule is a count of attempts, or one of four that are no count.
func TestRulesAreApart(t *testing.T) {
	t.Parallel()
	seen := make(map[retry.Rule]bool)
	for _, rule := range []retry.Rule{retry.Done, retry.SendMissing, retry.Verify, retry.Resend} {
		require.Negative(t, int(rule))
		require.False(t, seen[rule], rule)
		seen[rule] = true
	}
}

func TestMayHaveApplied(t *testing.T) {
	t.Parallel()
	for failure, may := range map[retry.Failure]bool{
		retry.Final: false, retry.NotSent: false, retry.Refused: false, retry.Unavailable: true, retry.Broken: true,
		retry.Lost: true, retry.Unexpected: true, retry.Cut: false, retry.Gone: false, retry.Clash: false,
	} {
		require.Equal(t, may, failure.MayHaveApplied(), failure)
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
		require.Equal(t, want, retry.OfStatus(status, false), status)
		if late, ok := unsettled[status]; ok {
			want = late
		}
		require.Equal(t, want, retry.OfStatus(status, true), "%d, unsettled", status)
	}
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
		"sent":                               {t.Context(), io.EOF, true, retry.Lost},
		"sent, and the context ended":        {ended, context.Canceled, true, retry.Lost},
		"sent, whatever the error says":      {t.Context(), unknownHost, true, retry.Lost},
		"no connection":                      {t.Context(), dial, false, retry.NotSent},
		"no connection, and the context":     {ended, dial, false, retry.Final},
		"the context ended":                  {ended, context.Canceled, false, retry.Final},
		"another's context ended":            {t.Context(), context.Canceled, false, retry.NotSent},
		"no such host":                       {t.Context(), unknownHost, false, retry.Final},
		"no answer of the name server":       {t.Context(), &net.DNSError{Err: "server misbehaving", IsTemporary: true}, false, retry.NotSent},
		"a timeout of the name server":       {t.Context(), &net.DNSError{Err: "i/o timeout", IsTimeout: true}, false, retry.NotSent},
		"a certificate":                      {t.Context(), &tls.CertificateVerificationError{Err: errors.New("expired")}, false, retry.Final},
		"a certificate, deep down":           {t.Context(), fmt.Errorf("dial: %w", &tls.CertificateVerificationError{Err: errors.New("expired")}), false, retry.Final},
		"an unknown authority":               {t.Context(), x509.UnknownAuthorityError{}, false, retry.Final},
		"a certificate of another host":      {t.Context(), x509.HostnameError{Certificate: new(x509.Certificate), Host: "gw.example.com"}, false, retry.Final},
		"a handshake that broke off":         {t.Context(), tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, false, retry.NotSent},
		"an error that nobody knows of, new": {t.Context(), errors.New("odd"), false, retry.NotSent},
	} {
		require.Equal(t, test.want, retry.OfError(test.ctx, test.err, test.sent), name)
	}
}
