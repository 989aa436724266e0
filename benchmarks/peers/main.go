// Peers measures one create and one read of other SDKs, each on its own API,
// beside this one's. It is a program of its own because the peers take long to
// compile; package benchmarks runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/digitalocean/godo"
	"github.com/google/go-github/v88/github"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	"github.com/stripe/stripe-go/v85"
	twilioclient "github.com/twilio/twilio-go/client"
	twilio "github.com/twilio/twilio-go/rest/api/v2010"
	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// A peer is an SDK with the call of its own that is most like the create of a
// user, with about as many fields as there are, and with the read of what that
// makes. A create is answered with the new id alone, a read with one row of
// about 22 fields and 530 bytes; only the names and types of the fields differ.
type peer struct {
	name      string
	status    int    // of a create
	created   string // the answer to a create
	row       string // the answer to a read
	transport *bench.Memory
	create    func() (id string, err error)
	read      func() (id string, err error)
}

const sdkName = "this SDK, a user"

// peers are this SDK and the others.
func peers() ([]*peer, error) {
	var all []*peer
	for _, add := range []func(context.Context) (*peer, error){this, godoDroplet, githubRepository, stripeCustomer, hcloudServer, gitlabUser, twilioMessage} {
		p, err := add(context.Background())
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func answering(name string, status int, created, row string) (*peer, *http.Client) {
	p := &peer{name: name, status: status, created: created, row: row, transport: bench.Fixed(status, created, row)}
	return p, &http.Client{Transport: p.transport}
}

func this(ctx context.Context) (*peer, error) {
	p, client := answering(sdkName, http.StatusCreated, bench.Created(), bench.UserRow())
	sdk, params := bench.SDK(client.Transport), bench.UserParams()
	p.create = func() (string, error) {
		id, err := sdk.Users.Create(ctx, 1, params)
		return fmt.Sprint(id), err
	}
	p.read = func() (string, error) {
		user, err := sdk.Users.Get(ctx, 1, bench.UserID)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(user.ID), nil
	}
	return p, nil
}

func godoDroplet(ctx context.Context) (*peer, error) {
	p, client := answering("godo, a droplet", http.StatusAccepted, `{"droplet":{"id":1000001}}`,
		`{"droplet":{"id":1000001,"name":"joe.blogs.0000","memory":1024,"vcpus":1,"disk":25,"region":{"name":"London 1","slug":"lon1","available":true},`+
			`"image":{"id":12345,"name":"Debian 13","distribution":"Debian","slug":"debian-13-x64"},"size_slug":"s-1vcpu-1gb","features":["ipv6","monitoring"],`+
			`"locked":false,"status":"active","created_at":"2026-07-21T18:37:44Z","tags":["sales","london"],"volume_ids":["506f78a4-e098-11e5-ad9f-000f53306ae1"],`+
			`"vpc_uuid":"760e09ef-dc84-11e8-981e-3cfdfeaae000","backup_ids":[53893572],"snapshot_ids":[67512819]}}`)
	sdk := godo.NewClient(client)
	p.create = func() (string, error) {
		made, _, err := sdk.Droplets.Create(ctx, &godo.DropletCreateRequest{
			Name: "joe.blogs.0000", Region: "lon1", Size: "s-1vcpu-1gb", Image: godo.DropletCreateImage{Slug: "debian-13-x64"},
			SSHKeys: []godo.DropletCreateSSHKey{{ID: 107149}, {ID: 107150}}, Backups: true, IPv6: true, PrivateNetworking: true, Monitoring: true,
			UserData: "#cloud-config\npackages: [nginx]", Volumes: []godo.DropletCreateVolume{{ID: "506f78a4-e098-11e5-ad9f-000f53306ae1"}},
			Tags: []string{"sales", "london"}, VPCUUID: "760e09ef-dc84-11e8-981e-3cfdfeaae000", SubnetUUID: "860e09ef-dc84-11e8-981e-3cfdfeaae000",
			WithDropletAgent: new(true), PublicNetworking: new(true),
			BackupPolicy: &godo.DropletBackupPolicyRequest{Plan: "weekly", Weekday: "SUN", Hour: new(4)},
		})
		if err != nil {
			return "", err
		}
		return fmt.Sprint(made.ID), nil
	}
	p.read = func() (string, error) {
		row, _, err := sdk.Droplets.Get(ctx, 1000001)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(row.ID), nil
	}
	return p, nil
}

func githubRepository(ctx context.Context) (*peer, error) {
	p, client := answering("go-github, a repository", http.StatusCreated, `{"id":1000001}`,
		`{"id":1000001,"node_id":"MDEwOlJlcG9zaXRvcnkx","name":"joe.blogs.0000","full_name":"company/joe.blogs.0000","description":"Sales Executive",`+
			`"homepage":"https://company.example.com","default_branch":"main","created_at":"2026-01-26T19:01:12Z","pushed_at":"2026-01-26T19:06:43Z",`+
			`"html_url":"https://github.com/company/joe","clone_url":"https://github.com/company/joe.git","language":"Go","fork":false,"forks_count":9,`+
			`"stargazers_count":80,"watchers_count":80,"size":108,"open_issues_count":3,"has_issues":true,"has_wiki":true,"archived":false,"visibility":"public"}`)
	sdk, err := github.NewClient(github.WithHTTPClient(client), github.WithAuthToken(bench.Key))
	p.create = func() (string, error) {
		made, _, err := sdk.Repositories.Create(ctx, "company", &github.Repository{
			Name: new("joe.blogs.0000"), Description: new("Sales Executive"), Homepage: new("https://company.example.com"), Private: new(true),
			Visibility: new("private"), HasIssues: new(true), HasProjects: new(true), HasWiki: new(false), IsTemplate: new(false), TeamID: new(int64(1001)),
			AutoInit: new(true), GitignoreTemplate: new("Go"), LicenseTemplate: new("mit"), AllowSquashMerge: new(true), AllowMergeCommit: new(false),
			AllowRebaseMerge: new(true), AllowAutoMerge: new(true), DeleteBranchOnMerge: new(true), SquashMergeCommitTitle: new("PR_TITLE"),
			SquashMergeCommitMessage: new("PR_BODY"),
		})
		if err != nil {
			return "", err
		}
		return fmt.Sprint(made.GetID()), nil
	}
	p.read = func() (string, error) {
		row, _, err := sdk.Repositories.Get(ctx, "company", "joe.blogs.0000")
		if err != nil {
			return "", err
		}
		return fmt.Sprint(row.GetID()), nil
	}
	return p, err
}

func stripeCustomer(ctx context.Context) (*peer, error) {
	p, client := answering("stripe-go, a customer", http.StatusOK, `{"id":"cus_1000001"}`,
		`{"id":"cus_1000001","object":"customer","address":{"city":"London","country":"GB","line1":"1 High Street","postal_code":"N1 1AA"},"balance":0,`+
			`"created":1680893993,"currency":"gbp","delinquent":false,"description":"Sales Executive","email":"joe.blogs.0000@company.example.com",`+
			`"invoice_prefix":"0759376C","livemode":false,"metadata":{"department":"Sales","office":"London"},"name":"Joe Blogs 0000",`+
			`"next_invoice_sequence":1,"phone":"02079460000","preferred_locales":["en-GB"],"tax_exempt":"none","business_name":"Company Example Ltd"}`)
	sdk := stripe.NewClient(bench.Key, stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		HTTPClient: client, EnableTelemetry: new(false), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})))
	p.create = func() (string, error) {
		made, err := sdk.V1Customers.Create(ctx, &stripe.CustomerCreateParams{
			Name: new("Joe Blogs 0000"), Email: new("joe.blogs.0000@company.example.com"), Phone: new("02079460000"), Description: new("Sales Executive"),
			Balance: new(int64(0)), BusinessName: new("Company Example Ltd"), IndividualName: new("Joe Blogs-Williams"), InvoicePrefix: new("0759376C"),
			NextInvoiceSequence: new(int64(1)), PaymentMethod: new("pm_1"), PreferredLocales: []*string{new("en-GB")}, TaxExempt: new("none"),
			Address:  &stripe.AddressParams{City: new("London"), Country: new("GB"), Line1: new("1 High Street"), PostalCode: new("N1 1AA")},
			Metadata: map[string]string{"department": "Sales", "office": "London", "job": "Sales Executive", "extension": "20000"},
		})
		if err != nil {
			return "", err
		}
		return made.ID, nil
	}
	p.read = func() (string, error) {
		row, err := sdk.V1Customers.Retrieve(ctx, "cus_1000001", nil)
		if err != nil {
			return "", err
		}
		return row.ID, nil
	}
	return p, nil
}

func hcloudServer(ctx context.Context) (*peer, error) {
	p, client := answering("hcloud-go, a server", http.StatusCreated, `{"server":{"id":1000001}}`,
		`{"server":{"id":1000001,"name":"joe.blogs.0000","status":"running","created":"2026-01-30T23:55:00Z","public_net":{"ipv4":{"ip":"192.0.2.1","blocked":false}},`+
			`"server_type":{"id":1,"name":"cx23","cores":2,"memory":4,"disk":40,"architecture":"x86"},"included_traffic":654321,"outgoing_traffic":123456,`+
			`"ingoing_traffic":123456,"backup_window":"22-02","rescue_enabled":false,"locked":false,"location":{"id":1,"name":"fsn1","country":"DE"},`+
			`"image":{"id":42,"type":"system","name":"debian-13"},"protection":{"delete":false,"rebuild":false},"labels":{"department":"sales"},`+
			`"volumes":[1],"primary_disk_size":50}}`)
	sdk := hcloud.NewClient(hcloud.WithToken(bench.Key), hcloud.WithHTTPClient(client))
	p.create = func() (string, error) {
		made, _, err := sdk.Server.Create(ctx, hcloud.ServerCreateOpts{
			Name: "joe.blogs.0000", ServerType: &hcloud.ServerType{Name: "cx23"}, Image: &hcloud.Image{Name: "debian-13"}, Location: &hcloud.Location{Name: "fsn1"},
			SSHKeys: []*hcloud.SSHKey{{ID: 107149}, {ID: 107150}}, UserData: "#cloud-config\npackages: [nginx]", StartAfterCreate: new(true), Automount: new(true),
			Labels: map[string]string{"department": "sales", "office": "london"}, Volumes: []*hcloud.Volume{{ID: 1}}, Networks: []*hcloud.Network{{ID: 2}},
			Firewalls: []*hcloud.ServerCreateFirewall{{Firewall: hcloud.Firewall{ID: 3}}}, PlacementGroup: &hcloud.PlacementGroup{ID: 4},
			PublicNet: &hcloud.ServerCreatePublicNet{EnableIPv4: true, EnableIPv6: true},
		})
		if err != nil {
			return "", err
		}
		return fmt.Sprint(made.Server.ID), nil
	}
	p.read = func() (string, error) {
		row, _, err := sdk.Server.GetByID(ctx, 1000001)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(row.ID), nil
	}
	return p, nil
}

func gitlabUser(ctx context.Context) (*peer, error) {
	p, client := answering("gitlab client-go, a user", http.StatusCreated, `{"id":1000001}`,
		`{"id":1000001,"username":"joe.blogs.0000","email":"joe.blogs.0000@company.example.com","name":"Joe Blogs 0000","state":"active",`+
			`"web_url":"https://gitlab.example.com/joe","created_at":"2026-05-23T08:00:58Z","bio":"","location":"London","public_email":"","skype":"",`+
			`"linkedin":"","twitter":"","website_url":"https://company.example.com","organization":"Company Example Ltd","job_title":"Sales Executive",`+
			`"theme_id":1,"color_scheme_id":2,"is_admin":false,"can_create_group":true,"projects_limit":100,"external":false}`)
	sdk, err := gitlab.NewClient(bench.Key, gitlab.WithHTTPClient(client))
	p.create = func() (string, error) {
		made, _, err := sdk.Users.CreateUser(&gitlab.CreateUserOptions{
			Username: new("joe.blogs.0000"), Password: new("correct horse battery"), Name: new("Joe Blogs 0000"), Email: new("joe.blogs.0000@company.example.com"),
			Bio: new("Blogs-Williams"), JobTitle: new("Sales Executive"), Organization: new("Company Example Ltd"), Location: new("London"), Note: new("Sales"),
			Skype: new("02079460000"), Linkedin: new("2025550100"), Twitter: new("07700900000"), WebsiteURL: new("https://company.example.com"),
			ProjectsLimit: new(int64(1001)), ThemeID: new(int64(1)), Admin: new(false), CanCreateGroup: new(true), External: new(false),
			PrivateProfile: new(true), SkipConfirmation: new(true),
		}, gitlab.WithContext(ctx))
		if err != nil {
			return "", err
		}
		return fmt.Sprint(made.ID), nil
	}
	p.read = func() (string, error) {
		row, _, err := sdk.Users.GetUser(1000001, nil, gitlab.WithContext(ctx))
		if err != nil {
			return "", err
		}
		return fmt.Sprint(row.ID), nil
	}
	return p, err
}

func twilioMessage(context.Context) (*peer, error) {
	p, client := answering("twilio-go, a message", http.StatusCreated, `{"sid":"SM1000001"}`,
		`{"sid":"SM1000001","account_sid":"AC0000000000000000000000000000000","body":"Sales Executive at the Company Example Ltd","num_segments":"1",`+
			`"direction":"outbound-api","from":"+442079460000","to":"+447700900000","date_updated":"Thu, 24 Aug 2026 05:01:45 +0000","price":"0.04",`+
			`"uri":"/2010-04-01/Accounts/AC00/Messages/SM1000001.json","num_media":"0","status":"sent","messaging_service_sid":"MG0000000000000000",`+
			`"date_sent":"Thu, 24 Aug 2026 05:01:45 +0000","date_created":"Thu, 24 Aug 2026 05:01:45 +0000","price_unit":"GBP","api_version":"2010-04-01"}`)
	base := &twilioclient.Client{Credentials: twilioclient.NewCredentials("AC00", bench.Key), HTTPClient: client}
	base.SetAccountSid("AC00")
	sdk := twilio.NewApiService(twilioclient.NewRequestHandler(base))
	p.create = func() (string, error) {
		made, err := sdk.CreateMessage(&twilio.CreateMessageParams{
			To: new("+447700900000"), From: new("+442079460000"), Body: new("Sales Executive"), StatusCallback: new("https://company.example.com/status"),
			ApplicationSid: new("AP00"), MaxPrice: new(float32(0.5)), ProvideFeedback: new(true), Attempt: new(1), ValidityPeriod: new(14400),
			ForceDelivery: new(false), ContentRetention: new("retain"), AddressRetention: new("retain"), SmartEncoded: new(true), TrafficType: new("free"),
			ShortenUrls: new(true), ScheduleType: new("fixed"), SendAsMms: new(false), RiskCheck: new("enable"), MessagingServiceSid: new("MG00"),
			ContentSid: new("HX00"),
		})
		if err != nil {
			return "", err
		}
		return *made.Sid, nil
	}
	p.read = func() (string, error) {
		row, err := sdk.FetchMessage("SM1000001", &twilio.FetchMessageParams{})
		if err != nil {
			return "", err
		}
		return *row.Sid, nil
	}
	return p, nil
}

func main() {
	rounds := flag.Int("rounds", 40, "rounds")
	calls := flag.Int("calls", 1_000, "calls in each round")
	flag.Parse()
	if err := measure(*rounds, *calls); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func measure(rounds, calls int) error {
	all, err := peers()
	if err != nil {
		return err
	}
	var creates, reads []bench.Way
	for _, p := range all {
		creates = append(creates, bench.Way{Name: p.name, Run: bench.Times(func() error { _, err := p.create(); return err })})
		reads = append(reads, bench.Way{Name: p.name, Run: bench.Times(func() error { _, err := p.read(); return err })})
	}
	create, err := bench.Measure(creates, rounds, calls)
	if err != nil {
		return err
	}
	read, err := bench.Measure(reads, rounds, calls)
	if err != nil {
		return err
	}
	table := bench.CallTable("Calls: peer SDKs, each with its own like call", create, read)
	table.Goals = []bench.Goal{belowAll("create", create), belowAll("read", read)}
	table.Print(os.Stdout)
	return nil
}

// belowAll is met when no peer is faster than the SDK, which is the first.
func belowAll(what string, results []bench.Result) bench.Goal {
	fastest := results[1]
	for _, peer := range results[2:] {
		if peer.Against(fastest) < 1 {
			fastest = peer
		}
	}
	return bench.AtMost(1, " ×", what+", time against the fastest peer: "+fastest.Name, results[0].Against(fastest))
}
