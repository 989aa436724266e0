//go:build unix

package trials

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// finish stops the workers and looks at all that must hold in the end. The domains are
// those that should be right; the other ones are not looked at.
func (tr *trial) finish(domains []fleet.Domain) {
	tr.Helper()
	tr.stop()
	tr.requirePlansEmpty(domains)
	tr.requireNoDuplicates()
	tr.requireOneAtATime()
	tr.requireSecretsInForce(domains)
	tr.requireNothingLeft()
	tr.requireNoSecretShown()
}

func (tr *trial) requirePlansEmpty(domains []fleet.Domain) {
	tr.Helper()
	clients := map[string]*infinitysip.Client{}
	for name, a := range tr.accounts {
		clients[name] = a.srv.InProcessClient()
	}
	for _, d := range domains {
		state, err := tr.wish(d).state()
		require.NoError(tr, err)
		plan, err := provision.Plan(tr.Context(), clients[d.Account], tr.ids[d], state, &provision.PlanOptions{Prune: true, MaxDeletes: 1000})
		require.NoError(tr, err)
		if !plan.Empty() {
			tr.Errorf("%s is not as it should be:\n%s", d, plan)
		}
	}
}

func (tr *trial) requireNoDuplicates() {
	tr.Helper()
	for _, a := range tr.accounts {
		addresses := map[string]string{}
		for _, domain := range a.srv.Domains() {
			once := func(seen map[string]string, kind, value string) {
				if value == "" {
					return
				}
				if before, twice := seen[kind+value]; twice {
					tr.Errorf("%s/%s has the %s %s, which %s has too", a.name, domain.DisplayName, kind, value, before)
				}
				seen[kind+value] = domain.DisplayName
			}
			own := map[string]string{}
			for _, u := range a.srv.Users(domain.ID) {
				once(own, "user ", u.User)
				once(own, "number ", u.ExtensionNumber)
			}
			for _, g := range a.srv.Groups(domain.ID) {
				once(own, "group ", g.Name)
				once(own, "number ", g.ExtensionNumber)
			}
			for _, q := range a.srv.Queues(domain.ID) {
				once(own, "queue ", q.Name)
				once(own, "number ", q.ExtensionNumber)
				for _, m := range a.srv.QueueMembers(domain.ID, q.ID) {
					once(own, "member of queue "+q.Name+" ", fmt.Sprint(m.GroupID))
				}
			}
			for _, n := range a.srv.TrustedNetworks(domain.ID) {
				once(own, "network ", n.Network.Masked().String())
			}
			for _, d := range a.srv.Devices(domain.ID) {
				once(addresses, "address ", d.MACAddress)
			}
		}
	}
}

// requireOneAtATime looks for domains that a worker changed after another had begun to plan. A
// request that a worker was about to send when it was stopped may come late.
func (tr *trial) requireOneAtATime() {
	tr.Helper()
	changes, late := 0, 0
	for _, a := range tr.accounts {
		planner := map[string]string{} // by domain
		for _, r := range a.requests() {
			_, id, _ := strings.Cut(r.path, "/domains/")
			id, _, in := strings.Cut(id, "/")
			switch {
			case !in || r.status == 0:
			case r.reads && strings.HasSuffix(r.op, ".List"):
				planner[id] = r.from
			case r.reads:
			case planner[id] == r.from:
				changes++
			case r.at.Sub(tr.halted[r.from]).Abs() < time.Second:
				late++
			default:
				tr.Errorf("%s: %s sent %s %s after %s had begun to plan", r.at.Format(time.StampMilli), r.from, r.op, r.path, planner[id])
			}
		}
	}
	tr.Logf("%d changes came from one worker of a domain at a time, and %d late ones from workers that had been stopped", changes, late)
}

// requireSecretsInForce looks that each user and each device has what the database says.
func (tr *trial) requireSecretsInForce(domains []fleet.Domain) {
	tr.Helper()
	all, err := tr.db.Secrets(tr.Context(), tr.identity)
	require.NoError(tr, err)
	type key struct{ account, domain, user, device string }
	confirmed := map[key]provision.Credential{}
	for _, s := range all {
		if s.State != provision.CredentialConfirmed {
			tr.Errorf("%s of %s%s is among the secrets, and %s", s.User, s.Domain, s.Device, s.State)
		}
		k := key{s.Account, s.Domain, s.User, ""}
		if s.Device != "" {
			k = key{s.Account, s.Domain, "", s.Device}
		}
		// A password and a PIN may come one by one.
		c := confirmed[k]
		c.User = s.User
		for _, of := range []struct{ to, from *infinitysip.Secret }{{&c.Password, &s.Password}, {&c.PIN, &s.PIN}, {&c.Token, &s.Token}} {
			if !of.from.IsZero() && !of.to.IsZero() {
				tr.Errorf("%s has two secrets for the same", s.User)
			}
			if !of.from.IsZero() {
				*of.to = *of.from
			}
		}
		confirmed[k] = c
	}
	var users, devices int
	for _, d := range domains {
		a := tr.accounts[d.Account]
		for _, u := range a.srv.Users(tr.ids[d]) {
			users++
			c := confirmed[key{d.Account, d.Name, u.User, ""}]
			if !c.Password.Equal(u.Password) {
				tr.Errorf("%s of %s: the password in force is not the confirmed one (one is confirmed: %t)", u.User, d, !c.Password.IsZero())
			}
			// A PIN of an earlier user of that name says nothing where there is none.
			if !u.PIN.IsZero() && !c.PIN.Equal(u.PIN) {
				tr.Errorf("%s of %s: the PIN in force is not the confirmed one (one is confirmed: %t)", u.User, d, !c.PIN.IsZero())
			}
		}
		for _, device := range a.srv.Devices(tr.ids[d]) {
			if device.UserID == 0 {
				continue
			}
			devices++
			c := confirmed[key{d.Account, d.Name, "", device.MACAddress}]
			a.mu.Lock()
			token := a.tokens[device.ID]
			a.mu.Unlock()
			switch {
			case c.Token.Reveal() != token:
				tr.Errorf("%s of %s: the token in force is not the confirmed one (one is confirmed: %t)", device.MACAddress, d, !c.Token.IsZero())
			case c.User != device.User:
				tr.Errorf("%s of %s is %s's, and its secret says %s", device.MACAddress, d, device.User, c.User)
			}
		}
	}
	tr.Logf("secrets: those of %d users and %d devices are in force", users, devices)
}

// requireNothingLeft looks for jobs and for files of locks.
func (tr *trial) requireNothingLeft() {
	tr.Helper()
	jobs := tr.jobs()
	for _, state := range []string{"running", "retryable", "available", "pending"} {
		require.Zero(tr, jobs[state], "jobs in the state %s: %v", state, jobs)
	}
	if tr.raw.File == nil {
		return
	}
	require.NoError(tr, filepath.WalkDir(tr.path("database"), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || entry.IsDir():
		case filepath.Dir(name) != tr.path("database") || !strings.HasPrefix(entry.Name(), "fleet.db"):
			tr.Errorf("a file is left: %s", name)
		}
		return err
	}))
}

// jobs are how many jobs of domains there are in each state.
func (tr *trial) jobs() map[string]int {
	tr.Helper()
	jobs := map[string]int{}
	require.NoError(tr, tr.raw.Query(tr.Context(), func(scan func(...any) error) error {
		var state string
		var n int
		err := scan(&state, &n)
		jobs[state] = n
		return err
	}, "SELECT CAST(state AS text), count(*) FROM river_job WHERE kind = 'fleet_domain' GROUP BY state"))
	return jobs
}

// requireNoSecretShown searches the database and the logs for all that is secret.
func (tr *trial) requireNoSecretShown() {
	tr.Helper()
	begun := time.Now()
	var secrets []string
	for _, a := range tr.accounts {
		a.mu.Lock()
		for secret := range a.secrets {
			secrets = append(secrets, secret)
		}
		a.mu.Unlock()
	}
	for _, d := range tr.domains {
		if secret := tr.wish(d).Secret; secret != "" {
			secrets = append(secrets, secret)
		}
	}
	search := newSearch(secrets)
	var size int
	look := func(where string, text []byte) {
		size += len(text)
		for _, found := range search.in(text) {
			tr.Errorf("%s holds a secret, %s", where, found)
		}
	}
	tr.eachTable(look)
	names, err := filepath.Glob(tr.path("database", "fleet.db*"))
	require.NoError(tr, err)
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".locks") })
	logs, err := filepath.Glob(tr.path("*.log"))
	require.NoError(tr, err)
	for _, name := range append(names, logs...) {
		text, err := os.ReadFile(name)
		require.NoError(tr, err)
		look("the file "+filepath.Base(name), text)
		if bytes.Contains(text, []byte("DATA RACE")) {
			tr.Errorf("the race detector found something: %s", filepath.Base(name))
		}
	}
	require.NotZero(tr, size)
	require.Equal(tr, []string{"as it is"}, search.in([]byte("x "+secrets[0]+"y")), "the search itself is broken")
	tr.Logf("searched %d kB for %d secrets in %s", size/1000, len(secrets), time.Since(begun).Round(time.Millisecond))
}

// eachTable hands over the text of every table, and each of its binary values as it is.
func (tr *trial) eachTable(look func(where string, text []byte)) {
	tr.Helper()
	ctx := tr.Context()
	var tables []string
	list := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if tr.raw.Pool != nil {
		list = "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
	}
	require.NoError(tr, tr.raw.Query(ctx, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		tables = append(tables, name)
		return err
	}, list))
	require.Contains(tr, strings.Join(tables, " "), "river_job")
	for _, table := range tables {
		text, err := tr.dump(ctx, table)
		require.NoError(tr, err, table)
		look("the table "+table, text)
	}
}

func (tr *trial) dump(ctx context.Context, table string) ([]byte, error) {
	var text bytes.Buffer
	show := func(values []any) {
		for _, value := range values {
			if raw, ok := value.([]byte); ok {
				text.Write(raw)
			} else {
				fmt.Fprint(&text, value)
			}
			text.WriteByte('\n')
		}
	}
	if tr.raw.Pool != nil {
		rows, err := tr.raw.Pool.Query(ctx, "SELECT t::text, t.* FROM "+table+" t")
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return nil, err
			}
			show(values)
		}
		return text.Bytes(), rows.Err()
	}
	rows, err := tr.raw.File.QueryContext(ctx, "SELECT * FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		show(values)
	}
	return text.Bytes(), rows.Err()
}

// A search finds any of many texts, in several spellings, by their first eight bytes.
type search map[[8]byte][]spelling

type spelling struct{ text, how string }

func newSearch(secrets []string) search {
	s := search{}
	add := func(text, how string) {
		first := [8]byte([]byte(text))
		if !slices.Contains(s[first], spelling{text, how}) {
			s[first] = append(s[first], spelling{text, how})
		}
	}
	for _, secret := range secrets {
		add(secret, "as it is")
		add(hex.EncodeToString([]byte(secret)), "in hexadecimal digits")
		add(strings.ToUpper(hex.EncodeToString([]byte(secret))), "in hexadecimal digits")
		for shift := range 3 { // the secret may stand anywhere in what is encoded
			text := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:shift] + secret))
			text = text[(shift*8+5)/6 : len(text)-2]
			add(text, "in base64")
			add(strings.NewReplacer("+", "-", "/", "_").Replace(text), "in base64")
		}
	}
	return s
}

func (s search) in(text []byte) []string {
	var found []string
	for len(text) >= 8 {
		for _, one := range s[[8]byte(text)] {
			if bytes.HasPrefix(text, []byte(one.text)) && !slices.Contains(found, one.how) {
				found = append(found, one.how)
			}
		}
		text = text[1:]
	}
	return found
}
