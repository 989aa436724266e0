// Provision sets up a phone system from two files: a CSV of people, with the
// groups that they are in and their desk phones, and a JSON of the office, with
// groups, queues and trusted networks. It is package provision in a hundred lines;
// the command infinitysip does the same with all that belongs to it.
//
//	go run ./examples/provision -apply
//
// runs on siptest, a server in memory, with the files people.csv and office.json of
// this folder, and needs no account. Without -apply it prints the plan and changes
// nothing. For your own account, put INFINITY_API_KEY (or INFINITY_USERNAME and
// INFINITY_PASSWORD) into the environment:
//
//	go run ./examples/provision -live -domain acme -csv staff.csv -office office.json
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
)

var (
	//go:embed people.csv
	samplePeople []byte
	//go:embed office.json
	sampleOffice []byte
)

func main() {
	live := flag.Bool("live", false, "run on your own account instead of siptest")
	domain := demo.DomainFlag(flag.CommandLine)
	people := flag.String("csv", "", "the `file` of people, CSV; without it, that of the example")
	office := flag.String("office", "", "the `file` of groups, queues and networks, JSON; without it, that of the example")
	apply := flag.Bool("apply", false, "carry out the plan")
	secrets := flag.String("secrets", "secrets.csv", "the `file` to keep passwords and device tokens in, with -live")
	demo.Main("provision", func(ctx context.Context) error {
		if *live && (*people == "" || *office == "") {
			return errors.New("-live needs -csv and -office: the people of the example are not for a real account")
		}
		target, err := demo.ConnectToDomain(ctx, *live, *domain)
		if err != nil {
			return err
		}
		defer target.Close()
		fmt.Println(target.Note)
		desired, err := read(*people, *office)
		if err != nil {
			return err
		}
		if !*live {
			*secrets = "" // they are gone with siptest
		}
		return run(ctx, target, desired, *apply, *secrets, os.Stdout)
	})
}

// read reads the two files, and finds what is wrong with them.
func read(people, office string) (*provision.State, error) {
	csv, err := open(people, samplePeople)
	if err != nil {
		return nil, err
	}
	defer csv.Close()
	persons, err := provision.ReadCSV(csv, nil)
	if err != nil {
		return nil, err
	}
	json, err := open(office, sampleOffice)
	if err != nil {
		return nil, err
	}
	defer json.Close()
	rest, err := provision.ReadJSON(json)
	if err != nil {
		return nil, err
	}
	desired := provision.Merge(persons, rest)
	return desired, desired.Check()
}

func open(name string, sample []byte) (io.ReadCloser, error) {
	if name == "" {
		return io.NopCloser(bytes.NewReader(sample)), nil
	}
	return os.Open(name)
}

// run plans, prints the plan, and carries it out if it is to.
func run(ctx context.Context, target *demo.Target, desired *provision.State, apply bool, secrets string, w io.Writer) (err error) {
	plan := &provision.PlanOptions{}
	options := &provision.ApplyOptions{}
	if apply && secrets != "" { // what nobody can read later is on the disk before it is used
		file, err := provision.KeepCSV(secrets)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		options.Keep, options.Settle, plan.Unsettled = file.Keep, file.Settle, file.Unsettled()
	}
	changes, err := provision.Plan(ctx, target.Client, target.Domain, desired, plan)
	if err != nil {
		return err
	}
	if err := (provision.Printer{}).Print(w, changes); err != nil || !apply {
		return err
	}
	results, err := changes.Apply(ctx, target.Client, options)
	for _, r := range results {
		fmt.Fprintf(w, "%-8s %s\n", r.Status, r.Change)
	}
	return err
}
