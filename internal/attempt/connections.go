package attempt

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// idleConnections are kept for the next call, so that as many workers as this do
// not open a connection each time.
const idleConnections = 256

// NewTransport returns an http.Transport for many workers that call one host.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          idleConnections,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       30 * time.Second, // less than servers wait, so that they do not close it under a create
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A connection that died silently is given up before a wait for an answer
		// ends, so that the next attempt has another.
		HTTP2:           &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
}
