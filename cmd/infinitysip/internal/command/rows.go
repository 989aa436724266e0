package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/near"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// listFlags are the flags of a list.
type listFlags struct {
	where   []string
	orderBy []string
	limit   int
}

// outputFlags adds the flag that chooses how rows are written, and has it checked
// before the command runs.
func (a *app) outputFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output.Format, "output", "o", "table", "table, json, ndjson, yaml, csv or template=TEXT as the `format`")
	a.completeFlag(cmd, "output", func() []string { return output.Formats() })
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		a.output.Width, a.output.Bold = a.width(), a.colored()
		if err := a.output.CheckFormat(); err != nil {
			return &usageError{err}
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// idFlags adds the same flag for the id of what a command makes. A template that cannot
// write the id is found before anything is sent.
func (a *app) idFlags(cmd *cobra.Command, name string) {
	a.outputFlags(cmd)
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return err
		}
		return printID(&app{stdout: io.Discard, output: a.output}, name, infinitysip.UserID(1))
	}
}

// completeFlag completes the value of a flag, the last one of a list.
func (a *app) completeFlag(cmd *cobra.Command, flag string, values func() []string) {
	complete := func(_ *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before, directive := toComplete[:strings.LastIndexByte(toComplete, ',')+1], cobra.ShellCompDirectiveNoFileComp
		var all []cobra.Completion
		for _, value := range values() {
			if strings.HasSuffix(value, "=") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
			all = append(all, before+value)
		}
		return all, directive
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // there is no such flag: a mistake in this file
	}
}

// filtered says what the API does with a list's filter and sort.
type filtered bool

const (
	byServer filtered = true  // its page documents filter, sort, limit and offset for this list
	byClient filtered = false // it does not: the rows are chosen here
)

// listCommand fills in a command that prints a list of rows: its flags (--where,
// --order-by where the API sorts, --limit, and those of outputFlags), its help and its
// run. rows gets the options that the server is to be asked with; a list without
// documented filters ignores them, and says byClient. A command without the flag
// --domain has a session without a domain.
func listCommand[R any](a *app, cmd *cobra.Command, columns []output.Column[R], f filtered, rows func(cmd *cobra.Command, s *session, args []string, opts *infinitysip.ListOptions[R]) (iter.Seq2[R, error], error)) *cobra.Command {
	a.outputFlags(cmd)
	names := func() []string { return output.Names(columns) }
	listHelp(cmd, names(), f)
	flags := cmd.Flags()
	flags.StringArrayVarP(&a.list.where, "where", "w", nil, "only rows that meet the `condition`, such as 'name begins Lobby'; all must hold")
	flags.IntVar(&a.list.limit, "limit", 0, "the most rows, a `number`; 0 is all")
	flags.StringSliceVar(&a.output.Columns, "columns", nil, "the `columns` of a table or CSV, with commas between them, or all")
	flags.StringSliceVar(&a.output.Sort, "sort", nil, "sort the rows here, by these `columns`; -name is from the last to the first")
	flags.BoolVar(&a.output.NoHeader, "no-header", false, "a table or CSV without the line of names")
	a.completeFlag(cmd, "columns", func() []string { return append(names(), "all") })
	a.completeFlag(cmd, "sort", names)
	a.completeFlag(cmd, "where", names)
	if f == byServer {
		flags.StringSliceVar(&a.list.orderBy, "order-by", nil, "have the server sort by these `fields`; -name is from the last to the first")
		a.completeFlag(cmd, "order-by", names)
	}
	checkFormat := cmd.PreRunE
	cmd.PreRunE = nil // its problems are told with the others
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var problems []error
		if err := checkFormat(cmd, args); err != nil {
			problems = append(problems, err)
		}
		list, err := newRowList(a, columns, f)
		if err := errors.Join(append(problems, err)...); err != nil {
			return &usageError{err}
		}
		s, err := a.listSession(cmd)
		if err != nil {
			return err
		}
		defer s.done()
		seq, err := rows(cmd, s, args, list.options())
		if err != nil {
			return err
		}
		return list.write(a, seq)
	}
	return cmd
}

// listSession is the session of a list, with a domain if the command takes one.
func (a *app) listSession(cmd *cobra.Command) (*session, error) {
	if cmd.Flag("domain") != nil {
		return a.session(cmd.Context())
	}
	client, done, err := a.client(cmd.Context())
	if err != nil {
		return nil, err
	}
	return &session{client: client, done: done}, nil
}

// listHelp puts the fields of a list into its help.
func listHelp(cmd *cobra.Command, names []string, f filtered) {
	if cmd.Long == "" {
		cmd.Long = cmd.Short + "."
	}
	who := "The server and this program both choose the rows."
	if f == byClient {
		who = "The API cannot choose from this list: this program reads all of it, and chooses."
	}
	cmd.Long += "\n\nFields: " + strings.Join(names, ", ") + ".\n" +
		`The names of the API are taken too. "infinitysip help filters" tells what --where takes.
` + who
}

// A rowList is a list as the flags want it.
type rowList[R any] struct {
	columns []output.Column[R]
	listPlan
}

// A listPlan is what is the same for all types of rows.
type listPlan struct {
	output output.Options
	wheres []*rowCondition
	sort   []infinitysip.Sort[anyRow]
	sorted *sortCheck // of the first --order-by; nil: there is none
}

// A sortCheck finds out whether the server sorts. It compares numbers and times, since
// nobody knows how the server orders texts.
type sortCheck struct {
	name      string
	value     func(row any) string
	backwards bool
	last      string
	wrong     bool
}

// see looks at a row, of which this is a pointer.
func (c *sortCheck) see(row any) {
	value := c.value(row)
	before, after := c.last, value
	if c.backwards {
		before, after = after, before
	}
	c.last = value
	if n, err := strconv.ParseInt(before, 10, 64); err == nil {
		if m, err := strconv.ParseInt(after, 10, 64); err == nil && n > m {
			c.wrong = true
		}
		return
	}
	if t, err := time.Parse(time.DateTime, before); err == nil {
		if u, err := time.Parse(time.DateTime, after); err == nil && t.After(u) {
			c.wrong = true
		}
	}
}

// newRowList reads the flags, and tells all that is wrong with them.
func newRowList[R any](a *app, columns []output.Column[R], f filtered) (*rowList[R], error) {
	plan, err := a.planList(rowFields(columns), f, func(o output.Options) error { return output.Check(columns, o) })
	return &rowList[R]{columns, plan}, err
}

func (a *app) planList(fields []rowField, f filtered, checkOutput func(output.Options) error) (listPlan, error) {
	l := listPlan{output: a.output}
	l.output.Limit = a.list.limit
	var problems []error
	check := l.output
	check.Format = "table" // the format is checked already
	if check.Columns != nil || check.Sort != nil {
		problems = append(problems, checkOutput(check))
	}
	if a.list.limit < 0 {
		problems = append(problems, fmt.Errorf("--limit %d: the limit cannot be negative", a.list.limit))
	}
	for _, text := range a.list.where {
		condition, err := newCondition(fields, text, f, time.Now())
		problems = append(problems, err)
		l.wheres = append(l.wheres, condition)
	}
	for _, name := range a.list.orderBy {
		name, backwards := strings.CutPrefix(strings.TrimSpace(name), "-")
		field, ok := sortedBy(fields, name)
		if !ok {
			problems = append(problems, orderProblem(fields, name))
			continue
		}
		if len(l.sort) == 0 && len(a.output.Sort) == 0 && sortsByNumber(field.api) {
			l.sorted = &sortCheck{name: name, value: field.text, backwards: backwards}
		}
		if field := infinitysip.Field[anyRow](field.api); backwards {
			l.sort = append(l.sort, field.Desc())
		} else {
			l.sort = append(l.sort, field.Asc())
		}
	}
	return l, errors.Join(problems...)
}

// sortedBy finds a field, and whether the server can sort by it.
func sortedBy(fields []rowField, name string) (field rowField, ok bool) {
	for _, by := range []func(f rowField) string{
		func(f rowField) string { return f.name },
		func(f rowField) string { return f.api },
	} {
		for _, f := range fields {
			if name != "" && strings.EqualFold(by(f), name) {
				return f, f.member != nil
			}
		}
	}
	return rowField{}, false
}

func orderProblem(fields []rowField, name string) error {
	var names []string
	for _, f := range fields {
		if f.member != nil {
			names = append(names, f.name)
		}
	}
	return withMend(fmt.Errorf("--order-by: the server cannot sort by %q%s", name, near.Meant(name, names)),
		"It sorts by %s. To sort here, use --sort.", strings.Join(names, ", "))
}

// sortsByNumber reports whether the API has a number or a time in a field. A number in
// another one may be sorted as a text.
func sortsByNumber(field string) bool {
	return strings.HasSuffix(field, "Id") || strings.HasSuffix(field, "Datetime")
}

// options are what the server is asked with.
func (l *rowList[R]) options() *infinitysip.ListOptions[R] {
	opts := &infinitysip.ListOptions[R]{}
	for _, s := range l.sort {
		opts.Sort = append(opts.Sort, infinitysip.Sort[R](s))
	}
	for _, condition := range l.wheres {
		opts.Filter = append(opts.Filter, filtersOf[R](condition)...)
	}
	if len(l.wheres) == 0 && len(l.output.Sort) == 0 {
		opts.Limit = l.output.Limit
	}
	return opts
}

func filtersOf[R any](condition *rowCondition) (all []infinitysip.Filter[R]) {
	for _, f := range condition.filters {
		all = append(all, infinitysip.Filter[R](f))
	}
	return all
}

// write writes the rows that meet the conditions.
func (l *rowList[R]) write(a *app, rows iter.Seq2[R, error]) error {
	matching := rows
	if len(l.wheres) > 0 || l.sorted != nil {
		matching = func(yield func(R, error) bool) {
			var row R // one for all, so that only one is on the heap
			for next, err := range rows {
				row = next
				if l.sorted != nil && err == nil {
					l.sorted.see(&row)
				}
				if (err != nil || l.match(&row)) && !yield(next, err) {
					return
				}
			}
		}
	}
	written, err := output.WriteWith(a.stdout, matching, l.columns, l.output, appendRow[R]())
	if l.sorted != nil && l.sorted.wrong {
		fmt.Fprintf(a.stderr, "The server did not sort by %s: the rows are in its own order. To sort them here, use --sort.\n", printable(l.sorted.name))
	}
	return listError(err, written)
}

// appendRow returns what appends the JSON of a row. The SDK's own rows have a way that
// is faster than encoding/json.
func appendRow[R any]() func([]byte, *R) ([]byte, error) {
	if reflect.TypeFor[R]().PkgPath() == reflect.TypeFor[infinitysip.User]().PkgPath() {
		return infinitysip.AppendJSON[R]
	}
	return func(text []byte, row *R) ([]byte, error) { return appendJSON(text, row) }
}

func appendJSON(text []byte, row any) ([]byte, error) {
	more, err := json.Marshal(row)
	return append(text, more...), err
}

// listError says of an error within a list how much of it was printed.
func listError(err error, written int) error {
	if _, ok := errors.AsType[*output.RowError](err); ok {
		return &usageError{err}
	}
	_, ofOutput := errors.AsType[*output.WriteError](err)
	switch {
	case err == nil, ofOutput, written == 0:
		return err
	case written == 1:
		return fmt.Errorf("%w\n%s", err, "One row was printed before that. The list is not complete.")
	}
	return fmt.Errorf("%w\n%s", err, strconv.Itoa(written)+" rows were printed before that. The list is not complete.") // the mend of err follows
}

// match reports whether a row, of which this is a pointer, meets the conditions.
func (l *listPlan) match(row any) bool {
	for _, condition := range l.wheres {
		if !condition.Match(condition.text(row)) {
			return false
		}
	}
	return true
}

// printRow prints one row, in the format of the flags. As a table it is a list of
// the columns and their values, one a line.
func printRow[R any](a *app, row *R, columns []output.Column[R]) error {
	err := output.WriteOne(a.stdout, row, columns, a.output)
	if _, ok := errors.AsType[*output.RowError](err); ok {
		return &usageError{err}
	}
	return err
}

// printID prints the id of what was made: by itself in a table, so that a script can
// take it, and otherwise as the API has it, {"userId":"17"}.
func printID[I infinitysip.ID](a *app, name string, id I) error {
	if a.output.Format == "" || a.output.Format == "table" {
		if _, err := fmt.Fprintln(a.stdout, id); err != nil {
			return &output.WriteError{Err: err}
		}
		return nil
	}
	text := strconv.FormatInt(int64(id), 10)
	row := idRow{name: text}
	return printRow(a, &row, []output.Column[idRow]{{Name: name, API: name, Value: func(*idRow) string { return text }}})
}

// An idRow is an id as the API gives it.
type idRow map[string]string
