package provision_test

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/infinitysip/infinitysip/provision"
)

// A list from another system has headers of its own, and rows that somebody must mend.
// The good ones need not wait for the others.
func ExampleCSVOptions() {
	const staff = `Staff No;Known as;Office phone;Salary
joe.blogs;Joe Blogs;0100;1
ann.other;Ann Other;01O1;1
`
	people, err := provision.ReadCSV(strings.NewReader(staff), &provision.CSVOptions{
		File:          "staff.csv",
		Columns:       map[string]string{"Staff No": "user", "Known as": "displayName", "Office phone": "extension"},
		IgnoreUnknown: true,
		SkipBad:       true,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, u := range people.Users {
		fmt.Println(u.User, u.DisplayName, u.ExtensionNumber)
	}
	for _, problem := range people.Skipped() {
		fmt.Println(problem)
	}
	if err := people.WriteSkipped(os.Stdout); err != nil { // to whoever mends them
		log.Fatal(err)
	}
	// Output:
	// joe.blogs Joe Blogs 0100
	// staff.csv, line 3, Office phone: not digits alone: "01O1"
	// Staff No;Known as;Office phone;problem
	// ann.other;Ann Other;01O1;"staff.csv, line 3, Office phone: not digits alone: ""01O1"""
}
