package command

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

func (a *app) auditCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "audit",
		Short:   "Look over all domains",
		Example: "  infinitysip audit networks",
	}, a.auditNetworksCommand())
}

// A networkFinding is something about the trusted networks of a domain that a person
// should look at.
type networkFinding struct {
	DomainID  string `json:"domainId"`
	Domain    string `json:"domain"`
	NetworkID string `json:"trustedNetworkId,omitempty"`
	Network   string `json:"network"`
	Finding   string `json:"finding"`
	Detail    string `json:"detail"`
	Advice    string `json:"advice"`
}

func findingColumns() []output.Column[networkFinding] {
	type row = networkFinding
	return []output.Column[row]{
		{Name: "domain", API: "domain", Value: func(f *row) string { return f.Domain }},
		{Name: "domain-id", API: "domainId", More: true, Value: func(f *row) string { return f.DomainID }},
		{Name: "network", API: "network", Value: func(f *row) string { return f.Network }},
		{Name: "id", API: "trustedNetworkId", Value: func(f *row) string { return f.NetworkID }},
		{Name: "finding", API: "finding", Value: func(f *row) string { return f.Finding }},
		{Name: "detail", API: "detail", Value: func(f *row) string { return f.Detail }},
		{Name: "advice", API: "advice", Value: func(f *row) string { return f.Advice }},
	}
}

const auditWorkers = 4 // domains that are read at the same time

func (a *app) auditNetworksCommand() *cobra.Command {
	var fail bool
	cmd := &cobra.Command{
		Use:   "networks",
		Short: "Say what is odd about the trusted networks of all domains",
		Long: `Say what is odd about the trusted networks of all domains of the account, or of one with
--domain. Each finding is a row, with what to do about it. The findings are:

  everything      it has every address there is
  very wide       it has more than 65,536 addresses, or is IPv6 wider than a /32
  private         nobody comes from there over the internet: RFC 1918, RFC 6598 and fc00::/7
  special         it is for documentation, loopback, link-local, multicast and the like
  host bits       it is written with an address in it, such as 10.0.20.10/24
  same            the domain, or one before it, has the same network
  overlaps        a network of this domain, or of one before it, has addresses in common
  no description  nothing says which office it belongs to
  unreadable      the server's text is no network
  no networks     the domain has none

A pair of networks is told once, at the later of the two: of a domain with a higher id,
or with a higher id in one domain. With --fail the exit code is 1 if anything is found.
A domain that cannot be read is told on standard error; the others go on, and the exit
code says that something failed.`,
		Example: `  infinitysip audit networks
  infinitysip audit networks --domain acme -o csv --fail`,
		Args: func(*cobra.Command, []string) error {
			a.noDomain = true // --domain is not what the command works in
			return nil
		},
	}
	a.domainFlag(cmd)
	cmd.Flag("domain").Usage = "only this domain, by its id or its display `name`"
	cmd.Flags().BoolVar(&fail, "fail", false, "exit with 1 if anything is found")
	audit := &networkAudit{}
	listCommand(a, cmd, findingColumns(), byClient, func(cmd *cobra.Command, s *session, _ []string, _ *infinitysip.ListOptions[networkFinding]) (iter.Seq2[networkFinding, error], error) {
		list, err := newRowList(a, findingColumns(), byClient)
		if err != nil {
			return nil, err
		}
		audit.counts = func(finding *networkFinding) bool { return list.match(finding) }
		audit.domains, err = a.toAudit(cmd.Context(), s.client)
		return audit.findings(cmd.Context(), s.client), err
	})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		switch {
		case err != nil:
			return err
		case len(audit.failed) > 0:
			return together(audit.failed)
		case fail && audit.found > 0:
			return &codeError{exitFailed, fmt.Errorf("%s in %s", counted(audit.found, "finding"), counted(len(audit.domains), "domain"))}
		}
		return nil
	}
	return cmd
}

// toAudit are the domains to look over, by id.
func (a *app) toAudit(ctx context.Context, client *infinitysip.Client) ([]infinitysip.Domain, error) {
	if a.domain == "" {
		domains, err := infinitysip.Collect(client.Domains.All(ctx))
		slices.SortFunc(domains, func(a, b infinitysip.Domain) int { return int(a.ID - b.ID) })
		return domains, err
	}
	a.noDomain = false
	id, err := a.findDomain(ctx, client, a.domain)
	if err != nil {
		return nil, err
	}
	domain, err := client.Domains.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return []infinitysip.Domain{*domain}, nil
}

// networkLists are the networks of several domains, a few of which are read at a time.
type networkLists struct {
	ctx   context.Context
	lists []chan networkList
	stop  func() // ends what is under way, and waits for it
}

// take is the list of one domain.
func (l *networkLists) take(i int) networkList {
	select {
	case list := <-l.lists[i]:
		return list
	case <-l.ctx.Done():
		return networkList{err: l.ctx.Err()}
	}
}

type networkList struct {
	networks []infinitysip.TrustedNetwork
	err      error
}

// readNetworks begins to read. Each worker keeps the list that it has read until that
// is taken, in the order of the domains.
func readNetworks(ctx context.Context, client *infinitysip.Client, domains []infinitysip.Domain) networkLists {
	ctx, cancel := context.WithCancel(ctx)
	var (
		all     = make([]chan networkList, len(domains))
		workers sync.WaitGroup
	)
	for i := range all {
		all[i] = make(chan networkList)
	}
	for first := range min(auditWorkers, len(domains)) {
		workers.Go(func() {
			for i := first; i < len(domains); i += auditWorkers {
				networks, err := infinitysip.Collect(client.TrustedNetworks.All(ctx, domains[i].ID, nil))
				select {
				case all[i] <- networkList{networks, err}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return networkLists{ctx, all, func() { cancel(); workers.Wait() }}
}

// A networkAudit goes through the networks of domains.
type networkAudit struct {
	domains []infinitysip.Domain
	counts  func(*networkFinding) bool // whether a finding is one of those that are wanted
	seen    seenNetworks
	found   int
	failed  []error
}

// findings are those of all domains, in their order.
func (n *networkAudit) findings(ctx context.Context, client *infinitysip.Client) iter.Seq2[networkFinding, error] {
	return func(yield func(networkFinding, error) bool) {
		lists := readNetworks(ctx, client, n.domains)
		defer lists.stop()
		for i := range n.domains {
			domain := &n.domains[i]
			list := lists.take(i)
			if ctx.Err() != nil {
				why := "stopped"
				if errors.Is(context.Cause(ctx), errTimedOut) {
					why = errTimedOut.Error()
				}
				n.failed = append(n.failed, fmt.Errorf("%s: not looked at: %s", why, counted(len(n.domains)-i, "domain")))
				return
			}
			if list.err != nil {
				n.failed = append(n.failed, fmt.Errorf("reading the trusted networks of domain %s: %w", domainTitle(domain), list.err))
				left := len(n.domains) - i - 1
				if !errors.Is(list.err, infinitysip.ErrUnauthorized) || left == 0 {
					continue
				}
				n.failed = append(n.failed, fmt.Errorf("not looked at: %s after that", counted(left, "domain")))
				return
			}
			for _, f := range n.seen.look(domain, list.networks) {
				if n.counts(&f) {
					n.found++
				}
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

// domainTitle is how a person is told of a domain.
func domainTitle(d *infinitysip.Domain) string {
	return named[infinitysip.DomainID]{d.ID, d.DisplayName}.String()
}

// networkAdvice is what to do about a finding.
func networkAdvice(finding string) string {
	switch finding {
	case "everything":
		return "Delete it, or trust only the networks that your phones are in."
	case "very wide":
		return "Trust only the part that is yours."
	case "private":
		return "Trust the public address of the office instead, unless a private line leads to Infinity."
	case "special":
		return "Delete it: no phone has such an address."
	case "host bits":
		return "Write it without them, unless it is meant like that."
	case "same":
		return "Keep it once, where it belongs."
	case "overlaps":
		return "Find out whose the addresses are, and keep what is needed."
	case "no description":
		return "Write in its description which office it belongs to."
	case "unreadable":
		return "Delete it and make it again, in CIDR."
	case "no networks":
		return "Nothing, unless the domain should trust one."
	}
	return ""
}

// titles are what a finding is about, at most three of them.
func titles(all []string) string {
	const most = 3
	if more := len(all) - most; more > 0 {
		all = append(slices.Clone(all[:most]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, ", ")
}
