// Package fleet keeps thousands of domains in their desired states, unattended. For each
// domain it makes a plan with package provision and applies it. The runs are jobs of River
// (riverqueue.com), an engine for background jobs in a database. Several processes share
// one fleet: on an SQLite file on one machine, or on PostgreSQL.
//
// A program opens the database, says which Client an account has and which state a domain
// should have, and runs. The same program or another one enqueues domains when their state
// has changed:
//
//	db, err := fleet.Open(ctx, "postgres://fleet@db.example.com/fleet")
//	…
//	f, err := fleet.New(db, fleet.Config{Clients: clients, Desired: desired, Recipients: recipients})
//	…
//	err = f.Enqueue(ctx, fleet.Domain{Account: "acme", Name: "Head Office", Rev: commit})
//	…
//	err = f.Run(ctx) // until ctx ends
//
// # What holds
//
// Only one process at a time runs a domain. It holds a lock that ends with the process: an
// advisory lock of a session on PostgreSQL, a locked file next to the file of SQLite.
// Before each request the process makes sure that it still has the lock. So a process that
// was stopped for a while and goes on does not begin what another one does too. But a
// request that it had sent before may still be carried out.
//
// Nothing that is enqueued is lost. A domain that is enqueued during its run runs again. If
// the process of a run dies, another one does the run again within some seconds. It goes
// on where the first one ended, because provision compares the domain with its state.
//
// A run that fails is done again after 2 seconds, then 4, and so on up to an hour. If the
// state itself has problems, the domain waits until it is enqueued, or until Config.Every
// has passed. A run that has to wait has not failed. It may wait for the account's rate, for
// a server that refuses requests, for the database, or for another process.
//
// # The rate of an account
//
// All processes share Config.Rate. Each request takes its turn from a row of the database,
// in the order of asking. If the server refuses requests with a Retry-After of 3 seconds or
// more, no process sends a request of that account before it is over, but after an hour one
// run tries again. Runs of other accounts go on. If many requests of an account wait, its
// other domains are put off, so that a slow account does not take all workers.
//
// # Secrets
//
// The passwords, PINs and tokens that a run makes up are encrypted with age
// (filippo.io/age) to Config.Recipients, and written to the database before they are used.
// A process of the fleet cannot read them. DB.Secrets can, with an identity. If a run is
// interrupted so that nobody knows whether a password is in force, the next run sets
// another one.
//
// # The tables
//
// On PostgreSQL they are in the schema fleet. You may read all of them. None has a secret in
// plain text:
//
//	domain   account, domain, rev, asked, due, failures, put_off, right_at, last_run
//	run      account, domain, rev, changes, status, error, at, plan (as JSON)
//	secret   account, domain, username, device, state, has, sealed, at
//	account  account, next_at, not_before
//	river_…  the jobs
//
// To look at the jobs in a browser, point River's own program at the database:
// riverqueue.com/riverui. A job that is canceled or deleted there is gone. Its domain is
// looked at when it is enqueued the next time, or when Config.Every has passed.
//
// # On SQLite
//
// The processes of a file take turns, and must be on one machine. On a network file system
// neither SQLite nor the locks are safe. A process that is stopped in the middle of a
// transaction holds up all others until it goes on or is killed.
package fleet
