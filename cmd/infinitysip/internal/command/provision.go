package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/provision"
)

// planOptions are the flags that say how to plan.
type planOptions struct {
	provision.PlanOptions
	maxDeletes string
	workers    int
}

// planningFlags are their names: they are of no use to a plan that is made.
func planningFlags() []string {
	return []string{"create-only", "prune", "max-deletes", "set-secrets", "rotate", "spare"}
}

func (o *planOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.CreateOnly, "create-only", false, "make what is missing, and change nothing that is there; --prune deletes all the same")
	f.BoolVar(&o.Prune, "prune", false, "delete what the files leave out, as far as --max-deletes allows")
	f.StringVar(&o.maxDeletes, "max-deletes", "", "the `most` that --prune may delete: a number, or a part of what is there, such as 5%")
	f.BoolVar(&o.SetSecrets, "set-secrets", false, "set the passwords and PINs of the files for users who are there already, too")
	f.StringSliceVar(&o.RotateTokens, "rotate", nil, "`MAC` addresses, with commas between, of devices that are to get another token")
	f.StringSliceVar(&o.Spares, "spare", nil, "extension `numbers`, with commas between, to use in between where two things swap theirs")
	f.IntVar(&o.workers, "workers", 8, "how many `calls` to make at a time")
}

// check reads the flags, and returns what is wrong with them.
func (o *planOptions) check() (wrong []error) {
	if o.workers < 1 || o.workers > 64 {
		wrong = append(wrong, fmt.Errorf("--workers %d: want 1 to 64", o.workers))
	}
	o.Workers = o.workers
	if o.maxDeletes != "" && !o.Prune {
		wrong = append(wrong, errors.New("--max-deletes says how much --prune may delete: without that, nothing is deleted"))
	}
	part, isPart := strings.CutSuffix(o.maxDeletes, "%")
	switch {
	case o.maxDeletes == "":
	case isPart:
		percent, err := strconv.ParseFloat(part, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			wrong = append(wrong, fmt.Errorf("--max-deletes %s: want a part from 0%% to 100%%", o.maxDeletes))
		}
		o.MaxDeleteShare = percent / 100
	default:
		n, err := strconv.ParseUint(o.maxDeletes, 10, 31)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("--max-deletes %s: want a number such as 20, or a part such as 5%%", o.maxDeletes))
		}
		o.MaxDeletes = int(n)
	}
	for flag, list := range map[string][]string{"rotate": o.RotateTokens, "spare": o.Spares} {
		if slices.ContainsFunc(list, func(text string) bool { return strings.TrimSpace(text) == "" }) {
			wrong = append(wrong, fmt.Errorf("--%s: there is nothing between two commas", flag))
		}
	}
	return wrong
}

// A provisioner brings domains to what files say: it is what check, plan and apply
// share.
type provisioner struct {
	*app
	cmd   *cobra.Command
	files fileOptions
	plans planOptions
	all   bool // the files are a folder, with those of each domain

	// Of plan.
	json bool
	out  string

	// Of apply.
	digest string
}

// allFlag adds the flag --all-domains.
func (p *provisioner) allFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.all, "all-domains", false, "take a folder with files of each domain, as export --all-domains writes it")
}

// A job is one domain, with its files and what becomes of it.
type job struct {
	*input
	title    string // "domain acme (id 7)"
	key      string // the name of its files, with --all-domains
	domain   string // an id or a display name; "" is that of the flags
	session  *session
	secrets  secretOptions
	keeper   secretKeeper // nil: none
	changes  *provision.Changes
	problems error
}

// checkFlags finds wrong use before anything is sent.
func (p *provisioner) checkFlags(args []string, needsPlan bool) error {
	wrong := slices.Concat(p.files.check(), p.plans.check())
	if needsPlan {
		if err := p.secrets.check(); err != nil {
			wrong = append(wrong, err)
		}
	}
	var used []usedFile
	for _, name := range args {
		used = append(used, usedFile{"the file", name})
	}
	used = append(used, usedFile{"--skip-bad", p.files.skipBad}, usedFile{"--out", p.out})
	if needsPlan {
		used = append(used, p.usedFiles()...)
	}
	wrong = append(wrong, oneFileTwice(used)...)
	if p.out == "-" {
		wrong = append(wrong, errors.New("--out - names no file: --json prints the plan on standard output"))
	}
	if p.files.skipBad == "-" {
		wrong = append(wrong, errors.New("--skip-bad - names no file: give the name of one"))
	}
	if n := slices.Index(args, "-"); n >= 0 && slices.Contains(args[n+1:], "-") {
		wrong = append(wrong, errors.New("standard input can be read once: give one - alone"))
	}
	if p.all {
		if len(args) == 0 {
			wrong = append(wrong, errors.New("--all-domains takes a folder, as export --all-domains writes it, and there is none"))
		}
		if p.domain != "" {
			wrong = append(wrong, errors.New("--all-domains and --domain cannot go together"))
		}
		if p.files.skipBad != "" {
			wrong = append(wrong, errors.New("--all-domains and --skip-bad cannot go together: plan the domain with the bad rows alone"))
		}
		if p.digest != "" {
			wrong = append(wrong, errors.New("--all-domains and --digest cannot go together: a digest is of one domain"))
		}
	} else {
		if len(args) == 0 {
			wrong = append(wrong, errors.New("there is no file: give a CSV file of people, a JSON file of the office, or both"))
		}
		if p.out != "" && !takesPlan(p.out) {
			wrong = append(wrong, fmt.Errorf("%s is there already, and is no plan: give --out another name", p.out))
		}
	}
	return wrongUses(wrong)
}

// nothingChanged says of an error that ended everything before a change.
func nothingChanged(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &codeError{exitFailed, errors.New("the time of --timeout is over: nothing was changed")}
		}
		return &codeError{exitFailed, errors.New("stopped before anything was begun: nothing was changed")}
	}
	if _, ok := errors.AsType[*provision.CheckError](err); ok { // which says so
		return err
	}
	return &unchangedError{err}
}

// An unchangedError ended everything before a change. What to do about it may follow.
type unchangedError struct{ err error }

func (e *unchangedError) Error() string { return e.err.Error() + "\nNothing was changed." }
func (e *unchangedError) Unwrap() error { return e.err }

// read reads the files of a job.
func (p *provisioner) read(ctx context.Context, files []string) (*input, error) {
	in, err := p.readFiles(ctx, &p.files, files)
	if err != nil {
		return nil, err
	}
	if in.plan == nil {
		return in, nil
	}
	var wrong []error
	for _, name := range planningFlags() {
		if p.cmd.Flags().Changed(name) {
			wrong = append(wrong, fmt.Errorf("--%s is for planning, and %s is a plan already", name, in.planFile))
		}
	}
	switch demo := slices.Contains(in.plan.Notes, onDemo); {
	case demo && !p.demo:
		wrong = append(wrong, fmt.Errorf("%s was %s: plan again without --demo", in.planFile, onDemo))
	case !demo && p.demo:
		wrong = append(wrong, fmt.Errorf("%s was made for a real account, and with --demo nothing real would be done: leave --demo out to carry it out there", in.planFile))
	}
	if digest := in.plan.Digest(); p.digest != "" && p.digest != digest {
		wrong = append(wrong, fmt.Errorf("%s is not the plan of that --digest, but %s", in.planFile, digest))
	}
	return in, wrongUses(wrong)
}

// makePlan plans a job, or takes the plan of its files, and tells it. It changes
// nothing.
func (p *provisioner) makePlan(ctx context.Context, t *job) error {
	s := t.session
	if t.plan != nil {
		if t.plan.Domain != s.domain {
			return fmt.Errorf("%s is a plan for the domain with the id %d, and the domain here has the id %d", t.planFile, t.plan.Domain, s.domain)
		}
		t.changes = t.plan
		return nil
	}
	o := p.plans.PlanOptions
	switch {
	case t.keeper != nil:
		o.Unsettled = t.keeper.Unsettled()
	default:
		var err error
		if o.Unsettled, err = t.secrets.unsettled(); err != nil {
			return err
		}
	}
	changes, err := provision.Plan(ctx, s.client, s.domain, t.state, &o)
	if err != nil && changes != nil && !p.json {
		_ = p.printer().Print(p.stdout, changes) // so that one can see what
	}
	if errors.Is(err, provision.ErrTooManyDeletes) {
		err = withMend(plainError(err), "If that is what you want, allow it with --max-deletes.")
	}
	if err != nil {
		return fmt.Errorf("planning %s: %w", t.title, plainError(err))
	}
	if digest := changes.Digest(); p.digest != "" && p.digest != digest {
		return fmt.Errorf("planning %s: the plan is not the one of --digest, but %s: look at it with infinitysip plan", t.title, digest)
	}
	t.changes = changes
	return nil
}

func (p *provisioner) printer() provision.Printer { return provision.Printer{Color: p.colored()} }

// connect makes the client and finds the domain of a job.
func (p *provisioner) connect(ctx context.Context, t *job) error {
	if t.plan != nil && p.domain == "" {
		client, done, err := p.client(ctx)
		if err != nil {
			return err
		}
		t.session = &session{client: client, domain: t.plan.Domain, done: done}
	} else {
		s, err := p.session(ctx)
		if err != nil {
			return err
		}
		t.session = s
	}
	t.title = sessionTitle(p.domain, t.session)
	return nil
}

// sessionTitle is how a person is told of a domain.
func sessionTitle(text string, s *session) string {
	text = printable(strings.TrimPrefix(text, "="))
	if id := idText(s.domain); text == "" || text == id {
		return "domain " + id
	}
	return fmt.Sprintf("domain %s (id %d)", text, s.domain)
}

// command is the command that carries out a plan: from the file, if there is one, or
// else by planning again.
func (p *provisioner) command(t *job) string {
	words := []string{"infinitysip", "apply"}
	needsFiles := p.out == "" || slices.ContainsFunc(t.changes.Items, func(c provision.Change) bool { return len(c.Secrets) > 0 })
	if p.out != "" {
		words = append(words, p.out)
	}
	if needsFiles {
		for _, name := range t.files {
			if strings.HasPrefix(name, "-") && name != "-" {
				name = "." + string(os.PathSeparator) + name // not a flag
			}
			words = append(words, name)
		}
	}
	var sheet []string
	reading := &cobra.Command{}
	(&fileOptions{}).flags(reading)
	reading.Flags().VisitAll(func(f *pflag.Flag) { sheet = append(sheet, f.Name) })
	p.cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case f.Name == "out" || f.Name == "json":
		case p.out != "" && slices.Contains(planningFlags(), f.Name):
		case !needsFiles && slices.Contains(sheet, f.Name):
		default:
			words = append(words, flagWords(f)...)
		}
	})
	words = append(words, "--digest", t.changes.Digest())
	if losesSecrets(t.changes) && p.secrets.file == "" && !p.demo {
		words = append(words, "--secrets", "secrets.csv")
	}
	for i := range words {
		words[i] = shellWord(words[i])
	}
	return strings.Join(words, " ")
}

// flagWords are a flag as it was given.
func flagWords(f *pflag.Flag) (words []string) {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		for _, text := range list.GetSlice() {
			words = append(words, "--"+f.Name, text)
		}
		return words
	}
	if f.Value.Type() == "bool" {
		return []string{strings.TrimSuffix("--"+f.Name+"="+f.Value.String(), "=true")}
	}
	return []string{"--" + f.Name, f.Value.String()}
}

// shellWord is a word as a shell takes it, and as a terminal may show it.
func shellWord(word string) string {
	word = printable(word)
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune("-_./:=,%@+", r) || r == os.PathSeparator
	}
	switch {
	case word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }):
		return word
	case runtime.GOOS == "windows":
		return `"` + word + `"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// lacking are the users whose passwords or PINs a plan that was read sets, and the
// files do not have.
func lacking(changes *provision.Changes, secrets func(string) (provision.Credential, error)) []string {
	var users []string
	for i := range changes.Items {
		c := &changes.Items[i]
		if len(c.Secrets) == 0 {
			continue
		}
		has, _ := secrets(c.Name)
		if slices.Contains(c.Secrets, "password") && has.Password.IsZero() || slices.Contains(c.Secrets, "pin") && has.PIN.IsZero() {
			users = append(users, c.Name)
		}
	}
	return users
}

// losesSecrets reports whether carrying out the plan gives what nobody can read
// later.
func losesSecrets(changes *provision.Changes) bool {
	for i := range changes.Items {
		c := &changes.Items[i]
		if c.Kind == provision.KindUser && c.Op == provision.OpCreate || c.Kind == provision.KindOwner && c.To != nil {
			return true
		}
	}
	return false
}

// written is an error of standard output. Whoever closes the pipe has seen enough.
func written(err error) error {
	if err == nil {
		return nil
	}
	return &output.WriteError{Err: plainError(err)}
}
