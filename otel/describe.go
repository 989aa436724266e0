package infinitysipotel

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/infinitysip/infinitysip"
)

// errorType returns the error.type of a failure: see the package comment. err is nil
// if the status says it all. attempted: a request was sent, or may have been.
func errorType(err error, status int, attempted bool) attribute.KeyValue {
	timeout, _ := errors.AsType[net.Error](err) // context.DeadlineExceeded is one too
	for _, row := range []struct {
		fits bool
		kind string
	}{
		{errors.Is(err, infinitysip.ErrTokenLost), "token_lost"},
		{errors.Is(err, infinitysip.ErrPaginationStuck), "pagination_stuck"},
		{errors.Is(err, context.Canceled), "canceled"},
		{timeout != nil && timeout.Timeout(), "timeout"},
		{status >= http.StatusMultipleChoices, strconv.Itoa(status)},
		{errors.Is(err, infinitysip.ErrRateLimited), "rate_limited"},
		{errors.Is(err, infinitysip.ErrNotFound), "not_found"},
		{errors.Is(err, infinitysip.ErrConflict), "conflict"},
		{status != 0, "invalid_response"},
		{is[*net.DNSError](err), "dns"},
		{is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) || is[tls.AlertError](err), "tls"},
		{attempted, "connection"},
	} {
		if row.fits {
			return semconv.ErrorTypeKey.String(row.kind)
		}
	}
	return semconv.ErrorTypeOther
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// server returns the host and the port of a URL.
func server(rawURL string) (address string, port int) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", 0
	}
	if port, err = strconv.Atoi(u.Port()); err != nil {
		port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	return u.Hostname(), port
}

// peer returns the other end of a connection.
func peer(conn net.Conn) []attribute.KeyValue {
	if conn == nil || conn.RemoteAddr() == nil {
		return nil
	}
	text := conn.RemoteAddr().String()
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return []attribute.KeyValue{semconv.NetworkPeerAddress(text)} // a Unix socket
	}
	return []attribute.KeyValue{semconv.NetworkPeerAddress(addr.Addr().Unmap().String()), semconv.NetworkPeerPort(int(addr.Port()))}
}
