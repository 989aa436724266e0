package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet/internal/bucket"
)

// What makes an account busy, and how long its other runs wait then.
const (
	busyAccount = time.Second     // that a request of the account would wait: other accounts go first
	refusedFor  = time.Minute     // after a refusal, for which the account counts as busy
	putOffWait  = time.Second     // for a busy account, at least
	putOffApart = time.Second / 5 // between two jobs of an account that were put off
)

// Runs of an account whose rate is below slowRate, in requests a second, begin one after the
// other. firstRequests is how many requests a run makes at least.
const (
	slowRate      = 40
	firstRequests = 4
)

// account is what a process has of an account.
type account struct {
	limiter *limiter

	count   sync.Mutex
	running int
	begun   time.Time // when the last run began
	back    time.Time // when the last job that was put off comes back

	mu     sync.Mutex
	client *infinitysip.Client

	ids     sync.Map      // of domains that were listed, by name
	listing chan struct{} // has a place for the run that lists them
}

// begin notes that a run begins. It returns how many others are under way in this process,
// and when the last one began.
func (a *account) begin(now time.Time) (others int, last time.Time) {
	a.count.Lock()
	defer a.count.Unlock()
	others, last = a.running, a.begun
	a.running, a.begun = a.running+1, now
	return others, last
}

// end notes that a run ends.
func (a *account) end() {
	a.count.Lock()
	defer a.count.Unlock()
	a.running--
}

// putOff is how long a job waits for its account to be less busy: wait, or longer. last is
// when the run before it began. The jobs come back one after the other: with
// thousands of them the database would have nothing else to do.
func (a *account) putOff(wait time.Duration, last time.Time) time.Duration {
	a.count.Lock()
	defer a.count.Unlock()
	a.begun = last
	now := time.Now()
	if a.back = a.back.Add(putOffApart); a.back.Before(now.Add(wait)) {
		a.back = now.Add(wait)
	}
	return a.back.Sub(now)
}

// busy tells how long the job should wait for its account, because the server refuses
// everything, or because the account has as many requests under way as it can use:
// another run would do it no good, and take a worker from other accounts. others is how
// many runs of the account are under way in this process, and last is when the last one
// began.
func (a *account) busy(ctx context.Context, config *Config, others int, last time.Time) (time.Duration, error) {
	held, err := a.limiter.bucket.Held(ctx)
	if err != nil || held > 0 || others == 0 {
		return held, err
	}
	if config.Rate > 0 && config.Rate < slowRate {
		// A run needs a moment before its requests can be seen.
		if moment := time.Duration(firstRequests / config.Rate * float64(time.Second)); time.Since(last) < moment {
			return a.putOff(min(moment, putOffWait), last), nil
		}
	}
	if a.limiter.refused() && others >= config.Workers/4 {
		return a.putOff(putOffWait, last), nil
	}
	wait, err := a.limiter.bucket.Queue(ctx)
	if err != nil || wait < busyAccount {
		return 0, err
	}
	return a.putOff(putOffWait, last), nil
}

func (f *Fleet) account(name string) *account {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.accounts[name]
	if a == nil {
		a = &account{listing: make(chan struct{}, 1), limiter: &limiter{account: name, bucket: bucket.New(f.db.db, name, f.config.Rate), log: f.config.Logger}}
		f.accounts[name] = a
	}
	return a
}

// get returns the client of an account.
func (a *account) get(ctx context.Context, f *Fleet) (*infinitysip.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil {
		return a.client, nil
	}
	client, err := f.config.Clients(ctx, a.limiter.account, infinitysip.WithLimiter(a.limiter),
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: longestThrottle}))
	switch {
	case err != nil:
		return nil, err
	case client == nil:
		return nil, errors.New("Config.Clients returned no client and no error")
	}
	a.client = client
	return client, nil
}

// find returns a domain. To list the domains of an account in each run would take longer
// the more there are. So the ids of all are kept when one run lists them, and others wait for
// it. A domain may have another name by now, which is looked at.
func (a *account) find(ctx context.Context, client *infinitysip.Client, name string) (*infinitysip.Domain, error) {
	if domain, err := a.known(ctx, client, name); domain != nil || err != nil {
		return domain, err
	}
	select {
	case a.listing <- struct{}{}:
		defer func() { <-a.listing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if domain, err := a.known(ctx, client, name); domain != nil || err != nil {
		return domain, err
	}
	all, err := client.Domains.List(ctx)
	if err != nil {
		return nil, err
	}
	named := map[string]*infinitysip.Domain{}
	for i := range all {
		if _, twice := named[all[i].DisplayName]; twice {
			named[all[i].DisplayName] = nil
			continue
		}
		named[all[i].DisplayName] = &all[i]
	}
	for name, domain := range named {
		if domain != nil {
			a.ids.Store(name, domain.ID)
		}
	}
	if domain := named[name]; domain != nil {
		return domain, nil
	}
	// Find tells what is wrong, and reads on where the list was cut.
	domain, err := client.Domains.Find(ctx, name)
	if err == nil {
		a.ids.Store(name, domain.ID)
	}
	return domain, err
}

// known returns a domain whose id is kept, or nil if there is none or it has another name by now.
func (a *account) known(ctx context.Context, client *infinitysip.Client, name string) (*infinitysip.Domain, error) {
	id, ok := a.ids.Load(name)
	if !ok {
		return nil, nil
	}
	domain, err := client.Domains.Get(ctx, id.(infinitysip.DomainID))
	switch {
	case err == nil && domain.DisplayName == name:
		return domain, nil
	case err != nil && !errors.Is(err, infinitysip.ErrNotFound):
		return nil, err
	}
	a.ids.Delete(name)
	return nil, nil
}

// forget has the client made again for the next run.
func (a *account) forget(client *infinitysip.Client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client == client {
		a.client = nil
	}
}
