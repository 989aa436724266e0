package provision_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// An office in JSON. What it does not mention stays as it is.
func ExampleReadJSON() {
	state, err := provision.ReadJSON(strings.NewReader(`{
		"users":  [{"user": "joe", "displayName": "Joe", "extensionNumber": "0100", "hotdeskAllowed": true}],
		"groups": [{"groupName": "sales", "extensionNumber": "0600", "members": ["joe"]}],
		"devices": []
	}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Users[0].User, *state.Users[0].HotdeskAllowed, state.Groups[0].Members)
	fmt.Println("no device should stay:", state.Devices != nil)
	fmt.Println("queues are left alone:", state.Queues == nil)
	// Output:
	// joe true [joe]
	// no device should stay: true
	// queues are left alone: true
}

// A spreadsheet of people, as a spreadsheet program saves it.
func ExampleReadCSV() {
	state, err := provision.ReadCSV(strings.NewReader(`Username;First name;Surname;Ext;Groups;Phone MAC
joe;Joe;Blogs;="0100";sales;10-20-30-1a-2b-3c
ann;Ann;Other;'0101;"sales;support";
`), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range state.Users {
		fmt.Println(user.User, user.DisplayName, user.ExtensionNumber, user.Groups)
	}
	fmt.Println(state.Devices[0].MACAddress, *state.Devices[0].Owner)
	// Output:
	// joe Joe Blogs 0100 [sales]
	// ann Ann Other 0101 [sales support]
	// 10-20-30-1a-2b-3c joe
}

// An empty cell leaves what is on the server. A hyphen clears it.
func ExampleCSVOptions_clear() {
	state, err := provision.ReadCSV(strings.NewReader("user,displayName,extension,mobile,email\njoe,Joe,0100,-,\n"), &provision.CSVOptions{Clear: "-"})
	if err != nil {
		log.Fatal(err)
	}
	joe := state.Users[0]
	fmt.Printf("%q %t\n", *joe.MobileNumber, joe.Email == nil)
	// Output: "" true
}

// A spreadsheet has dropped the zero of 0201, or so it seems. The list is right.
func ExampleCSVOptions_numbersAsWritten() {
	const list = "user,displayName,extension\njoe,Joe,201\nann,Ann,0202\n"
	for _, options := range []*provision.CSVOptions{nil, {NumbersAsWritten: true}} {
		state, err := provision.ReadCSV(strings.NewReader(list), options)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(state.Check())
	}
	// Output:
	// provision: 1 problem, nothing was changed:
	// line 2, extension: a spreadsheet may have dropped a zero from the front: others of this column have 4 digits and begin with 0; format the column as text, or say that the numbers are as written: "201"
	// <nil>
}

// The people are in a spreadsheet, and the rest is in JSON.
func ExampleMerge() {
	people, err := provision.ReadCSV(strings.NewReader("user,displayName,extension,groups\njoe,Joe,0100,sales\n"), nil)
	if err != nil {
		log.Fatal(err)
	}
	rest, err := provision.ReadJSON(strings.NewReader(`{"groups": [{"groupName": "sales", "extensionNumber": "0600"}]}`))
	if err != nil {
		log.Fatal(err)
	}

	state := provision.Merge(people, rest)
	fmt.Println(len(state.Users), len(state.Groups), state.Check())
	// Output: 1 1 <nil>
}

// A state can be a part of other JSON, such as the file of a whole company.
func ExampleState_UnmarshalJSON() {
	var offices map[string]*provision.State
	err := json.Unmarshal([]byte(`{
		"Leeds":  {"users": [{"user": "joe", "displayName": "Joe", "extensionNumber": "0100"}]},
		"London": {"trustedNetworks": [{"network": "203.0.113.0/24"}]}
	}`), &offices)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(offices["Leeds"].Users[0].User, offices["London"].TrustedNetworks[0].Network)
	// Output: joe 203.0.113.0/24
}

// A state that a program has made is written for people. Passwords are not in the file.
func ExampleState_WriteJSON() {
	state := &provision.State{Users: []provision.User{
		{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", Password: infinitysip.NewSecret("hunter22"), Groups: []string{"sales"}},
	}}
	if err := state.WriteJSON(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// {
	//   "users": [
	//     {
	//       "user": "joe",
	//       "displayName": "Joe",
	//       "extensionNumber": "0100",
	//       "groups": [
	//         "sales"
	//       ]
	//     }
	//   ]
	// }
}

// A list of people for another program. WriteCSV guards it against spreadsheets.
func ExampleState_WriteCSV() {
	state := &provision.State{Users: []provision.User{
		{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", MobileNumber: new("+447700900101")},
	}}
	if err := state.WriteCSV(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// user,displayName,extension,email,mobile,pin,password
	// joe,Joe,0100,,'+447700900101,,
}

// A row is wrong. The rest of the list can be used today.
func ExampleState_Skipped() {
	state, err := provision.ReadCSV(strings.NewReader("user,displayName,extension\njoe,Joe,0100\nann,,0101\n"),
		&provision.CSVOptions{File: "staff.csv", SkipBad: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(state.Users), state.Check())
	for _, problem := range state.Skipped() {
		fmt.Println(problem)
	}
	// Output:
	// 1 <nil>
	// staff.csv, line 3, displayName: missing
}

// The rows that were left out go to whoever mends them.
func ExampleState_WriteSkipped() {
	state, err := provision.ReadCSV(strings.NewReader("user,displayName,extension,pin\njoe,Joe,0100,1234\nann,Ann,O101,5678\n"),
		&provision.CSVOptions{File: "staff.csv", SkipBad: true})
	if err != nil {
		log.Fatal(err)
	}
	if err := state.WriteSkipped(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// user,displayName,extension,pin,problem
	// ann,Ann,O101,,"staff.csv, line 3, extension: not digits alone: ""O101"""
}

// A plan that was read back gets the passwords of the state, and those of a run that
// was cut.
func ExampleState_Secrets() {
	state := &provision.State{Users: []provision.User{
		{User: "joe", Password: infinitysip.NewSecret("hunter22")},
		{User: "ann"},
	}}
	secrets := state.Secrets(provision.Credential{User: "ann", Password: infinitysip.NewSecret("of-the-last-run")})

	for _, user := range []string{"joe", "ann"} {
		credential, err := secrets(user)
		fmt.Println(user, credential.Password.Reveal(), err)
	}
	// Output:
	// joe hunter22 <nil>
	// ann of-the-last-run <nil>
}

// Every problem of a state at once, with its place.
func ExampleCheckError() {
	state := &provision.State{
		Users:  []provision.User{{User: "joe", ExtensionNumber: "9112"}, {User: "Joe", ExtensionNumber: "0101", Email: new("joe")}},
		Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0101", Members: []string{"bob"}}},
	}
	fmt.Println(state.Check())
	// Output:
	// provision: 5 problems, nothing was changed:
	// users[0] (joe), extensionNumber: "9112" begins like the emergency number 911: take another one, or say that emergency numbers are meant
	// users[1] (Joe), user: "Joe" is there twice, first in users[0]
	// users[1] (Joe), email: not an e-mail address: "joe"
	// groups[0] (sales), extensionNumber: "0101" is that of user Joe already
	// groups[0] (sales), members: "bob" is not in the state
}

func ExampleCheckError_Error() {
	state := &provision.State{TrustedNetworks: []provision.TrustedNetwork{{Network: "0.0.0.0/0"}, {Network: "203.0.113"}}}
	if wrong, ok := errors.AsType[*provision.CheckError](state.Check()); ok {
		fmt.Println(len(wrong.Problems))
		fmt.Println(wrong.Error())
	}
	// Output:
	// 2
	// provision: 2 problems, nothing was changed:
	// trustedNetworks[0] (0.0.0.0/0), network: this trusts every address there is: "0.0.0.0/0"
	// trustedNetworks[1] (203.0.113), network: not a network in CIDR notation, such as 10.0.20.0/24: "203.0.113"
}

// A program tells a state that is wrong from a server that is down.
func ExampleCheckError_Is() {
	err := (&provision.State{Users: []provision.User{{User: " joe"}}}).Check()
	fmt.Println(errors.Is(err, infinitysip.ErrInvalid), errors.Is(err, infinitysip.ErrUnavailable))
	// Output: true false
}

// A web page shows each problem beside its cell.
func ExampleProblem() {
	state, err := provision.ReadCSV(strings.NewReader("user,displayName,ext\njoe,Joe,O100\n"), nil)
	if err != nil {
		log.Fatal(err)
	}
	if wrong, ok := errors.AsType[*provision.CheckError](state.Check()); ok {
		for _, problem := range wrong.Problems {
			fmt.Printf("line %d, column %s: %s\n", problem.Line, problem.Column, problem.Text)
		}
	}
	// Output: line 2, column ext: not digits alone: "O100"
}

func ExampleProblem_String() {
	fmt.Println(provision.Problem{File: "staff.csv", Line: 7, Column: "Ext", Text: `not digits alone: "02o4"`})
	fmt.Println(provision.Problem{File: "office.json", Line: 12, Thing: "user joe", Column: "email", Path: "users[0].email", Text: `not an e-mail address: "joe"`})
	// Output:
	// staff.csv, line 7, Ext: not digits alone: "02o4"
	// office.json, line 12, user joe, email: not an e-mail address: "joe"
}

// A user in a log has no password.
func ExampleUser_MarshalJSON() {
	text, err := json.Marshal(provision.User{User: "joe", ExtensionNumber: "0100", PIN: infinitysip.NewSecret("270153")})
	fmt.Println(string(text), err)
	// Output: {"user":"joe","extensionNumber":"0100"} <nil>
}

// A program that writes a list of its own keeps a name from being taken for a formula.
func ExampleGuardCSV() {
	fmt.Println(provision.GuardCSV("Joe Blogs"))
	fmt.Println(provision.GuardCSV("=HYPERLINK(1)"))
	fmt.Println(provision.GuardCSV("+447700900101"))
	// Output:
	// Joe Blogs
	// '=HYPERLINK(1)
	// '+447700900101
}
