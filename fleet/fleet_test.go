package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is an API, a database, and what the domains should be.
type world struct {
	t        *testing.T
	server   *siptest.Server
	db       *fleet.DB
	identity *age.X25519Identity
	config   fleet.Config
	log      *buffer

	mu     sync.Mutex
	states map[string]*provision.State
}

type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func newWorld(t *testing.T, where string) *world {
	server := siptest.New(t)
	db, err := fleet.Open(t.Context(), where)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	w := &world{t: t, server: server, db: db, identity: identity, states: map[string]*provision.State{}, log: &buffer{}}
	w.config = fleet.Config{
		Clients: func(_ context.Context, account string, opts ...infinitysip.Option) (*infinitysip.Client, error) {
			if account != "acme" {
				return nil, fmt.Errorf("there is no account %q", account)
			}
			return w.server.Client(opts...), nil
		},
		Desired: func(_ context.Context, _, domain string) (*provision.State, string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			state, ok := w.states[domain]
			if !ok {
				return nil, "", errors.New("no file has this domain")
			}
			return state, "r1", nil
		},
		Recipients: []age.Recipient{identity.Recipient()},
		Logger:     slog.New(slog.NewTextHandler(w.log, nil)),
		Every:      -1,
	}
	return w
}

// add adds a domain to the API, and says what it should be: with some users.
func (w *world) add(domain string, users ...string) fleet.Domain {
	w.t.Helper()
	w.server.AddDomain(infinitysip.Domain{DisplayName: domain})
	w.want(domain, users...)
	return fleet.Domain{Account: "acme", Name: domain, Rev: "r1"}
}

func (w *world) want(domain string, users ...string) {
	state := &provision.State{}
	for i, user := range users {
		state.Users = append(state.Users, provision.User{User: user, DisplayName: user, ExtensionNumber: fmt.Sprint(200 + i)})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[domain] = state
}

// run runs a fleet until done is true of the status.
func (w *world) run(done func([]fleet.DomainStatus) bool) []fleet.DomainStatus {
	w.t.Helper()
	stop := w.start()
	defer stop()
	return w.wait(done)
}

func (w *world) start() (stop func()) {
	w.t.Helper()
	f, err := fleet.New(w.db, w.config)
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(w.t, <-ended)
	}
}

func (w *world) wait(done func([]fleet.DomainStatus) bool) []fleet.DomainStatus {
	w.t.Helper()
	var status []fleet.DomainStatus
	require.Eventually(w.t, func() bool {
		now, err := w.db.Status(w.t.Context())
		status = now
		return err == nil && done(now)
	}, 30*time.Second, 20*time.Millisecond, "%s", w.log)
	return status
}

// over reports whether no domain waits for its first run, or is being run.
func over(status []fleet.DomainStatus) bool {
	for _, d := range status {
		if d.Health == fleet.HealthNew || d.Job == fleet.JobRunning || d.Job == fleet.JobWaiting {
			return false
		}
	}
	return true
}

func TestRun(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		var all []fleet.Domain
		for i := range 5 {
			all = append(all, w.add(fmt.Sprintf("Office %d", i), "ann", "bob", "cay"))
		}
		require.NoError(t, w.db.Enqueue(t.Context(), all...))
		require.NoError(t, w.db.Enqueue(t.Context(), all...), "those that wait already")

		for i, d := range w.run(over) {
			require.Equal(t, all[i].Name, d.Name)
			require.Equal(t, fleet.HealthRight, d.Health, d.Error)
			require.Equal(t, 3, d.Changes)
			require.Equal(t, "r1", d.Rev)
			require.Equal(t, fleet.JobNone, d.Job)
			require.WithinDuration(t, time.Now(), d.RightAt, time.Minute)
			results, err := w.db.Results(t.Context(), all[i], 10)
			require.NoError(t, err)
			require.Len(t, results, 1)
			require.Len(t, results[0].Plan.Items, 3)
		}

		secrets, err := w.db.Secrets(t.Context(), w.identity)
		require.NoError(t, err)
		require.Len(t, secrets, 15)
		for _, domain := range w.server.Domains() {
			for _, user := range w.server.Users(domain.ID) {
				require.Contains(t, passwords(secrets), domain.DisplayName+" "+user.User+" "+user.Password.Reveal())
			}
		}
		other, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		_, err = w.db.Secrets(t.Context(), other)
		require.ErrorContains(t, err, "15 of 15 secrets cannot be decrypted")
	})
}

func passwords(secrets []fleet.Secret) (all []string) {
	for _, s := range secrets {
		all = append(all, s.Domain+" "+s.User+" "+s.Password.Reveal())
	}
	return all
}

// What is asked for while a run is under way is run after it.
func TestEnqueueDuringRun(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann")
		entered, leave := make(chan bool, 9), make(chan bool)
		desired := w.config.Desired
		w.config.Desired = func(ctx context.Context, account, domain string) (*provision.State, string, error) {
			state, rev, err := desired(ctx, account, domain)
			entered <- true
			<-leave
			return state, rev, err
		}
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		defer w.start()()
		<-entered
		w.want("Office", "ann", "bob")
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		leave <- true
		<-entered
		close(leave)
		w.wait(over)
		require.Len(t, w.server.Users(w.server.Domains()[0].ID), 2)
		results, err := w.db.Results(t.Context(), d, 10)
		require.NoError(t, err)
		require.Len(t, results, 2)
	})
}

func TestBadInput(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		good := w.add("Good", "ann")
		bad := w.add("Bad state", "ann", "ANN")
		nowhere := fleet.Domain{Account: "acme", Name: "Nowhere"}
		w.want("Nowhere", "ann")
		unwritten := fleet.Domain{Account: "acme", Name: "Unwritten"}
		stranger := fleet.Domain{Account: "stranger", Name: "Good"}
		require.NoError(t, w.db.Enqueue(t.Context(), good, bad, nowhere, unwritten, stranger))
		texts := map[string]string{}
		for _, d := range w.run(over) {
			texts[d.String()] = d.Error
			require.Equal(t, d.String() == "acme/Good", d.Health == fleet.HealthRight, d)
		}
		require.Empty(t, texts["acme/Good"])
		require.Contains(t, texts["acme/Bad state"], "twice")
		require.Contains(t, texts["acme/Nowhere"], "not found")
		require.Contains(t, texts["acme/Unwritten"], "no file has this domain")
		require.Contains(t, texts["stranger/Good"], `there is no account "stranger"`)

		require.ErrorIs(t, w.db.Enqueue(t.Context(), good, fleet.Domain{Account: "a"}, fleet.Domain{Account: "a\x00", Name: "b"}), infinitysip.ErrInvalid)
		_, err := fleet.New(nil, fleet.Config{Rate: -1})
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
		for _, text := range []string{"DB", "Clients", "Desired", "Recipients", "Rate"} {
			require.ErrorContains(t, err, text)
		}
	})
}

// A domain that fails waits longer and longer, until somebody enqueues it.
func TestRetry(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		w.want("Late", "ann")
		d := fleet.Domain{Account: "acme", Name: "Late"}
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		defer w.start()()
		status := w.wait(over)
		require.Equal(t, fleet.HealthFailing, status[0].Health)
		require.Equal(t, fleet.JobRetrying, status[0].Job)
		w.server.AddDomain(infinitysip.Domain{DisplayName: "Late"})
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		status = w.wait(func(status []fleet.DomainStatus) bool { return status[0].Health == fleet.HealthRight })
		require.Zero(t, status[0].Failures)
	})
}

func TestPlanOnlyAndDeletes(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann", "bob")
		w.config.PlanOnly, w.config.Recipients = true, nil
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		status := w.run(over)
		require.Equal(t, fleet.HealthDrifted, status[0].Health)
		require.Equal(t, 2, status[0].Changes)
		require.Empty(t, w.server.Users(w.server.Domains()[0].ID))

		w.config.PlanOnly, w.config.Recipients = false, []age.Recipient{w.identity.Recipient()}
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		w.run(over)
		w.want("Office", "ann")
		w.config.Plan = provision.PlanOptions{Prune: true}
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		status = w.run(over)
		require.Equal(t, fleet.HealthDrifted, status[0].Health)
		require.Contains(t, status[0].Error, "too many deletes")
		require.Len(t, w.server.Users(w.server.Domains()[0].ID), 2)
	})
}

// Each domain is looked at in each period without being asked for.
func TestEvery(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		var all []fleet.Domain
		for i := range 4 {
			all = append(all, w.add(fmt.Sprint("Office ", i), "ann"))
		}
		require.NoError(t, w.db.Enqueue(t.Context(), all...))
		w.config.Every = 2 * time.Second
		defer w.start()()
		w.wait(over)
		for _, domain := range w.server.Domains() {
			user := w.server.Users(domain.ID)[0]
			require.NoError(t, w.server.Client().Users.Delete(t.Context(), domain.ID, user.ID))
		}
		w.wait(func([]fleet.DomainStatus) bool {
			for _, domain := range w.server.Domains() {
				if len(w.server.Users(domain.ID)) == 0 {
					return false
				}
			}
			return true
		})
		require.NoError(t, w.db.Forget(t.Context(), all...))
		status, err := w.db.Status(t.Context())
		require.NoError(t, err)
		require.Empty(t, status)
	})
}

// A server that wants a wait of hours is asked again after one.
func TestLongRefusal(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		one, two := w.add("One", "ann"), w.add("Two", "bob")
		w.server.SetLimit(&siptest.Limit{Requests: 1, Per: time.Hour, RetryAfterText: "7200"})
		require.NoError(t, w.db.Enqueue(t.Context(), one, two))
		status := w.run(func(status []fleet.DomainStatus) bool {
			return status[0].Job == fleet.JobRetrying && status[1].Job == fleet.JobRetrying
		})
		for _, d := range status {
			require.Equal(t, fleet.HealthNew, d.Health)
			require.WithinDuration(t, time.Now().Add(time.Hour), d.Next, time.Minute)
		}
		require.Contains(t, status[0].PutOff+status[1].PutOff, "429")
	})
}
