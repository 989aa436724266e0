package command

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

func (a *app) siptestCommand() *cobra.Command {
	f := fakeServer{app: a}
	cmd := &cobra.Command{
		Use:   "siptest",
		Short: "Serve the API in memory, for tests in any language",
		Long: `Serve a fake of the API in memory, so that a program in any language can be tested
without an account. It keeps users, groups, queues, trusted networks and devices as
the API does, forgets them when it ends, and touches nothing real.

When it is up it prints its URL on standard output, one line and no more. A script
waits for that line:

  infinitysip siptest > url & until [ -s url ]; do sleep 0.05; done
  curl -H 'Authorization: ApiKey siptest-api-key' "$(cat url)/config/v2/sip/domains"

In PHP and Python nothing is needed but what they come with: file_get_contents with
a stream context, and urllib.request. Give the program under test the URL as the
base URL of the API, and the key siptest-api-key.

Domain 1 has the office of --demo, or what --seed names. Its ids are the same each
time. Ctrl-C or SIGTERM ends the server, and so does the end of --timeout.

The API's page leaves much open, such as how an error looks and what must be unique.
Each flag below changes one such habit; "infinitysip probe" finds out those of the
real server and writes them to a file for --options. A flag wins over the file.

--fault makes the server fail. Its text is a call and what happens to it:

  --fault 'Users.Create nth=3 commit-then-drop'
  --fault '* times=2 status=429 header=Retry-After:1'
  --fault 'Devices.* latency=2s'
  --fault 'Users.List truncate-rows=2'

The first makes the third user, but its answer is lost. The last one breaks the
connection after two rows. A call or a word that is not known is refused, with the
list of those that are.`,
		Example: `  infinitysip siptest --listen 127.0.0.1:8080
  infinitysip siptest --seed acme.json --create-body row --bare-numbers
  infinitysip siptest --log --fault 'Users.Create nth=2 commit-then-status=502'
  infinitysip siptest --tls --ca-out ca.pem`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.seed, "seed", "demo", "what is in the domain: demo is the office of --demo, none is nothing, another `text` is a file as export writes it")
	flags.StringVar(&f.domainName, "domain-name", "acme", "the display `name` of the domain")
	flags.StringArrayVar(&f.faults, "fault", nil, "a fault, such as 'Users.Create nth=3 commit-then-drop'; the flag may be given several times, each with one `text`")
	flags.StringVar(&f.optionsFile, "options", "", "a JSON `file` of options, such as probe writes; the flags win over it")
	flags.BoolVar(&f.tls, "tls", false, "serve HTTPS, with a certificate that is made for this run")
	flags.StringVar(&f.caOut, "ca-out", "", "the `file` to write the certificate of the authority to, which clients of --tls and --http2 have to trust")
	flags.BoolVar(&f.log, "log", false, "tell every request on standard error, in a line without secrets")
	f.flags.add(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) }
	return cmd
}

// A fakeServer is one run of the command siptest.
type fakeServer struct {
	*app
	flags optionFlags

	seed, domainName   string
	faults             []string
	optionsFile, caOut string
	tls, log           bool

	mu sync.Mutex // of stderr
}

func (f *fakeServer) run(ctx context.Context) error {
	o, faults, err := f.setting()
	if err != nil {
		return err
	}
	var authority []byte
	if f.tls || o.HTTP2 {
		var own tls.Certificate
		if own, authority, err = newCertificate(o.Addr); err != nil {
			return fmt.Errorf("siptest: making a certificate: %w", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{own}}
	}
	seeded, err := f.seeded(ctx, siptest.Options{Zone: o.Zone})
	if err != nil {
		return fmt.Errorf("siptest: filling the domain: %w", err)
	}
	defer seeded.Close()
	var srv *siptest.Server
	o.Observe = func(r siptest.Request) {
		srv.ResetRequests() // nobody asks for them, and there may be millions
		if f.log {
			f.say("%s", requestLine(r))
		}
	}
	srv = seeded.Copy(o)
	defer srv.Close()
	for _, fault := range faults {
		srv.Fail(fault)
	}
	if err := srv.Listen(); err != nil {
		return cannotListen(o.Addr, err)
	}
	if f.caOut != "" {
		if err := os.WriteFile(f.caOut, authority, 0o644); err != nil {
			return fmt.Errorf("siptest: writing the certificate: %w", err)
		}
	}
	f.introduce(srv.URL(), o)
	if _, err := fmt.Fprintln(f.stdout, srv.URL()); err != nil {
		return err
	}
	<-ctx.Done() // Ctrl-C, SIGTERM or --timeout, which is how a server ends
	return nil
}

// setting reads the flags and the file of options. It reports all that is wrong with
// them.
func (f *fakeServer) setting() (siptest.Options, []siptest.Fault, error) {
	o, err := f.flags.options(f.optionsFile)
	if err != nil {
		return o, nil, err
	}
	problems := []error{o.Validate()}
	if _, port, err := net.SplitHostPort(o.Addr); err != nil {
		problems = append(problems, fmt.Errorf("--listen: %q is not an address and a port, such as 127.0.0.1:8080", o.Addr))
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		problems = append(problems, fmt.Errorf("--listen: %q is no port: want a number from 0 to 65535", port))
	}
	if f.caOut != "" && !f.tls && !o.HTTP2 {
		problems = append(problems, errors.New("--ca-out is for --tls and --http2: without them there is no certificate"))
	}
	problems = append(problems, oneFileTwice([]usedFile{{"--seed", f.seed}, {"--options", f.optionsFile}, {"--ca-out", f.caOut}})...)
	if f.caOut == "-" {
		problems = append(problems, errors.New("--ca-out - names no file: give the name of one"))
	}
	if !replaces(f.caOut, func(text []byte) bool { return bytes.Contains(text, []byte("-----BEGIN CERTIFICATE-----")) }) {
		problems = append(problems, fmt.Errorf("%s is there already, and is no certificate: give --ca-out another name", f.caOut))
	}
	var faults []siptest.Fault
	for _, text := range f.faults {
		fault, err := siptest.ParseFault(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("--fault: %w", err))
		}
		faults = append(faults, fault)
	}
	if err := errors.Join(problems...); err != nil {
		return o, nil, wrongUse("siptest: %w", err)
	}
	return o, faults, nil
}

// seeded returns a server that has the domain and no habits of its own, so that they
// do not get in the way of filling it.
func (f *fakeServer) seeded(ctx context.Context, o siptest.Options) (*siptest.Server, error) {
	srv := siptest.NewServer(o)
	client := srv.InProcessClient()
	switch f.seed {
	case "none":
		srv.AddDomain(infinitysip.Domain{DisplayName: f.domainName})
		return srv, nil
	case "demo":
		domain, err := demo.Office(ctx, srv)
		if err == nil && srv.Domains()[0].DisplayName != f.domainName {
			err = client.Domains.Update(ctx, domain, infinitysip.DomainUpdateParams{DisplayName: f.domainName})
		}
		return srv, err
	}
	file, err := os.Open(f.seed)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	state, err := provision.ReadJSON(file)
	if err != nil {
		return nil, err
	}
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: f.domainName})
	changes, err := provision.Plan(ctx, client, domain, state, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.seed, err)
	}
	// One worker makes the things in the same order each time, and so with the same ids.
	if _, err := changes.Apply(ctx, client, &provision.ApplyOptions{Workers: 1}); err != nil {
		return nil, fmt.Errorf("%s: %w", f.seed, err)
	}
	return srv, nil
}

func cannotListen(addr string, err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = errno
	} else if failed, ok := errors.AsType[*net.OpError](err); ok {
		err = failed.Err
	}
	return withMend(fmt.Errorf("siptest: listening on %s: %w", addr, err),
		"Name another address with --listen; with port 0, as in 127.0.0.1:0, it is any that is free.")
}

// introduce tells on standard error how to get in.
func (f *fakeServer) introduce(url string, o siptest.Options) {
	key, name, password := o.APIKey, o.Username, o.Password
	if key == "" {
		key = "siptest-api-key"
	}
	if name == "" {
		name = "siptest"
	}
	if password == "" {
		password = "siptest-password"
	}
	trust := ""
	switch {
	case f.caOut != "":
		trust = " --cacert " + shellQuoted(f.caOut)
	case strings.HasPrefix(url, "https:"):
		trust = " --insecure"
	}
	f.say(`A fake of the API, until Ctrl-C. Nothing of it is real, nor are these credentials.
API key: %s
User and password: %s, %s
Try it:
  curl%s -H %s %s/config/v2/sip/domains`, key, name, password, trust, shellQuoted("Authorization: ApiKey "+key), url)
}

// say writes a line to standard error.
func (f *fakeServer) say(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = io.WriteString(f.stderr, fmt.Sprintf(format, args...)+"\n")
}

// requestLine is a request without anything that may be secret: of its parameters it
// has those of lists alone.
func requestLine(r siptest.Request) string {
	var query []string
	for _, name := range []string{"filter[]", "sort[]", "limit", "offset", "display[]", "format"} {
		for _, value := range r.Query[name] {
			query = append(query, fmt.Sprintf("%s=%q", name, value))
		}
	}
	line := r.Method + " " + r.Path
	if len(query) > 0 {
		line += " " + strings.Join(query, " ")
	}
	status := "no answer"
	if r.Status != 0 {
		status = fmt.Sprint(r.Status)
	}
	if r.Op == "" {
		return line + ": " + status
	}
	return line + ": " + status + ", " + r.Op
}

// shellQuoted quotes a word for a shell.
func shellQuoted(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
