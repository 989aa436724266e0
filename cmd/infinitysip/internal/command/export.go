package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// An exporter writes domains to files.
type exporter struct {
	*app
	out, csv string
	all      bool
	force    bool
}

func (a *app) exportCommand() *cobra.Command {
	e := &exporter{app: a}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a whole domain to a file",
		Long: `Export writes what a domain is: its users, groups, queues, trusted networks and
devices, as JSON that plan and apply take. It only reads. Passwords and PINs are not
in it, because the API does not show them. It goes to standard output, or to --out.

--csv writes the people as CSV, for a spreadsheet, with the names of their groups and
the addresses of their devices.

Given to plan for the same domain, either changes nothing. But with --prune the CSV has
devices deleted that are nobody's, for which it has no room.`,
		Example: `  infinitysip export --domain acme --out acme.json
  infinitysip export --csv people.csv
  infinitysip export --all-domains --out domains/`,
		Args: cobra.NoArgs,
	}
	a.domainFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&e.out, "out", "", "the `file` to write, or with --all-domains the folder; without it, standard output")
	f.StringVar(&e.csv, "csv", "", "write the people as CSV to this `file`; - is standard output")
	f.BoolVar(&e.all, "all-domains", false, "write all domains of the account, a file each")
	f.BoolVar(&e.force, "force", false, "write over files that are there already")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := e.check(); err != nil {
			return err
		}
		if e.all {
			return e.exportAll(cmd.Context())
		}
		return e.exportOne(cmd.Context())
	}
	return cmd
}

// check finds wrong use before anything is sent.
func (e *exporter) check() error {
	wrong := oneFileTwice([]usedFile{{"--credentials-file", e.credentialsFile}, {"--out", e.out}, {"--csv", e.csv}})
	if e.all {
		if e.out == "" {
			wrong = append(wrong, errors.New("--all-domains needs --out, a folder"))
		}
		if e.csv != "" {
			wrong = append(wrong, errors.New("--all-domains and --csv cannot go together: export one domain as CSV"))
		}
		if e.domain != "" {
			wrong = append(wrong, errors.New("--all-domains and --domain cannot go together"))
		}
		return wrongUses(wrong)
	}
	for _, f := range []usedFile{{"--out", e.out}, {"--csv", e.csv}} {
		if f.name != "" && f.name != "-" && !e.force && occupied(f.name) {
			wrong = append(wrong, fmt.Errorf("%s is there already: give %s another name, or say --force to write over it", f.name, f.what))
		}
	}
	if e.csv == "-" && e.out == "-" {
		wrong = append(wrong, errors.New("--out and --csv cannot both be standard output"))
	}
	return wrongUses(wrong)
}

func (e *exporter) exportOne(ctx context.Context) error {
	s, err := e.session(ctx)
	if err != nil {
		return err
	}
	defer s.done()
	title := sessionTitle(e.domain, s)
	state, err := readDomain(ctx, s.client, s.domain, title)
	if err != nil {
		return err
	}
	if e.out != "" || e.csv == "" {
		if err := e.write(e.out, state.WriteJSON); err != nil {
			return fmt.Errorf("writing %s: %w", title, err)
		}
	}
	if e.csv != "" {
		if err := e.write(e.csv, state.WriteCSV); err != nil {
			return fmt.Errorf("writing the people of %s: %w", title, err)
		}
	}
	fmt.Fprintf(e.stderr, "%s.\n", contents(state))
	if err := state.Check(); err != nil {
		fmt.Fprintf(e.stderr, "Plan would take some of it for mistakes:\n%s\n", strings.TrimPrefix(err.Error(), "provision: "))
	}
	return nil
}

func readDomain(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, title string) (*provision.State, error) {
	state, err := provision.ReadDomain(ctx, client, domain)
	if err != nil && ctx.Err() != nil {
		return nil, &codeError{exitFailed, errors.New("stopped: nothing was written")}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", title, plainError(err))
	}
	return state, nil
}

// contents says how much a domain has.
func contents(s *provision.State) string {
	return fmt.Sprintf("%s, %s, %s, %s, %s", count(len(s.Users), "user"), count(len(s.Groups), "group"),
		count(len(s.Queues), "queue"), count(len(s.TrustedNetworks), "trusted network"), count(len(s.Devices), "device"))
}

// write writes a file, as a whole or not at all; "" and - are standard output.
func (e *exporter) write(name string, write func(w io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return plainError(err)
	}
	if name == "" || name == "-" {
		_, err := e.stdout.Write(text.Bytes())
		return written(err)
	}
	if !e.force && occupied(name) {
		return fmt.Errorf("%s is there already", name)
	}
	return replaceFile(name, text.Bytes(), 0o644)
}

// exportAll writes each domain. One that cannot be read does not stop the others.
func (e *exporter) exportAll(ctx context.Context) error {
	client, done, err := e.client(ctx)
	if err != nil {
		return err
	}
	defer done()
	domains, err := client.Domains.List(ctx)
	if err != nil {
		return fmt.Errorf("listing the domains: %w", err)
	}
	if err := os.MkdirAll(e.out, 0o755); err != nil {
		return fmt.Errorf("making the folder of --out: %w", err)
	}
	if !e.force {
		var there []error
		for i := range domains {
			if name := e.fileOf(&domains[i]); occupied(name) {
				there = append(there, fmt.Errorf("%s is there already", name))
			}
		}
		if there != nil {
			return withMend(wrongUses(there), "Give --out another folder, or say --force to write over them. Nothing was written.")
		}
	}
	var all []*job
	for i := range domains {
		d := &domains[i]
		t := &job{title: sessionTitle(d.DisplayName, &session{domain: d.ID})}
		all = append(all, t)
		state, err := readDomain(ctx, client, d.ID, t.title)
		if err == nil {
			err = e.write(e.fileOf(d), state.WriteJSON)
		}
		switch {
		case ctx.Err() != nil:
			return &codeError{exitFailed, fmt.Errorf("stopped: %d of %s are written", i, count(len(domains), "domain"))}
		case errors.Is(err, infinitysip.ErrUnauthorized):
			return err
		case err != nil:
			(&provisioner{app: e.app}).fail(t, err)
			continue
		}
		if _, err := fmt.Fprintf(e.stdout, "%s\n", e.fileOf(d)); err != nil {
			return written(err)
		}
	}
	fmt.Fprintf(e.stderr, "%d of %s written to %s.\n", len(all)-failed(all), count(len(domains), "domain"), e.out)
	return worst(all, exitDone)
}

func (e *exporter) fileOf(d *infinitysip.Domain) string {
	return filepath.Join(e.out, domainFileName(d)+".json")
}
