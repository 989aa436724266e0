// Scale provisions a large company, 10,000 users with a device each, 200 groups
// and 50 queues, on a siptest server that takes 20 ms for each request, and
// prints what that takes:
//
//	go run ./scale
//
// The server is a process of its own, so that its memory is not counted.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

const latency = 20 * time.Millisecond

func main() {
	log.SetFlags(0)
	serve := flag.Bool("serve", false, "be the server")
	workers := flag.Int("workers", 32, "how many calls at a time")
	users := flag.Int("users", 10_000, "users, with a device each")
	groups := flag.Int("groups", 200, "groups")
	queues := flag.Int("queues", 50, "queues")
	flag.Parse()
	var err error
	if *serve {
		err = server(os.Stdin, os.Stdout)
	} else {
		err = measure(context.Background(), *workers, company(*users, *groups, *queues))
	}
	if err != nil {
		log.Fatal("scale: ", err)
	}
}

// server serves until its input ends. For each line of it, it tells which calls
// it has had since the line before.
func server(in io.Reader, out io.Writer) error {
	srv := siptest.NewServer(siptest.Options{Latency: latency})
	defer srv.Close()
	fmt.Fprintln(out, srv.URL(), srv.AddDomain(infinitysip.Domain{DisplayName: "Large Ltd"}), srv.AddDomain(infinitysip.Domain{DisplayName: "Plain Ltd"}))
	for lines := bufio.NewScanner(in); lines.Scan(); {
		calls := map[string]int{}
		for _, r := range srv.Requests() {
			calls[r.Op]++
		}
		srv.ResetRequests()
		if err := json.NewEncoder(out).Encode(calls); err != nil {
			return err
		}
	}
	return nil
}

// company is a state: every user in one group, every queue ringing four.
func company(users, groups, queues int) *provision.State {
	s := new(provision.State)
	for i := range groups {
		s.Groups = append(s.Groups, provision.Group{Name: fmt.Sprintf("group%03d", i), ExtensionNumber: strconv.Itoa(20_000 + i), Members: []string{}})
	}
	for i := range users {
		name := fmt.Sprintf("user%05d", i)
		s.Users = append(s.Users, provision.User{User: name, DisplayName: fmt.Sprintf("User Number %d", i), ExtensionNumber: strconv.Itoa(30_000 + i),
			Email: new(name + "@example.com"), DepartmentName: new("Department " + strconv.Itoa(i%groups))})
		s.Devices = append(s.Devices, provision.Device{MACAddress: fmt.Sprintf("02:00:00:00:%02X:%02X", i>>8, i&255), Owner: &name})
		g := &s.Groups[i%groups]
		g.Members = append(g.Members, name)
	}
	for i := range queues {
		q := provision.Queue{Name: fmt.Sprintf("queue%02d", i), ExtensionNumber: strconv.Itoa(10_000 + i)}
		for j := range 4 {
			q.Members = append(q.Members, provision.QueueMember{Group: s.Groups[(4*i+j)%groups].Name})
		}
		s.Queues = append(s.Queues, q)
	}
	return s
}

func measure(ctx context.Context, workers int, desired *provision.State) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.CommandContext(ctx, self, "-serve")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	answers := bufio.NewReader(out)
	defer func() {
		_ = in.Close()
		_ = child.Wait()
	}()
	var (
		url           string
		domain, other infinitysip.DomainID
	)
	if _, err := fmt.Fscanln(answers, &url, &domain, &other); err != nil {
		return err
	}
	client, err := infinitysip.NewClient(infinitysip.APIKey("siptest-api-key"), infinitysip.WithBaseURL(url))
	if err != nil {
		return err
	}
	tell := func(what string, took time.Duration) error {
		if _, err := fmt.Fprintln(in); err != nil {
			return err
		}
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return err
		}
		calls, total := map[string]int{}, 0
		if err := json.Unmarshal(line, &calls); err != nil {
			return err
		}
		var all []string
		for op, n := range calls {
			all = append(all, fmt.Sprintf("%s %d", op, n))
			total += n
		}
		slices.Sort(all)
		ideal := time.Duration(total) * latency / time.Duration(workers)
		fmt.Printf("%-12s %6d requests %8.2f s   ideal %6.2f s   ratio %.3f   peak memory so far %d MB\n             %s\n",
			what, total, took.Seconds(), ideal.Seconds(), took.Seconds()/ideal.Seconds(), peakMemory()>>20, strings.Join(all, ", "))
		return nil
	}

	start := time.Now()
	if err := desired.Check(); err != nil {
		return err
	}
	fmt.Printf("%-12s %27.2f s\n", "check", time.Since(start).Seconds())
	start = time.Now()
	if err := plainLoop(ctx, client, other, workers, 10_000); err != nil {
		return err
	}
	if err := tell("plain loop", time.Since(start)); err != nil {
		return err
	}
	for _, what := range []string{"into nothing", "again"} {
		start = time.Now()
		changes, err := provision.Plan(ctx, client, domain, desired, &provision.PlanOptions{Workers: workers})
		if err != nil {
			return err
		}
		if err := tell("plan "+what, time.Since(start)); err != nil {
			return err
		}
		if changes.Empty() {
			fmt.Println("nothing left to do")
			return nil
		}
		start = time.Now()
		results, err := changes.Apply(ctx, client, &provision.ApplyOptions{Workers: workers})
		if err != nil {
			return err
		}
		if err := tell("apply", time.Since(start)); err != nil {
			return err
		}
		tokens := 0
		for _, r := range results {
			if !r.Token.IsZero() {
				tokens++
			}
		}
		fmt.Printf("%d changes done, %d tokens received\n", len(results), tokens)
	}
	return fmt.Errorf("the second plan is not empty")
}

// plainLoop creates users in the plainest way: what client and server can do at
// best on this machine, as it is now.
func plainLoop(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, workers, calls int) error {
	next := make(chan int)
	errs := make(chan error, workers)
	for range workers {
		go func() {
			var failed error
			for i := range next {
				_, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{User: fmt.Sprintf("user%05d", i), Password: provision.GeneratePassword(),
					DisplayName: "User", ExtensionNumber: strconv.Itoa(30_000 + i)})
				failed = errors.Join(failed, err)
			}
			errs <- failed
		}()
	}
	for i := range calls {
		next <- i
	}
	close(next)
	var all error
	for range workers {
		all = errors.Join(all, <-errs)
	}
	return all
}

// peakMemory is the most that this process has held, in bytes, as Linux counts
// it.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kB << 10
		}
	}
	return 0
}
