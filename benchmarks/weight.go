package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// A program is a small one that makes a client and a call. The imports are
// those of its SDK besides net/http.
type program struct {
	name, imports, body string
}

var handProgram = program{"net/http alone", "", `
	req, _ := http.NewRequest(http.MethodGet, "https://api.infinitycloud.com/config/v2/sip/domains", nil)
	req.Header.Set("Authorization", "ApiKey key")
	resp, err := http.DefaultClient.Do(req)
	fmt.Println(resp, err)`}

var sdkProgram = program{"this SDK", `"github.com/infinitysip/infinitysip"`, `
	client, _ := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithHTTPClient(http.DefaultClient))
	rows, err := client.Domains.List(context.Background())
	fmt.Println(rows, err)`}

var peerPrograms = []program{
	{"go-github", `"github.com/google/go-github/v88/github"`, `
	client, _ := github.NewClient(github.WithHTTPClient(http.DefaultClient))
	row, _, err := client.Repositories.Get(context.Background(), "owner", "name")
	fmt.Println(row, err)`},
	{"stripe-go", `"github.com/stripe/stripe-go/v85"`, `
	client := stripe.NewClient("key", stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{HTTPClient: http.DefaultClient})))
	row, err := client.V1Customers.Retrieve(context.Background(), "id", nil)
	fmt.Println(row, err)`},
	{"godo", `"github.com/digitalocean/godo"`, `
	row, _, err := godo.NewClient(http.DefaultClient).Droplets.Get(context.Background(), 1)
	fmt.Println(row, err)`},
	{"hcloud-go", `"github.com/hetznercloud/hcloud-go/v2/hcloud"`, `
	row, _, err := hcloud.NewClient(hcloud.WithHTTPClient(http.DefaultClient)).Server.GetByID(context.Background(), 1)
	fmt.Println(row, err)`},
	{"gitlab client-go", `gitlab "gitlab.com/gitlab-org/api/client-go/v2"`, `
	client, _ := gitlab.NewClient("key", gitlab.WithHTTPClient(http.DefaultClient))
	row, _, err := client.Users.GetUser(1, nil, gitlab.WithContext(context.Background()))
	fmt.Println(row, err)`},
	{"twilio-go", `"github.com/twilio/twilio-go"`, `
	_, _ = http.DefaultClient, context.Background()
	row, err := twilio.NewRestClient().Api.FetchMessage("id", nil)
	fmt.Println(row, err)`},
}

func (p program) source() string {
	return "package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"net/http\"\n\t" + p.imports + "\n)\n\nvar _ = context.Background\n\nfunc main() {" + p.body + "\n}\n"
}

// A weight is what importing an SDK costs its program.
type weight struct {
	modules int
	bytes   int64
	compile time.Duration // 0: not measured
}

// weigh builds a program with the modules of this one. cold is a build cache
// that holds what the program with net/http alone compiles, and link how long
// that takes to link; with no cold the compile is not timed.
func weigh(p program, dir, cold string, link time.Duration) (weight, error) {
	file := filepath.Join(dir, strings.NewReplacer(" ", "-", "/", "-").Replace(p.name)+".go")
	if err := os.WriteFile(file, []byte(p.source()), 0o600); err != nil {
		return weight{}, err
	}
	deps, err := output(nil, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", file)
	if err != nil {
		return weight{}, err
	}
	modules := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(strings.Fields(deps)))), func(path string) bool {
		return path == "github.com/infinitysip/infinitysip" // not a third party's
	})
	binary := strings.TrimSuffix(file, ".go")
	if _, err := build(nil, binary, file); err != nil {
		return weight{}, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return weight{}, err
	}
	w := weight{modules: len(modules), bytes: info.Size()}
	if cold == "" {
		return w, nil
	}
	cache := binary + ".cache"
	if err := os.CopyFS(cache, os.DirFS(cold)); err != nil {
		return weight{}, err
	}
	took, err := build([]string{"GOCACHE=" + cache}, binary, file)
	if err != nil {
		return weight{}, err
	}
	w.compile = max(took-link, 0)
	return w, os.RemoveAll(cache)
}

// coldCache is a build cache that holds what the program with net/http alone
// compiles. It returns how long building it takes, and how long linking it.
func coldCache(dir string) (cache string, whole, link time.Duration, err error) {
	file := filepath.Join(dir, "cold.go")
	if err := os.WriteFile(file, []byte(handProgram.source()), 0o600); err != nil {
		return "", 0, 0, err
	}
	cache = filepath.Join(dir, "cache")
	env := []string{"GOCACHE=" + cache}
	if whole, err = build(env, filepath.Join(dir, "cold"), file); err != nil {
		return "", 0, 0, err
	}
	link, err = build(env, filepath.Join(dir, "again"), file)
	return cache, whole, link, err
}

func build(env []string, binary, file string) (time.Duration, error) {
	start := time.Now()
	_, err := output(env, "go", "build", "-trimpath", "-o", binary, file)
	return time.Since(start), err
}

func output(env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w", cmd, err)
	}
	return string(out), err
}

// weights prints the table on what an import costs.
func weights(w io.Writer, c config) error {
	dir, err := os.MkdirTemp("", "benchmarks")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var cold string
	var whole, link time.Duration
	if !c.quick {
		if cold, whole, link, err = coldCache(dir); err != nil {
			return err
		}
	}
	programs := []program{handProgram, sdkProgram}
	if c.peersWeight {
		programs = append(programs, peerPrograms...)
	}
	table := &bench.Table{
		Title: "Weight: a program that makes a client and one call",
		Note:  "Over the same program with net/http alone: third-party modules compiled, size of the binary, and time to compile what is not in the standard library and net/http's part of it.",
		Head:  []string{"with", "modules", "MB", "MB over", "cold compile, s over"},
	}
	var hand weight
	for i, p := range programs {
		one, err := weigh(p, dir, cold, link)
		if err != nil {
			return err
		}
		if i == 0 {
			hand = one
		}
		megabytes, over, compile := float64(one.bytes)/1e6, float64(one.bytes-hand.bytes)/1e6, "not measured"
		switch {
		case cold != "" && i == 0:
			compile = fmt.Sprintf("(%.1f in all)", whole.Seconds())
		case cold != "":
			compile = fmt.Sprintf("%.1f", one.compile.Seconds())
		}
		table.Add(p.name, fmt.Sprint(one.modules), fmt.Sprintf("%.1f", megabytes), fmt.Sprintf("%.2f", over), compile)
		if p.name == sdkProgram.name {
			table.Goals = []bench.Goal{bench.AtMost(4, "", "modules", float64(one.modules)), bench.AtMost(1.25, " MB", "MB over", over)}
			if cold != "" {
				table.Goals = append(table.Goals, bench.AtMost(3, " s", "cold compile over", one.compile.Seconds()))
			}
		}
	}
	table.Print(w)
	return nil
}
