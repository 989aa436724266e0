package infinitysip

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
	"github.com/infinitysip/infinitysip/internal/retry"
)

const defaultBaseURL, userAgent = "https://api.infinitycloud.com", "infinitysip-go"

// Client makes the calls of the API. Any number of goroutines may use it. Make one
// with NewClient and keep it: it holds the connections.
type Client struct {
	Domains         DomainsService
	Users           UsersService
	Groups          GroupsService
	Queues          QueuesService
	TrustedNetworks TrustedNetworksService
	Devices         DevicesService

	caller *caller
}

// Credentials are what a Client authenticates with: APIKey, BasicAuth or
// CredentialsFromEnv.
type Credentials struct {
	authorization Secret
	secrets       []Secret
	problem       string // why they cannot be used
}

// APIKey authenticates with a key made in the Hub.
func APIKey(key string) Credentials {
	switch {
	case key == "":
		return Credentials{problem: "the API key is empty"}
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return Credentials{problem: "the API key holds a space, a line break or another character that no key has"}
	}
	return Credentials{authorization: NewSecret("ApiKey " + key), secrets: []Secret{NewSecret(key)}}
}

// BasicAuth authenticates with a Hub user name and password.
func BasicAuth(username, password string) Credentials {
	switch {
	case username == "" || password == "":
		return Credentials{problem: "the user name or the password is empty"}
	case strings.Contains(username, ":"):
		return Credentials{problem: "the user name holds a colon"}
	case strings.ContainsFunc(username+password, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		return Credentials{problem: "the user name or the password holds a control character or is not UTF-8"}
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	return Credentials{authorization: NewSecret("Basic " + encoded), secrets: []Secret{NewSecret(password), NewSecret(encoded)}}
}

// CredentialsFromEnv takes the API key in INFINITY_API_KEY, or the Hub user
// name and password in INFINITY_USERNAME and INFINITY_PASSWORD.
func CredentialsFromEnv() (Credentials, error) {
	if key := os.Getenv("INFINITY_API_KEY"); key != "" {
		return APIKey(key), nil
	}
	username, password := os.Getenv("INFINITY_USERNAME"), os.Getenv("INFINITY_PASSWORD")
	if username == "" || password == "" {
		return Credentials{}, fmt.Errorf("infinitysip: %w: no credentials in the environment: set INFINITY_API_KEY, or INFINITY_USERNAME and INFINITY_PASSWORD", ErrInvalid)
	}
	return BasicAuth(username, password), nil
}

// NewClient returns a Client that authenticates with credentials. It makes no
// call. Its error is a *ValidationError that lists everything that is wrong
// with the arguments.
func NewClient(credentials Credentials, opts ...Option) (*Client, error) {
	s := &settings{baseURL: defaultBaseURL, ahead: readAhead}
	for _, opt := range opts {
		if opt != nil {
			opt(s)
		}
	}
	if credentials.authorization.IsZero() {
		s.report("credentials", cmp.Or(credentials.problem, "none: use APIKey, BasicAuth or CredentialsFromEnv"))
	}
	base, problem := attempt.ParseBaseURL(s.baseURL, s.insecureHTTP)
	s.report("WithBaseURL", problem)
	if len(s.problems) > 0 {
		return nil, &ValidationError{Op: "NewClient", Fields: s.problems}
	}

	policy, limits := s.retry.orDefaults(), s.limits.orDefaults()
	s.turns.Patience = policy.MaxThrottleWait
	c := &caller{
		base: base, policy: policy, limits: limits, ahead: s.ahead,
		account: &account{
			Account: attempt.Account{
				Scheme:        base.Scheme,
				Host:          base.Host,
				Authorization: credentials.authorization.Reveal,
				UserAgent:     strings.TrimSpace(s.product + " " + userAgent),
				Turns:         ratelimit.New(s.turns),
				Timeouts:      attempt.Timeouts{Header: limits.HeaderTimeout, Progress: limits.ProgressTimeout, Error: limits.ErrorTimeout, Attempt: limits.AttemptTimeout},
				Logger:        s.logger,
			},
			secrets: credentials.secrets,
			quota:   retry.NewQuota(policy.Quota),
		},
	}
	if s.base == nil {
		c.own = attempt.NewTransport()
		s.base = c.own
	}
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     &attempt.Transport{Base: s.base},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     math.MaxInt, // checkRetry alone counts
		CheckRetry:   checkRetry,
		Backoff:      noBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return &Client{
		Domains:         DomainsService{c},
		Users:           UsersService{c},
		Groups:          GroupsService{c},
		Queues:          QueuesService{c},
		TrustedNetworks: TrustedNetworksService{c},
		Devices:         DevicesService{c},
		caller:          c,
	}, nil
}

// CloseIdleConnections closes the connections that no call uses now. It does not
// touch those of a transport from WithHTTPClient.
func (c *Client) CloseIdleConnections() {
	if c != nil && c.caller != nil && c.caller.own != nil {
		c.caller.own.CloseIdleConnections()
	}
}
