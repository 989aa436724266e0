package command

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/internal/redact"
)

// rawBytes is the most that raw reads of an answer.
const rawBytes = 64 << 20

func (a *app) rawCommand() *cobra.Command {
	var (
		fields, headers []string
		include         bool
	)
	cmd := &cobra.Command{
		Use:   "raw GET|POST|PUT|DELETE PATH",
		Short: "Make a call that has no command of its own",
		Long: `Make a call that has no command of its own, and print the body of the answer as it is.

PATH is the whole path as the API's page has it, with the ids in it. With --domain it
may be short: users is then /config/v2/sip/domains/ID/users.

-F gives the parameters: the query of a GET, the form of any other call. One that is a
list has brackets in its name, and is given several times: -F userSpec[]=1 -F
userSpec[]=2. The value @FILE is what the file has in it, without its last line break;
@- is standard input; a value that begins with @ is written with two. A parameter whose
name says that it is secret must be given so, because others can see a command line.

A GET, PUT or DELETE is sent again if it got no answer. A POST is not, because nobody
knows what it does: if its answer is lost, the exit code is 3.`,
		Example: `  infinitysip raw GET devices --domain acme -F limit=10
  infinitysip raw POST /config/v2/sip/domains/1/users/1 -F password=@password.txt`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeArgs(cobra.FixedCompletions([]cobra.Completion{"GET", "POST", "PUT", "DELETE"}, cobra.ShellCompDirectiveNoFileComp)),
	}
	a.domainFlag(cmd)
	a.yesFlag(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&fields, "field", "F", nil, "a parameter, as `name=value`, name=@FILE or name=@-")
	flags.StringArrayVarP(&headers, "header", "H", nil, "a header of the request, as `name:value`")
	flags.BoolVarP(&include, "include", "i", false, "show the status and the header of the answer on standard error")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		method := strings.ToUpper(args[0])
		form, err := a.readFields(cmd.Context(), fields)
		with, errHeaders := readHeaders(headers)
		if err := together(dropNil(checkMethod(method), a.checkRawPath(args[1]), err, errHeaders)); err != nil {
			return err
		}
		if method == http.MethodDelete {
			if err := a.canAsk("whether to delete"); err != nil {
				return err
			}
		}
		a.noDomain = strings.HasPrefix(args[1], "/")
		return a.rawCall(cmd.Context(), method, args[1], form, include, with)
	}
	return cmd
}

// rawCall makes the call.
func (a *app) rawCall(ctx context.Context, method, path string, form url.Values, include bool, with []infinitysip.CallOption) error {
	s, err := a.session(ctx, infinitysip.WithLimits(infinitysip.Limits{RowBytes: rawBytes}))
	if err != nil {
		return err
	}
	defer s.done()
	if !strings.HasPrefix(path, "/") {
		path = fmt.Sprintf("/config/v2/sip/domains/%d/%s", s.domain, path)
	}
	if method == http.MethodDelete {
		if err := a.confirm(ctx, "Send DELETE %s?", printable(path)); err != nil {
			return err
		}
	}
	var answer infinitysip.Response
	response, err := s.client.Do(ctx, method, path, form, append(with, infinitysip.CallResponse(&answer))...)
	if include && answer.StatusCode != 0 {
		fmt.Fprintf(a.stderr, "%d %s\n", answer.StatusCode, http.StatusText(answer.StatusCode))
		for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
			for _, value := range answer.Header[name] {
				if redact.Sensitive(name) {
					value = redact.Mark
				}
				fmt.Fprintf(a.stderr, "%s: %s\n", name, printable(value))
			}
		}
		fmt.Fprintln(a.stderr)
	}
	if err != nil {
		return wrongParams(err, map[string]string{"form": "-F", "CallHeader": "--header", "path": "PATH", "method": "the method"})
	}
	body := response.Body
	if isTerminal(a.stdout) && len(body) > 0 && body[len(body)-1] != '\n' {
		body = append(body, '\n')
	}
	if _, err := a.stdout.Write(body); err != nil {
		return &output.WriteError{Err: err}
	}
	return nil
}

// dropNil are the errors that are some.
func dropNil(errs ...error) []error {
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func checkMethod(method string) error {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}
	if !slices.Contains(methods, method) {
		return wrongUse("%s is no method: it must be GET, POST, PUT or DELETE", printable(method))
	}
	return nil
}

// checkRawPath refuses a path that would not be what was meant.
func (a *app) checkRawPath(path string) error {
	before, query, has := strings.Cut(path, "?")
	switch {
	case has && query != "":
		return withMend(wrongUse("the path %s has a query", printable(before)), "Give its parameters with -F.")
	case path == "":
		return wrongUse("the path is empty")
	case !strings.HasPrefix(path, "/") && a.domain == "":
		return withMend(wrongUse("the path %s does not begin with /", printable(path)),
			"Write the whole path, such as /config/v2/sip/domains/1/users, or say with --domain in which domain it is.")
	}
	return nil
}

// readFields reads the parameters of -F.
func (a *app) readFields(ctx context.Context, fields []string) (url.Values, error) {
	var (
		form     = url.Values{}
		problems []error
		stdin    string // the parameter that is standard input
	)
	for i, field := range fields {
		name, value, ok := strings.Cut(field, "=")
		if !ok || name == "" { // it may hold a secret, so it is not shown
			problems = append(problems, wrongUse("-F: parameter %d of %d is not written name=value", i+1, len(fields)))
			continue
		}
		from, isFile := strings.CutPrefix(value, "@")
		switch {
		case isFile && strings.HasPrefix(from, "@"):
			value, isFile = from, false
		case isFile && from == "":
			problems = append(problems, wrongUse("-F %s=@: the name of a file is missing; a value that begins with @ is written with two", printable(name)))
			continue
		case isFile && from == "-" && stdin != "":
			problems = append(problems, wrongUse("-F %s=@-: standard input is already the value of %s", printable(name), printable(stdin)))
			continue
		}
		switch {
		case isFile:
			if from == "-" {
				stdin = name
			}
			text, err := a.readInput(ctx, "the value of "+printable(name), from)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			value = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		case redact.MayBeSensitive(name) && value != "":
			problems = append(problems, withMend(wrongUse("-F %s: its name says that it is secret, and others can see a command line", printable(name)),
				"Give it from a file, -F %[1]s=@FILE, or from standard input, -F %[1]s=@-", printable(name)))
			continue
		}
		form.Add(name, value)
	}
	return form, together(problems)
}

// readHeaders reads the headers of --header.
func readHeaders(headers []string) ([]infinitysip.CallOption, error) {
	var (
		with     []infinitysip.CallOption
		problems []error
	)
	for i, header := range headers {
		name, value, ok := strings.Cut(header, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			problems = append(problems, wrongUse("--header: header %d of %d is not written name:value", i+1, len(headers)))
			continue
		}
		if redact.Sensitive(name) {
			problems = append(problems, wrongUse("--header %s: its name says that it is secret, and others can see a command line", printable(name)))
			continue
		}
		with = append(with, infinitysip.CallHeader(name, strings.TrimSpace(value)))
	}
	return with, together(problems)
}
