package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/infinitysip/infinitysip/siptest"
)

// optionFlags are the flags of siptest that are options of its server.
type optionFlags struct {
	o     siptest.Options
	limit siptest.Limit // becomes o.Limit

	flags *pflag.FlagSet // these flags alone
}

// add adds the flags to those of a command.
func (f *optionFlags) add(to *pflag.FlagSet) {
	o, l := &f.o, &f.limit
	f.flags = pflag.NewFlagSet("", pflag.ContinueOnError)
	flags := f.flags
	flags.StringVar(&o.Addr, "listen", "127.0.0.1:0", "the `address` and the port to listen on; port 0 is any that is free")
	flags.StringVar(&o.APIKey, "api-key", "", "the API `key` that is accepted; empty means siptest-api-key")
	flags.StringVar(&o.Username, "username", "", "the user `name` that is accepted; empty means siptest")
	flags.StringVar(&o.Password, "password", "", "the `password` that is accepted; empty means siptest-password")
	flags.BoolVar(&o.BareNumbers, "bare-numbers", false, "write ids, numbers and flags as JSON numbers, not as texts")
	flags.BoolVar(&o.EchoSecrets, "echo-secrets", false, "show the password and the PIN in the row of a user")
	flags.TextVar(&o.CreateBody, "create-body", o.CreateBody, "the answer to a create where the API's page does not show it: a `word`, id, row or none")
	flags.TextVar(&o.UndocumentedQuery, "undocumented-query", o.UndocumentedQuery, "filter, sort, limit and offset on lists that do not document them: a `word`, ignore, honour or reject")
	flags.BoolVar(&o.IgnorePaging, "ignore-paging", false, "ignore limit and offset on every list")
	flags.BoolVar(&o.IgnoreFilters, "ignore-filters", false, "ignore filter and sort on every list")
	flags.BoolVar(&o.AllowDuplicates, "allow-duplicates", false, "let names, numbers, networks and MAC addresses be there twice")
	flags.IntVar(&o.DuplicateStatus, "duplicate-status", 0, "the `status` of a second one of what must be unique; 0 means 409")
	flags.TextVar(&o.GroupUpdates, "group-updates", o.GroupUpdates, "what becomes of the parameters that the update of a group leaves out: a `word`, reject, keep or clear")
	flags.TextVar(&o.Paths, "paths", o.Paths, "how exact a path must be: a `word`, exact or anyCase")
	flags.IntVar(&o.MaxRows, "max-rows", 0, "the largest `number` of rows in a list; 0 means 10000")
	flags.DurationVar(&o.ListLag, "list-lag", 0, "the `time` until a list shows a change")
	flags.Var((*rewritesFlag)(&o.Rewrites), "rewrite", "what the server does to a key: `COLUMN=WORD`, such as user=lower or network=mask; the flag may be given several times")
	flags.IntVar(&l.Requests, "limit", 0, "the `number` of requests that are accepted a second, or in --limit-per; 0 is any")
	flags.DurationVar(&l.Per, "limit-per", 0, "the `time` that --limit is for; 0 means a second")
	flags.IntVar(&l.Burst, "limit-burst", 0, "the `number` of requests that are accepted at once after a pause; 0 means that of --limit")
	flags.BoolVar(&l.Window, "limit-window", false, "count the requests in fixed windows, such as each full minute")
	flags.IntVar(&l.InFlight, "limit-in-flight", 0, "the `number` of requests that may be in progress; 0 is any")
	flags.IntVar(&l.Status, "limit-status", 0, "the `status` of a refusal; 0 means 429")
	flags.TextVar(&l.RetryAfter, "limit-retry-after", l.RetryAfter, "the kind of a refusal's Retry-After: a `word`, none, seconds or date")
	flags.StringVar(&l.RetryAfterText, "limit-retry-after-text", "", "the `text` of every refusal's Retry-After")
	flags.DurationVar(&l.Delay, "limit-delay", 0, "the `time` that a refusal takes")
	flags.IntVar(&o.MaxInputVars, "max-input-vars", 0, "the `number` of form variables that PHP keeps; 0 means 1000")
	flags.TextVar(&o.ErrorBody, "error-body", o.ErrorBody, "the format of errors: a `word`, text, jsonString, jsonObject or html")
	flags.TextVar(&o.Framing, "framing", o.Framing, "what marks the end of a body: a `word`, chunked, length or close")
	flags.BoolVar(&o.HTTP2, "http2", false, "serve HTTP/2, over TLS")
	flags.IntVar(&o.KeepRequests, "keep-requests", 0, "the `number` of requests after which a connection closes; 0 is any")
	flags.BoolVar(&o.CloseLate, "close-late", false, "let --keep-requests close a connection only when the next request arrives")
	flags.DurationVar(&o.IdleTimeout, "idle-timeout", 0, "the `time` that a connection stays open without a request; 0 is any")
	flags.DurationVar(&o.Latency, "latency", 0, "the `time` that every request waits")
	flags.Var(&zoneFlag{&o.Zone}, "zone", "the time zone of the datetimes in rows: a `name` such as Europe/London")
	to.AddFlagSet(flags)
}

// options returns the options of a file, if there is one, with the flags over them.
func (f *optionFlags) options(file string) (siptest.Options, error) {
	if file != "" {
		given := map[*pflag.Flag]string{}
		f.flags.VisitAll(func(flag *pflag.Flag) {
			if flag.Changed {
				given[flag] = flag.Value.String()
			}
		})
		read := siptest.Options{Addr: f.o.Addr}
		if err := readOptions(file, &read); err != nil {
			return read, err
		}
		f.o, f.limit = read, siptest.Limit{}
		if read.Limit != nil {
			f.limit = *read.Limit
		}
		for flag, text := range given {
			if err := flag.Value.Set(text); err != nil {
				return read, err // it was set to this before
			}
		}
	}
	o := f.o
	o.Limit = nil
	if f.limit != (siptest.Limit{}) {
		o.Limit = &f.limit
	}
	return o, nil
}

func readOptions(file string, o *siptest.Options) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("siptest: reading the options: %w", err)
	}
	if err := json.Unmarshal(text, o); err != nil {
		return fmt.Errorf("siptest: the options of %s: %w", file, err)
	}
	return nil
}

// A rewritesFlag is a flag of siptest.Rewrites.
type rewritesFlag siptest.Rewrites

func (f *rewritesFlag) String() string {
	var pairs []string
	for _, column := range slices.Sorted(maps.Keys(*f)) {
		pairs = append(pairs, column+"="+string((*f)[column]))
	}
	return strings.Join(pairs, ",")
}

func (f *rewritesFlag) Set(text string) error {
	read := siptest.Rewrites{}
	for pair := range strings.SplitSeq(text, ",") {
		column, word, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not COLUMN=WORD", pair)
		}
		read[column] = siptest.Rewrite(word)
	}
	if err := (siptest.Options{Rewrites: read}).Validate(); err != nil {
		return err
	}
	if *f == nil {
		*f = rewritesFlag{}
	}
	maps.Copy(*f, rewritesFlag(read))
	return nil
}

func (f *rewritesFlag) Type() string { return "rewrite" }

// A zoneFlag is a flag of a time zone; without it there is none.
type zoneFlag struct{ zone **time.Location }

func (f *zoneFlag) String() string {
	if f.zone == nil || *f.zone == nil {
		return ""
	}
	return (*f.zone).String()
}

func (f *zoneFlag) Set(text string) error {
	zone, err := time.LoadLocation(text)
	if err != nil {
		return fmt.Errorf("there is no time zone %q", text)
	}
	*f.zone = zone
	return nil
}

func (f *zoneFlag) Type() string { return "zone" }
