package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/demo"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/near"
	"github.com/infinitysip/infinitysip/internal/credentials"
	"github.com/infinitysip/infinitysip/siptest"
)

// usualServer is where the calls go if nothing names another server.
const usualServer = "https://api.infinitycloud.com"

// client makes the client that the flags, the environment and the profiles ask
// for. Nothing is sent. done closes what belongs to it.
func (a *app) client(ctx context.Context, with ...infinitysip.Option) (client *infinitysip.Client, done func(), err error) {
	with = append(with, infinitysip.WithUserAgent("infinitysip-cli/"+version()))
	if a.debug {
		with = append(with, infinitysip.WithDebugLog(a.stderr))
	} else { // who sees every attempt need not be told
		with = append(with, infinitysip.WithObserver((&waiting{w: a.stderr}).observer()))
	}
	if a.demo {
		if a.profile != "" || a.credentialsFile != "" {
			return nil, nil, wrongUse("--demo needs no credentials, so --profile and --credentials-file do not go with it")
		}
		srv := siptest.NewServer(siptest.Options{})
		if _, err := demo.Office(ctx, srv); err != nil {
			return nil, nil, err
		}
		if a.overDemo != nil {
			with = append(with, a.overDemo(srv.Transport()))
		}
		return srv.InProcessClient(with...), srv.Close, nil
	}
	account, err := a.account()
	if err != nil {
		return nil, nil, err
	}
	a.profileDomain = account.Domain
	client, err = a.connect(account, with...)
	if err != nil {
		return nil, nil, err
	}
	return client, client.CloseIdleConnections, nil
}

// connect makes the client of an account.
func (a *app) connect(from account, with ...infinitysip.Option) (*infinitysip.Client, error) {
	a.credentialsFrom, a.server = from.from, cmp.Or(from.BaseURL, usualServer)
	if from.BaseURL != "" && from.urlFrom != "" {
		a.server += " (from " + from.urlFrom + ")"
	}
	keys := infinitysip.APIKey(from.APIKey)
	if from.APIKey == "" {
		keys = infinitysip.BasicAuth(from.Username, from.Password)
	}
	client, err := infinitysip.NewClient(keys, append(with, infinitysip.WithBaseURL(cmp.Or(from.BaseURL, usualServer)))...)
	invalid, ok := errors.AsType[*infinitysip.ValidationError](err)
	if !ok {
		return client, err
	}
	for _, f := range invalid.Fields {
		switch f.Field {
		case "credentials":
			return nil, &credentialsError{fmt.Errorf("the credentials cannot be used (from %s): %s", from.from, f.Problem)}
		case "WithBaseURL":
			return nil, wrongUse("the base URL cannot be used (from %s): %s", from.urlFrom, strings.TrimSuffix(f.Problem, ", or WithInsecureHTTP"))
		}
	}
	return nil, err
}

// An account is a set of credentials, and where it is from.
type account struct {
	credentials.Set
	from    string // such as "the profile acme"
	urlFrom string // the same of its base URL
}

// account finds the credentials: those of --credentials-file, of --profile, of the
// environment, of the profile that INFINITY_PROFILE names, or of the one in use. A
// file or a profile that a flag names is taken whole. Otherwise INFINITY_DOMAIN goes
// before its domain.
func (a *app) account() (account, error) {
	from, err := a.findAccount()
	if err != nil {
		return account{}, err
	}
	if from.urlFrom == "" {
		from.urlFrom = from.from
	}
	url := os.Getenv(credentials.BaseURL)
	if url == "" {
		return from, nil
	}
	switch from.BaseURL {
	case "":
		from.BaseURL, from.urlFrom = url, credentials.BaseURL
	case url, strings.TrimRight(url, "/"):
	default:
		return account{}, withMend(wrongUse("%s names another server than %s, which has %s", credentials.BaseURL, from.from, from.BaseURL),
			"Nothing was sent. Unset %s, or use credentials of its server.", credentials.BaseURL)
	}
	return from, nil
}

func (a *app) findAccount() (account, error) {
	profiles, noFolder := credentials.UserProfiles()
	switch {
	case a.credentialsFile != "" && a.profile != "":
		return account{}, wrongUse("--credentials-file and --profile do not go together")
	case a.credentialsFile != "":
		set, err := credentials.ReadFile(a.credentialsFile)
		return account{Set: set, from: "the file " + a.credentialsFile}, unusable(err)
	case a.profile != "" && noFolder != nil:
		return account{}, &credentialsError{fmt.Errorf("the profile %s cannot be read: %w", a.profile, noFolder)}
	case a.profile != "":
		return readProfile(profiles, a.profile, "")
	}
	looked := []string{
		notSet(credentials.APIKey),
		credentials.Username + " and " + credentials.Password + " are not set",
		notSet("INFINITY_PROFILE"),
	}
	set := credentials.Set{APIKey: os.Getenv(credentials.APIKey), Username: os.Getenv(credentials.Username), Password: os.Getenv(credentials.Password), Domain: os.Getenv(credentials.Domain)}
	name, why := os.Getenv("INFINITY_PROFILE"), ", which INFINITY_PROFILE names"
	switch {
	case set.APIKey != "":
		set.Username, set.Password = "", ""
		return account{Set: set, from: credentials.APIKey}, nil
	case set.Username != "" && set.Password != "":
		return account{Set: set, from: credentials.Username + " and " + credentials.Password}, nil
	case set.Username != "":
		return account{}, &credentialsError{errors.New(credentials.Username + " is set, but " + notSet(credentials.Password))}
	case set.Password != "":
		return account{}, &credentialsError{errors.New(credentials.Password + " is set, but " + notSet(credentials.Username))}
	case noFolder != nil:
		return account{}, noCredentials(append(looked, "there can be no profiles: "+noFolder.Error()))
	case name == "":
		var err error
		if name, err = profiles.Current(); err != nil {
			return account{}, unusable(err)
		}
		if name == "" {
			return account{}, noCredentials(append(looked, "no profile is in use ("+profiles.CurrentPath()+" is not there)"))
		}
		why = ", which is in use"
	}
	found, err := readProfile(profiles, name, why)
	found.Domain = cmp.Or(set.Domain, found.Domain)
	return found, err
}

func notSet(name string) string { return name + " is not set" }

// noCredentials tells where was looked for credentials.
func noCredentials(looked []string) error {
	return &credentialsError{withMend(fmt.Errorf("there are no credentials\nThis was looked at:\n  %s", strings.Join(looked, "\n  ")),
		`Keep credentials with "infinitysip profile add NAME", or set %s. To try a command without an account, say --demo.`, credentials.APIKey)}
}

// readProfile reads a profile. why tells who names it.
func readProfile(profiles credentials.Profiles, name, why string) (account, error) {
	set, err := profiles.Read(name)
	if errors.Is(err, credentials.ErrNoProfile) {
		names, _ := profiles.Names() // there are none, or the first error tells enough
		mend := `There are no profiles yet. Make one with "infinitysip profile add ` + name + `".`
		if len(names) > 0 {
			mend = "There are: " + strings.Join(names, ", ") + "."
		}
		if close := near.Of(name, names); close != "" {
			mend = fmt.Sprintf("Did you mean %s? %s", close, mend)
		}
		return account{}, &credentialsError{withMend(fmt.Errorf("%w: %s%s", err, name, why), "%s", mend)}
	}
	return account{Set: set, from: "the profile " + name}, unusable(err)
}

// unusable is the error of a file that gives no credentials.
func unusable(err error) error {
	if err == nil {
		return nil
	}
	if insecure, ok := errors.AsType[*credentials.InsecureError](err); ok {
		return &credentialsError{withMend(err, "%s", insecure.Mend)}
	}
	return &credentialsError{err}
}

// A session is a client and the domain that a command works in.
type session struct {
	client *infinitysip.Client
	domain infinitysip.DomainID
	done   func()
}

// session makes the client and finds the domain of --domain.
func (a *app) session(ctx context.Context, with ...infinitysip.Option) (*session, error) {
	client, done, err := a.client(ctx, with...)
	if err != nil {
		return nil, err
	}
	domain, err := a.findDomain(ctx, client, a.domain)
	if err != nil {
		done()
		return nil, err
	}
	return &session{client, domain, done}, nil
}
