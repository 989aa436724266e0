package command

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// domainFileName is the name of the files of a domain, without the ending, such as
// 7-acme: its id, and what of its name every system takes.
func domainFileName(d *infinitysip.Domain) string {
	const most = 60
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '-'
	}, d.DisplayName)
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == '-' }), "-")
	name = strings.TrimRight(name[:min(len(name), most)], "-")
	if name == "" {
		return idText(d.ID)
	}
	return idText(d.ID) + "-" + name
}

// domainOfFile is the domain of a file: the id that its name begins with, or else the
// display name.
func domainOfFile(key string) string {
	id, _, _ := strings.Cut(key, "-")
	if _, err := infinitysip.ParseID[infinitysip.DomainID](id); err == nil {
		return id
	}
	return "=" + key
}

// jobs finds the files of each domain in folders, in the order of ids.
func (p *provisioner) jobs(folders []string) ([]*job, error) {
	byKey := map[string]*job{}
	var all []*job
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, fmt.Errorf("reading the folder of --all-domains: %w", err)
		}
		for _, entry := range entries {
			ending := strings.ToLower(filepath.Ext(entry.Name()))
			if entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || ending != ".json" && ending != ".csv" && ending != ".tsv" {
				continue
			}
			key := strings.TrimSuffix(entry.Name(), filepath.Ext(entry.Name()))
			domain := domainOfFile(key)
			t := byKey[domain]
			if t == nil {
				t = &job{input: &input{}, key: key, domain: domain, title: "domain " + printable(strings.TrimPrefix(domain, "=")), secrets: p.secretsOf(key)}
				byKey[domain] = t
				all = append(all, t)
			}
			if t.key != key && t.problems == nil {
				t.problems = wrongUse("%s and %s are both for %s: give them one name", t.key, key, t.title)
			}
			t.files = append(t.files, filepath.Join(folder, entry.Name()))
		}
	}
	if len(all) == 0 {
		return nil, wrongUse("there is no .json, .csv or .tsv file in %s", strings.Join(folders, " or "))
	}
	slices.SortStableFunc(all, func(a, b *job) int {
		one, _ := infinitysip.ParseID[infinitysip.DomainID](a.domain)
		other, _ := infinitysip.ParseID[infinitysip.DomainID](b.domain)
		return cmp.Or(cmp.Compare(one, other), cmp.Compare(a.domain, b.domain))
	})
	return all, nil
}

// secretsOf are the secrets of a domain: --secrets is a folder with a file for each,
// since users of two domains may have the same name.
func (p *provisioner) secretsOf(key string) secretOptions {
	o := p.secrets
	if o.file != "" {
		ending := ".csv"
		if len(o.recipients) > 0 || o.identity != "" {
			ending = ".age"
		}
		o.file = filepath.Join(o.file, key+ending)
	}
	return o
}

// readAll reads the files of all jobs. With a plan for some domains, those
// without one are left alone.
func (p *provisioner) readAll(ctx context.Context, folders []string) ([]*job, error) {
	all, err := p.jobs(folders)
	if err != nil {
		return nil, err
	}
	plans := false
	for _, t := range all {
		if t.problems != nil {
			continue
		}
		in, err := p.read(ctx, t.files)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			t.problems = err
			continue
		}
		t.input = in
		plans = plans || in.plan != nil
	}
	if plans {
		all = slices.DeleteFunc(all, func(t *job) bool { return t.plan == nil && t.problems == nil })
	}
	return all, nil
}

// fail tells an error of a job.
func (p *provisioner) fail(t *job, err error) {
	t.problems = err
	if err.Error() != "" {
		fmt.Fprintf(p.stderr, "infinitysip: %s: %s\n", t.title, p.plain(err))
	}
}

// worst is the exit code of all jobs.
func worst(all []*job, code int) error {
	rank := []int{exitDone, exitChanges, exitFailed, exitUsage, exitNotFound, exitCredentials, exitUnknown}
	for _, t := range all {
		if found := exitCode(t.problems); slices.Index(rank, found) > slices.Index(rank, code) {
			code = found
		}
	}
	if code == exitDone {
		return nil
	}
	return &codeError{code, nil}
}

func failed(all []*job) (n int) {
	for _, t := range all {
		if t.problems != nil {
			n++
		}
	}
	return n
}

func (p *provisioner) checkAll(ctx context.Context, folders []string) error {
	all, err := p.readAll(ctx, folders)
	if err != nil {
		return nothingChanged(ctx, err)
	}
	for _, t := range all {
		if t.problems != nil {
			p.fail(t, t.problems)
			continue
		}
		if _, err := fmt.Fprintf(p.stdout, "%s: %s\n", printable(t.key), t.summary()); err != nil {
			return written(err)
		}
	}
	return worst(all, exitDone)
}

// findEach finds the domain of each job. Two jobs of one domain, of which one has its
// id and one its name, are in each other's way: neither is planned.
func (p *provisioner) findEach(ctx context.Context, all []*job, client *infinitysip.Client) error {
	byID := map[infinitysip.DomainID]*job{}
	for _, t := range all {
		if t.problems != nil {
			continue
		}
		domain, err := p.findDomain(ctx, client, t.domain)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, infinitysip.ErrUnauthorized):
			return err
		case err != nil:
			t.problems = err
			continue
		}
		t.session = &session{client: client, domain: domain}
		t.title = sessionTitle(t.domain, t.session)
		if other := byID[domain]; other != nil {
			t.problems = wrongUse("the files %s and %s are both for the domain with the id %d: give them one name", printable(other.key), printable(t.key), domain)
			other.problems = t.problems
		}
		byID[domain] = t
	}
	return nil
}

// planEach plans all jobs, and tells each plan with tell.
func (p *provisioner) planEach(ctx context.Context, all []*job, client *infinitysip.Client, tell func(*job) error) error {
	if err := p.findEach(ctx, all, client); err != nil {
		return err
	}
	for _, t := range all {
		if t.problems != nil {
			p.fail(t, t.problems)
			continue
		}
		err := p.makePlan(ctx, t)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, infinitysip.ErrUnauthorized):
			return err // of no domain alone
		case err != nil:
			p.fail(t, err)
			continue
		}
		if err := tell(t); err != nil {
			return err
		}
	}
	return nil
}

// planAll plans each domain.
func (p *provisioner) planAll(ctx context.Context, folders []string) error {
	all, err := p.readAll(ctx, folders)
	if err != nil {
		return nothingChanged(ctx, err)
	}
	if p.out != "" {
		if err := os.MkdirAll(p.out, 0o755); err != nil {
			return fmt.Errorf("making the folder of --out: %w", err)
		}
	}
	client, done, err := p.client(ctx)
	if err != nil {
		return err
	}
	defer done()
	defer func() {
		if p.out != "" {
			_ = os.Remove(p.out) // if nothing is in it
		}
	}()
	changes, domains := 0, 0
	err = p.planEach(ctx, all, client, func(t *job) error {
		if n := len(t.changes.Items); n > 0 {
			changes, domains = changes+n, domains+1
		}
		if p.out != "" {
			if err := p.writePlan(t); err != nil {
				p.fail(t, err)
				return nil
			}
		}
		return p.tellOne(t)
	})
	if err != nil {
		return nothingChanged(ctx, err)
	}
	p.sum(all, changes, domains)
	if changes == 0 {
		return worst(all, exitDone)
	}
	if p.out != "" {
		fmt.Fprintf(p.stderr, "The plans are in %s. This carries them out: infinitysip apply --all-domains %s\n", p.out, shellWord(p.out))
	}
	return worst(all, exitChanges)
}

// writePlan writes a plan to the folder of --out, also an empty one: an older plan is
// not to stay.
func (p *provisioner) writePlan(t *job) error {
	name := filepath.Join(p.out, t.key+".json")
	if !takesPlan(name) {
		return fmt.Errorf("%s is there already, and is no plan: give --out another folder", name)
	}
	text, err := planText(p.marked(t.changes))
	if err == nil {
		err = replaceFile(name, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("the plan could not be written to %s: %w", name, err)
	}
	return nil
}

// tellOne prints the plan of one of many domains: as one line of JSON, or under a
// title.
func (p *provisioner) tellOne(t *job) error {
	if p.json {
		text, err := json.Marshal(p.marked(t.changes))
		if err != nil {
			return err
		}
		_, err = p.stdout.Write(append(text, '\n'))
		return written(err)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "== %s\n\n", t.title)
	if t.changes.Empty() && len(t.changes.Notes) == 0 {
		fmt.Fprintln(&text, "There is nothing to do.")
	} else if err := p.printer().Print(&text, t.changes); err != nil {
		return err
	}
	fmt.Fprintln(&text)
	_, err := p.stdout.Write(text.Bytes())
	return written(err)
}

// sum says how much there is to do in all.
func (p *provisioner) sum(all []*job, changes, domains int) {
	text := fmt.Sprintf("%s in %d of %s", count(changes, "change"), domains, count(len(all), "domain"))
	if n := failed(all); n > 0 {
		text += fmt.Sprintf("; %s could not be planned", count(n, "domain"))
	}
	fmt.Fprintf(p.stderr, "%s.\n", text)
}

// applyAll plans each domain, asks once, and carries out the plans, one after another.
func (p *provisioner) applyAll(ctx context.Context, folders []string) error {
	all, err := p.readAll(ctx, folders)
	if err != nil {
		return nothingChanged(ctx, err)
	}
	if folder := p.secrets.file; folder != "" { // now: after planning it would be late to find that it cannot be made
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nothingChanged(ctx, fmt.Errorf("making the folder of --secrets: %w", err))
		}
		defer func() { _ = os.Remove(folder) }() // if nothing is in it
	}
	client, done, err := p.client(ctx)
	if err != nil {
		return err
	}
	defer done()
	changes, todo := 0, []*job(nil)
	err = p.planEach(ctx, all, client, func(t *job) error {
		if err := p.tellOne(t); err != nil {
			return &codeError{exitFailed, err} // what cannot be shown is not done
		}
		if t.changes.Empty() {
			return nil
		}
		if err := p.ready(t); err != nil {
			p.fail(t, err)
			return nil
		}
		changes, todo = changes+len(t.changes.Items), append(todo, t)
		return nil
	})
	if err != nil {
		return nothingChanged(ctx, err)
	}
	p.sum(all, changes, len(todo))
	if len(todo) == 0 {
		return worst(all, exitDone)
	}
	if !p.demo {
		if err := p.confirm(ctx, "Carry out %s in %s?", count(changes, "change"), count(len(todo), "domain")); err != nil {
			return err
		}
	}
	for i, t := range todo {
		if ctx.Err() != nil {
			fmt.Fprintf(p.stderr, "Not begun: %s. Run the same again to go on.\n", count(len(todo)-i, "domain"))
			t.problems = ctx.Err()
			break
		}
		fmt.Fprintf(p.stdout, "== %s\n\n", t.title)
		if err := p.applyJob(ctx, t); err != nil {
			p.fail(t, err)
		}
		fmt.Fprintln(p.stdout)
		if exitCode(t.problems) == exitCredentials {
			if n := len(todo) - i - 1; n > 0 {
				fmt.Fprintf(p.stderr, "Not begun, since the credentials are refused: %s.\n", count(n, "domain"))
			}
			break
		}
	}
	return worst(all, exitDone)
}

// applyJob carries out the plan of one of many domains.
func (p *provisioner) applyJob(ctx context.Context, t *job) (err error) {
	if err := p.openKeeper(t); err != nil {
		return withMend(err, "Nothing was changed in this domain.")
	}
	defer func() {
		if t.keeper != nil {
			err = joinCode(err, t.keeper.Close())
		}
	}()
	return p.carryOut(ctx, t)
}
