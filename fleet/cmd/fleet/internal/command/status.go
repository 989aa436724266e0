package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/fleet"
)

func (a *app) statusCommand() *cobra.Command {
	var all, failing, drifted, asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how the domains are",
		Long: `Status tells how many domains are as they should be, how many have drifted, how many
fail and why, and how long ago the oldest of their last runs was.

  right    it is as it should be
  drifted  it differs and was not changed: because of --plan-only, or because more
           would have to be deleted than --max-deletes and --max-delete-share allow
  failing  the last run failed
  new      no run has ended yet

The exit code is 0 if all domains are right, 2 if some are not, and 1 if that cannot
be told.`,
		Example: `  fleet status
  fleet status --failing
  fleet status --domains --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inDatabase(cmd.Context(), func(db *fleet.DB) error {
				status, err := db.Status(cmd.Context())
				if err != nil {
					return err
				}
				chosen := []fleet.DomainStatus{} // which JSON writes as []
				for _, s := range status {
					if all || !failing && !drifted || failing && s.Health == fleet.HealthFailing || drifted && s.Health == fleet.HealthDrifted {
						chosen = append(chosen, s)
					}
				}
				switch {
				case asJSON:
					err = writeJSON(a.stdout, chosen)
				case all || drifted:
					err = writeDomains(a.stdout, time.Now(), chosen)
				case failing:
					a.writeFailing(time.Now(), chosen)
				default:
					err = writeSummary(a.stdout, time.Now(), status)
				}
				if err != nil {
					return err
				}
				for _, s := range status {
					if s.Health != fleet.HealthRight {
						return errNotRight
					}
				}
				return nil
			})
		},
	}
	a.databaseFlag(cmd)
	cmd.Flags().BoolVar(&all, "domains", false, "list all domains")
	cmd.Flags().BoolVar(&failing, "failing", false, "list the domains that fail, with the whole errors")
	cmd.Flags().BoolVar(&drifted, "drifted", false, "list the domains that have drifted")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON: all domains, or those that another flag chooses")
	return cmd
}

// writeJSON writes JSON, in which what a terminal may obey is escaped.
func writeJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var escaped strings.Builder
	for _, r := range text.String() { // what is not ASCII is in strings
		if r < utf8.RuneSelf && r != '\x7f' || unicode.IsPrint(r) {
			escaped.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&escaped, `\u%04x`, unit)
		}
	}
	_, err := io.WriteString(w, escaped.String())
	return err
}

// writeSummary writes a line for each health, and then the first of the domains that
// fail.
func writeSummary(w io.Writer, now time.Time, all []fleet.DomainStatus) error {
	const most = 10
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "There are no domains yet: fleet enqueue adds them.")
		return err
	}
	type line struct {
		domains, waiting, running, retrying int
		oldest                              time.Time
	}
	lines := map[fleet.Health]*line{}
	failing := [][]string{{"FAILING", "LAST RIGHT", "LAST RUN", "ERROR"}}
	more, running, putOff := 0, 0, 0
	var first fleet.DomainStatus // of those that were put off
	var longest time.Time        // since when a job waits
	for _, s := range all {
		l := lines[s.Health]
		if l == nil {
			l = &line{}
			lines[s.Health] = l
		}
		l.domains++
		if l.oldest.IsZero() || s.At.Before(l.oldest) {
			l.oldest = s.At
		}
		switch s.Job {
		case fleet.JobWaiting:
			l.waiting++
			if longest.IsZero() || s.Next.Before(longest) {
				longest = s.Next
			}
		case fleet.JobRunning:
			l.running++
			running++
		case fleet.JobRetrying:
			l.retrying++
		case fleet.JobNone:
		}
		if s.PutOff != "" {
			if putOff++; putOff == 1 {
				first = s
			}
		}
		if s.Health != fleet.HealthFailing {
			continue
		}
		if len(failing) > most {
			more++
			continue
		}
		failing = append(failing, []string{printable(s.String()), ago(now, s.RightAt), ago(now, s.At), firstLine(s.Error)})
	}
	right := 0
	if l := lines[fleet.HealthRight]; l != nil {
		right = l.domains
	}
	fmt.Fprintf(w, "%s of %s as they should be.\n\n", thousands(right), are(len(all)))
	rows := [][]string{{"HEALTH", "DOMAINS", "OLDEST RUN", "WAITING", "RUNNING", "RETRYING"}}
	for _, health := range []fleet.Health{fleet.HealthRight, fleet.HealthDrifted, fleet.HealthFailing, fleet.HealthNew} {
		if l := lines[health]; l != nil {
			rows = append(rows, []string{string(health), thousands(l.domains), ago(now, l.oldest), thousands(l.waiting), thousands(l.running), thousands(l.retrying)})
		}
	}
	if err := table(w, rows); err != nil {
		return err
	}
	if putOff > 0 {
		fmt.Fprintf(w, "\n%s put off, such as %s: %s\n", are(putOff), printable(first.String()), firstLine(first.PutOff))
	}
	if len(failing) > 1 {
		fmt.Fprintln(w)
		if err := table(w, failing); err != nil {
			return err
		}
	}
	if more > 0 {
		fmt.Fprintf(w, "and %s more: fleet status --failing\n", thousands(more))
	}
	if running == 0 && !longest.IsZero() && now.Sub(longest) > time.Minute {
		fmt.Fprintf(w, "\nNo domain is being run, and the first has been waiting for %s: is there a worker?\n", strings.TrimSuffix(ago(now, longest), " ago"))
	}
	return nil
}

// writeFailing writes domains with their whole errors.
func (a *app) writeFailing(now time.Time, all []fleet.DomainStatus) {
	for _, s := range all {
		fmt.Fprintf(a.stdout, "%s: last right %s, last run %s, %s in a row\n", printable(s.String()), ago(now, s.RightAt), ago(now, s.At), count(s.Failures, "failure"))
		a.indented(s.Error)
	}
}

// writeDomains writes a line for each domain.
func writeDomains(w io.Writer, now time.Time, all []fleet.DomainStatus) error {
	rows := [][]string{{"DOMAIN", "HEALTH", "LAST RIGHT", "LAST RUN", "REV", "JOB", "ERROR"}}
	for _, s := range all {
		job := string(s.Job)
		if s.Job == fleet.JobNone {
			job = "-"
		}
		text := firstLine(s.Error)
		if s.PutOff != "" {
			text = "put off: " + firstLine(s.PutOff)
		}
		rows = append(rows, []string{printable(s.String()), string(s.Health), ago(now, s.RightAt), ago(now, s.At), dash(s.Rev), job, text})
	}
	return table(w, rows)
}

// dash is a text for a column, which is never empty.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return printable(text)
}
