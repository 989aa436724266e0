package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
)

// options are what the flags say.
type options struct {
	csv, office string // files; both empty: those that are built in
	sheet       provision.CSVOptions
	skipBad     string

	live   bool
	domain *string // an id or a display name

	plan  bool
	json  bool
	out   string
	apply applyFlag

	digest string
	provision.PlanOptions

	passwords string
	workers   int
	color     string

	given []given
}

// A given is a flag of the command line.
type given struct {
	name, text string
	alone      bool // without a value
}

// A noted flag is noted in options.given when it is set.
type noted struct {
	flag.Value
	name string
	o    *options
}

func (n noted) Set(text string) error {
	n.o.given = append(n.o.given, given{n.name, text, n.IsBoolFlag()})
	return n.Value.Set(text)
}

// IsBoolFlag tells whether the flag stands alone.
func (n noted) IsBoolFlag() bool {
	b, ok := n.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// command is the command that carries out a plan from a file: this one, less what
// says how to plan and what to do.
func (o *options) command(changes *provision.Changes, live bool) string {
	words := []string{os.Args[0]}
	if dir, _ := filepath.Split(words[0]); filepath.Base(dir) == "exe" { // go run removes it
		words = []string{"go", "run", "./examples/provision"}
	}
	dropped := []string{"plan", "json", "out", "apply"}
	for _, s := range new(options).sections() {
		if s.title == planning {
			s.flags.VisitAll(func(f *flag.Flag) { dropped = append(dropped, f.Name) })
		}
	}
	for _, g := range o.given {
		switch {
		case slices.Contains(dropped, g.name):
		case g.alone:
			words = append(words, "-"+strings.TrimSuffix(g.name+"="+g.text, "=true"))
		default:
			words = append(words, "-"+g.name, g.text)
		}
	}
	words = append(words, "-apply", o.out, "-digest", changes.Digest())
	if live && losesSecrets(changes) && o.passwords == "" {
		words = append(words, "-passwords", "secrets.csv")
	}
	for i := range words {
		words[i] = shellWord(words[i])
	}
	return strings.Join(words, " ")
}

// shellWord is a word as a shell takes it.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune("-_./:=,%@+", r) || r == filepath.Separator
	}
	switch {
	case word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }):
		return word
	case runtime.GOOS == "windows":
		return `"` + word + `"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// An applyFlag is -apply, alone or with the file of a plan.
type applyFlag struct {
	on   bool
	plan string
}

// IsBoolFlag lets the flag stand alone.
func (a *applyFlag) IsBoolFlag() bool { return true }

func (a *applyFlag) String() string { return a.plan }

// Set takes -apply, and -apply=plan.json.
func (a *applyFlag) Set(text string) error {
	*a = applyFlag{on: text != "false"}
	if text != "true" && text != "false" {
		a.plan = text
	}
	return nil
}

// A section is the flags that -h shows under one title.
type section struct {
	title string
	flags *flag.FlagSet
}

// planning is the title of the flags that are of no use to a plan that is made.
const planning = "How to plan"

// sections define the flags.
func (o *options) sections() []section {
	var all []section
	begin := func(title string) *flag.FlagSet {
		all = append(all, section{title, flag.NewFlagSet("", flag.ContinueOnError)})
		return all[len(all)-1].flags
	}

	f := begin("The files")
	f.StringVar(&o.csv, "csv", "", "the `file` of people, CSV")
	f.StringVar(&o.office, "office", "", "the `file` of groups, queues and networks, JSON; it may have people too.\nWithout any file: those of the example")

	f = begin("How to read -csv")
	f.Func("comma", "the `character` between two values, or tab; without it, the file tells", o.setComma)
	f.Func("column", "what a column of the file is, `Header=column`, such as \"Staff no=user\", or \"Desk=\" to leave it out; may be repeated", o.addColumn)
	f.BoolVar(&o.sheet.IgnoreUnknown, "ignore-columns", false, "leave out columns that are not known")
	f.StringVar(&o.skipBad, "skip-bad", "", "leave out rows with something wrong in them, and write them to this `file`")
	f.StringVar(&o.sheet.Clear, "clear", "", "a cell with this `text` empties the field; an empty cell leaves it as it is")
	f.BoolVar(&o.sheet.NumbersAsWritten, "numbers-as-written", false, "no spreadsheet has dropped zeros from the front of numbers: 201 beside 0202 is meant")
	f.BoolVar(&o.sheet.EmergencyNumbers, "emergency-numbers", false, "extensions such as 999 and 9112, which people dial in an emergency, are meant")

	f = begin("Where")
	f.BoolVar(&o.live, "live", false, "run on your own account instead of siptest")
	o.domain = demo.DomainFlag(f)

	f = begin("What to do")
	f.BoolVar(&o.plan, "plan", false, "tell what would be done, and change nothing; so it is with -live without -apply")
	f.BoolVar(&o.json, "json", false, "with -plan: print the plan as JSON, and all else to the standard error")
	f.StringVar(&o.out, "out", "", "write the plan to this `file`")
	f.Var(&o.apply, "apply", "carry out the plan; the default on siptest.\nWith the file of a plan that -out wrote (`[plan.json]`): carry out that one, or nothing")

	f.StringVar(&o.digest, "digest", "", "with -apply and a file: the `digest` of the plan that was reviewed; another plan is refused")

	f = begin(planning)
	f.BoolVar(&o.CreateOnly, "create-only", false, "make what is missing, and change nothing that is there; -prune deletes all the same")
	f.BoolVar(&o.Prune, "prune", false, "delete what the files leave out, as far as -max-deletes allows")
	f.Func("max-deletes", "the most that -prune may delete: a `number`, or a part of what is there, such as 5%", o.setMaxDeletes)
	f.BoolVar(&o.SetSecrets, "set-secrets", false, "set the passwords and PINs of the files for users who are there already, too")
	f.Func("rotate", "`MAC` addresses, with commas between, of devices that are to get another token", list(&o.RotateTokens))
	f.Func("spare", "extension `numbers`, with commas between, to use in between where two things swap theirs", list(&o.Spares))

	f = begin("How to run")
	f.StringVar(&o.passwords, "passwords", "", "the `file` to keep passwords, PINs and device tokens in; one of an earlier run is continued")
	f.IntVar(&o.workers, "workers", 8, "how many `calls` to make at a time")
	f.StringVar(&o.color, "color", "auto", "colours in the plan: `when` is auto, always or never; auto is on a terminal, unless NO_COLOR is set")
	return all
}

// parseFlags reads the flags. The error is flag.ErrHelp for -h.
func parseFlags(args []string) (*options, error) {
	o := new(options)
	flags := flag.NewFlagSet("provision", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var ofPlanning []string
	for _, s := range o.sections() {
		s.flags.VisitAll(func(f *flag.Flag) {
			flags.Var(noted{f.Value, f.Name, o}, f.Name, f.Usage)
			if s.title == planning {
				ofPlanning = append(ofPlanning, f.Name)
			}
		})
	}
	if err := o.parse(flags, args); err != nil {
		return nil, err
	}
	o.Workers, o.sheet.File, o.sheet.SkipBad = o.workers, o.csv, o.skipBad != ""

	saved := o.apply.plan != ""
	var wrong []string
	check := func(ok bool, problem string) {
		if !ok {
			wrong = append(wrong, problem)
		}
	}
	check(o.workers > 0 && o.workers <= 64, "-workers must be from 1 to 64")
	check(slices.Contains([]string{"auto", "always", "never"}, o.color), "-color must be auto, always or never")
	check(o.skipBad == "" || o.csv != "", "-skip-bad needs -csv")
	check(!o.plan || !o.apply.on, "-plan or -apply, not both")
	check(!o.live || saved || *o.domain != "", "-live needs -domain; the quickstart example lists your domains")
	check(!o.live || saved || o.csv+o.office != "", "-live needs -csv or -office: the people of the example are not for a real account")
	check(saved || o.digest == "", "-digest goes with -apply and the file of a plan")
	check(!saved || o.out == "", "-out writes the plan that is made now, and -apply "+o.apply.plan+" makes none")
	flags.Visit(func(f *flag.Flag) {
		check(!saved || !slices.Contains(ofPlanning, f.Name), "-"+f.Name+" is for planning, and "+o.apply.plan+" is a plan already")
	})
	o.plan = o.plan || o.live && !o.apply.on
	check(!o.json || o.plan, "-json goes with -plan")
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return o, nil
}

// parse parses the flags, and the file that may follow -apply.
func (o *options) parse(flags *flag.FlagSet, args []string) error {
	for {
		if err := flags.Parse(args); err != nil {
			return err
		}
		n := len(args) - flags.NArg() // they are parsed
		if flags.NArg() == 0 || n == 0 || strings.TrimLeft(args[n-1], "-") != "apply" || !o.apply.on || o.apply.plan != "" {
			return demo.FlagsOnly(flags)
		}
		o.apply.plan, args = args[n], args[n+1:]
	}
}

func (o *options) setComma(text string) error {
	if text == "tab" || text == `\t` {
		text = "\t"
	}
	comma, size := utf8.DecodeRuneInString(text)
	if text == "" || size < len(text) {
		return errors.New("want one character, or tab")
	}
	o.sheet.Comma = comma
	return nil
}

func (o *options) addColumn(text string) error {
	header, column, ok := strings.Cut(text, "=")
	if !ok || header == "" {
		return errors.New(`want Header=column, such as "Staff no=user", or Header= to leave it out`)
	}
	if o.sheet.Columns == nil {
		o.sheet.Columns = map[string]string{}
	}
	o.sheet.Columns[header] = column
	return nil
}

func (o *options) setMaxDeletes(text string) error {
	part, isPart := strings.CutSuffix(text, "%")
	if isPart {
		percent, err := strconv.ParseFloat(part, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return errors.New("want a part from 0% to 100%")
		}
		o.MaxDeletes, o.MaxDeleteShare = 0, percent/100
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("want a number such as 20, or a part such as 5%")
	}
	o.MaxDeletes, o.MaxDeleteShare = int(n), 0
	return nil
}

// list takes texts with commas between.
func list(to *[]string) func(string) error {
	return func(text string) error {
		for part := range strings.SplitSeq(strings.ReplaceAll(text, ";", ","), ",") {
			if part = strings.TrimSpace(part); part == "" {
				return errors.New("there is nothing between two commas")
			}
			*to = append(*to, part)
		}
		return nil
	}
}

// colored reports whether the plan is printed with colours.
func (o *options) colored(w io.Writer) bool {
	if o.color == "auto" {
		return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return o.color == "always"
}

// usage is what -h prints.
func usage(w io.Writer) {
	fmt.Fprint(w, `Provision sets up a phone system from a CSV of people and a JSON of the office.

Try it on a server in memory, without an account:
  provision
Look what would be done on your own (INFINITY_API_KEY is in the environment), then do it:
  provision -live -domain acme -csv staff.csv -office office.json
  provision -live -domain acme -csv staff.csv -office office.json -apply -passwords secrets.csv
Have the plan reviewed, and carry out what was reviewed or nothing:
  provision -live -domain acme -csv staff.csv -office office.json -out plan.json
  provision -live -csv staff.csv -office office.json -apply plan.json -passwords secrets.csv
Delete those who have left, but never more than a twentieth:
  provision -live -domain acme -csv staff.csv -prune -max-deletes 5% -apply -passwords secrets.csv
Keep out of the way of what was changed by hand:
  provision -live -domain acme -csv staff.csv -create-only -apply -passwords secrets.csv
`)
	for _, s := range new(options).sections() {
		fmt.Fprintf(w, "\n%s:\n", s.title)
		s.flags.SetOutput(w)
		s.flags.PrintDefaults()
	}
	fmt.Fprint(w, `
Environment:
  INFINITY_API_KEY, or INFINITY_USERNAME and INFINITY_PASSWORD
    	the credentials, for -live
  INFINITY_BASE_URL
    	another server than https://api.infinitycloud.com, for -live
  NO_COLOR, COLUMNS
    	no colours, and how many columns the terminal has, if it says it wrongly

Exit codes:
  0  there was nothing to do, or it is done
  1  something is wrong with the flags or the files, or could not be done
  2  there is something to do, and -plan (or -live without -apply) did not do it,
     or -skip-bad left rows out
`)
}
