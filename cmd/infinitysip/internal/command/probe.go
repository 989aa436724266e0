package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/probe"
	"github.com/infinitysip/infinitysip/siptest"
)

// A probing is one run of the command probe.
type probing struct {
	*app
	requests, limitUpTo    int
	rate                   float64
	readOnly               bool
	extensions, optionsOut string
	wait                   time.Duration
}

func (a *app) probeCommand() *cobra.Command {
	p := probing{app: a}
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Find out what the pages of the API leave open",
		Long: fmt.Sprintf(`Find out what the pages of the API leave open: whether a name may be there twice and
what refuses it, what a create answers, which lists take filters, how errors look,
how soon a list shows a change, and more. What cannot be found out is said, with the
reason.

It sends at most --max-requests requests, about 100 as a rule, and --rate of them a
second. In the domain it makes two devices, two trusted networks, a queue, a group
and two users, and tries to make eight of them a second time. The name of everything
begins with "probe-" and six random letters. No phone rings: the users have no phones. Should the
account pay for each user, two users more may cost something.
The MAC addresses and the networks are those that are reserved for documentation, and
the extension numbers are of --extensions and not in use.

At the end it takes away everything that it made, and looks that nothing is left. So
it does after an error, after Ctrl-C and when the time of --timeout is over. If
something cannot be taken away, it says what, and how to delete it. What was in the
domain before is only read.

It asks before it makes anything, unless --yes says not to. With --read-only it makes
nothing, and finds out less.

--limit-up-to looks for a limit of requests: it sends that many reads one right after
the other, until one is refused. This can get in the way of others that use the same
account. At most %d may be looked for.

--options-out writes what was found to a file. With "infinitysip siptest --options
FILE" a server in memory then behaves in the same way.`, probe.Most-probe.LimitRoom),
		Example: `  infinitysip probe --demo
  infinitysip probe --domain acme --read-only
  infinitysip probe --domain acme --extensions 8900-8949 --options-out real.json
  infinitysip siptest --options real.json`,
	}
	a.domainFlag(cmd)
	a.outputFlags(cmd)
	cmd.PreRunE = nil // run checks the format with the other flags
	a.yesFlag(cmd)
	flags := cmd.Flags()
	flags.IntVar(&p.requests, "max-requests", probe.Most, "the most requests to send, the clean-up included: a `number`")
	flags.Float64Var(&p.rate, "rate", 5, "the requests a second: a `number`; 0 is as fast as they go")
	flags.IntVar(&p.limitUpTo, "limit-up-to", 0, "look for a limit of requests with at most that `number` of quick reads; 0 does not look")
	flags.BoolVar(&p.readOnly, "read-only", false, "make nothing: find out only what reading can tell")
	flags.StringVar(&p.extensions, "extensions", "9900-9949", "the extension `numbers` that may be used, if nobody has them")
	flags.DurationVar(&p.wait, "wait", 15*time.Second, "the `time` to wait for a list to show what was made")
	flags.StringVar(&p.optionsOut, "options-out", "", "the `file` to write what was found to, for siptest --options")
	flags.StringSliceVar(&a.output.Columns, "columns", nil, "the `columns` of a table or CSV, with commas between them, or all")
	flags.BoolVar(&a.output.NoHeader, "no-header", false, "a table or CSV without the line of names")
	a.completeFlag(cmd, "columns", func() []string { return append(output.Names(probeColumns()), "all") })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) }
	return cmd
}

func probeColumns() []output.Column[probe.Finding] {
	return []output.Column[probe.Finding]{
		{Name: "what", API: "what", Value: func(f *probe.Finding) string { return f.What }},
		{Name: "found", API: "found", Value: func(f *probe.Finding) string {
			if f.Sure == probe.Unknown {
				return "unknown: " + f.Found
			}
			return f.Found
		}},
		{Name: "how", API: "how", Value: func(f *probe.Finding) string { return f.How }},
		{Name: "key", API: "key", More: true, Value: func(f *probe.Finding) string { return f.Key }},
		{Name: "sure", API: "sure", More: true, Value: func(f *probe.Finding) string { return string(f.Sure) }},
		{Name: "requests", API: "requests", More: true, Value: func(f *probe.Finding) string { return strconv.Itoa(f.Requests) }},
	}
}

func (p *probing) run(ctx context.Context) error {
	p.output.Width, p.output.Bold = p.width(), p.colored()
	extensions, err := p.check()
	if err != nil {
		return err
	}
	mark := probe.NewMark()
	if err := p.ask(ctx, mark); err != nil {
		return err
	}
	meter := probe.NewMeter(infinitysip.NewTransport(), p.requests)
	p.overDemo = func(inner http.RoundTripper) infinitysip.Option { return infinitysip.WithTransport(meter.Over(inner)) }
	s, err := p.session(ctx, meter.ClientOptions()...)
	if err != nil {
		return err
	}
	defer s.done()
	report, failed := probe.Run(ctx, probe.Config{
		Client: s.client, Meter: meter, Domain: s.domain, Rate: p.rate, LimitUpTo: p.limitUpTo, ReadOnly: p.readOnly,
		Extensions: extensions, Wait: p.wait, Mark: mark, Progress: p.progress,
	})
	if failed == nil || len(report.Left) > 0 || report.Requests > 1 {
		if err := p.print(report); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return p.outcome(ctx, s.domain, report, failed)
}

// check finds everything that is wrong with the flags.
func (p *probing) check() (extensions []string, err error) {
	var problems []error
	report := func(flag string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	report("max-requests", probe.Enough(p.requests))
	if room := max(0, min(p.requests, probe.Most)-probe.LimitRoom); p.limitUpTo < 0 || p.limitUpTo > room {
		report("limit-up-to", fmt.Errorf("%d is not between 0 and %d: the rest of the probe needs %d requests", p.limitUpTo, room, probe.LimitRoom))
	}
	if !(p.rate >= 0) {
		report("rate", errors.New("it must not be negative"))
	}
	if p.wait <= 0 || p.wait > time.Minute {
		report("wait", errors.New("it must be more than 0 and at most 1m"))
	}
	extensions, err = probe.ParseExtensions(p.extensions)
	report("extensions", err)
	if err == nil && len(extensions) < probe.ExtensionsNeeded {
		report("extensions", fmt.Errorf("a probe needs %d of them", probe.ExtensionsNeeded))
	}
	if p.optionsOut != "" {
		problems = append(problems, oneFileTwice([]usedFile{{"--credentials-file", p.credentialsFile}, {"--options-out", p.optionsOut}})...)
		if p.optionsOut == "-" {
			report("options-out", errors.New("- names no file: --output json prints them, with all else"))
		}
		if !replaces(p.optionsOut, func(text []byte) bool { return json.Unmarshal(text, new(siptest.Options)) == nil }) {
			report("options-out", fmt.Errorf("%s is there already, and has no options: give another name", p.optionsOut))
		}
		if _, err := os.Stat(filepath.Dir(p.optionsOut)); err != nil {
			report("options-out", fmt.Errorf("the folder of %s cannot be used: %w", p.optionsOut, plainCause(err)))
		}
	}
	if err := output.Check(probeColumns(), p.output); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, wrongUse("probe: %w", errors.Join(problems...))
	}
	return extensions, nil
}

// plainCause is why a file cannot be used, without its name.
func plainCause(err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err
	}
	return err
}

// ask asks whether to go on, if anything is to be made.
func (p *probing) ask(ctx context.Context, mark string) error {
	where := "the domain"
	if p.domain != "" {
		where += " " + printable(p.domain)
	}
	if p.readOnly || p.demo {
		return nil
	}
	fmt.Fprintf(p.stderr, "The probe sends at most %d requests, about 100 as a rule. It makes devices, networks,\n"+
		"a queue, a group and users whose names begin with %s, and takes them away again.\n", p.requests, mark)
	return p.confirm(ctx, "Probe %s?", where)
}

// progress tells somebody who watches what comes next.
func (p *probing) progress(text string) {
	if isTerminal(p.stderr) {
		fmt.Fprintln(p.stderr, text)
	}
}

func (p *probing) print(report *probe.Report) error {
	if p.output.Format == "json" {
		text, err := json.MarshalIndent(struct {
			Probed time.Time `json:"probed"`
			Server string    `json:"server"`
			*probe.Report
		}{report.Probed, p.serverURL(), report}, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "%s\n", text)
		return err
	}
	if o := p.output; (o.Format == "" || o.Format == "table") && o.Columns == nil && o.Sort == nil && !o.NoHeader && tooWide(report.Findings, o.Width) {
		_, err := io.WriteString(p.stdout, paragraphs(report.Findings, o.Width, o.Bold))
		return err
	}
	return output.Write(p.stdout, func(yield func(probe.Finding, error) bool) {
		for _, f := range report.Findings {
			if !yield(f, nil) {
				return
			}
		}
	}, probeColumns(), p.output)
}

// tooWide reports whether a terminal has no room for the table of findings: what was
// found would be cut off. A width of 0 is no terminal.
func tooWide(findings []probe.Finding, width int) bool {
	columns := probeColumns()[:2]
	wide := 0
	for i := range columns {
		most := 0
		for j := range findings {
			most = max(most, utf8.RuneCountInString(columns[i].Value(&findings[j])))
		}
		wide += most + 2
	}
	return width > 0 && wide+len("how") > width
}

// paragraphs are findings for a terminal that has no room for a table: what it is, and
// under it what was found, and how.
func paragraphs(findings []probe.Finding, width int, bold bool) string {
	found := probeColumns()[1].Value
	var text strings.Builder
	for i := range findings {
		f := &findings[i]
		what := wrapped(f.What, width)
		if bold {
			what = "\x1b[1m" + what + "\x1b[0m"
		}
		text.WriteString(what + "\n")
		below := found(f)
		if f.How != "" {
			below += " (" + f.How + ")"
		}
		for line := range strings.SplitSeq(wrapped(below, width-2), "\n") {
			text.WriteString("  " + line + "\n")
		}
	}
	return text.String()
}

// wrapped breaks a text into lines of at most width characters, between words where
// that can be.
func wrapped(text string, width int) string {
	width = max(width, 10)
	var lines []string
	line := ""
	for _, word := range strings.Fields(printable(text)) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for runes := []rune(word); ; runes = runes[width:] {
			if line = string(runes); len(runes) <= width {
				break
			}
			lines = append(lines, string(runes[:width]))
		}
	}
	return strings.Join(append(lines, line), "\n")
}

func (p *probing) serverURL() string {
	if p.demo {
		return "a server in memory"
	}
	url, _, _ := strings.Cut(p.server, " (from ")
	return url
}

// outcome is the error of the command, and writes the file of options if there is none.
func (p *probing) outcome(ctx context.Context, domain infinitysip.DomainID, report *probe.Report, failed error) error {
	var few *probe.ExtensionsError
	switch {
	case len(report.Left) > 0:
		return &codeError{exitFailed, p.left(domain, report, failed)}
	case ctx.Err() != nil:
		return &codeError{exitFailed, fmt.Errorf("probing domain %d: the probe was stopped after %d requests; nothing that it made is left", domain, report.Requests)}
	case errors.As(failed, &few):
		return withMend(failed, "Name others with --extensions, such as --extensions 8900-8949. Nothing was made.")
	case failed != nil:
		return failed
	}
	fmt.Fprintf(p.stderr, "The probe sent %d requests. ", report.Requests)
	if p.readOnly {
		fmt.Fprintln(p.stderr, "It made nothing.")
	} else {
		fmt.Fprintln(p.stderr, "Nothing that it made is left.")
	}
	if p.optionsOut == "" {
		return nil
	}
	text, err := json.MarshalIndent(report.Options, "", "  ")
	if err == nil {
		err = replaceFile(p.optionsOut, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("probe: writing %s: %w", p.optionsOut, plainCause(err))
	}
	return nil
}

// left tells what could not be taken away, and how to delete it.
func (p *probing) left(domain infinitysip.DomainID, report *probe.Report, failed error) error {
	var lines, commands []string
	account := ""
	for _, word := range p.accountWords() {
		account += " " + shellWord(word)
	}
	for _, l := range report.Left {
		name := l.Kind + " " + l.Name
		if l.ID != 0 {
			name += fmt.Sprintf(" (id %d)", l.ID)
			commands = append(commands, "  "+l.Command(domain)+account)
		} else {
			name = "perhaps " + name
			commands = append(commands, "  "+l.LookCommand(domain)+account)
		}
		lines = append(lines, fmt.Sprintf("  %s: %s", name, l.Why))
	}
	commands = slices.Compact(commands)
	text := fmt.Sprintf("probing domain %d: some of what the probe made is left:\n%s", domain, strings.Join(lines, "\n"))
	if failed != nil {
		text += "\nThe probe failed before that: " + strings.TrimPrefix(failed.Error(), "infinitysip: ")
	}
	return withMend(errors.New(text), "These commands take it away, or look for it:\n%s", strings.Join(commands, "\n"))
}
