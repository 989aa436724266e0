package provision

import (
	"fmt"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/stretchr/testify/require"
)

func texts(d *differ) []string {
	var all []string
	for _, p := range d.problems {
		all = append(all, p.Text)
	}
	return all
}

// A row of the server that shows no name is a problem only for a state that lists things
// of its kind.
func TestRowsWithoutNames(t *testing.T) {
	t.Parallel()
	there := func() *snapshot {
		all := office()
		all.users = append(all.users, infinitysip.User{ID: 30, DisplayName: "Nobody"})
		all.groups = append(all.groups, infinitysip.Group{ID: 31})
		all.queues = append(all.queues, infinitysip.Queue{ID: 32})
		all.devices = append(all.devices, infinitysip.Device{ID: 33})
		return all
	}
	d := planned(there(), &State{}, PlanOptions{Prune: true})
	require.Empty(t, d.items)
	require.Empty(t, d.problems)
	require.Empty(t, d.notes.list())

	d = planned(there(), &State{
		Users: []User{{User: "ann"}, {User: "ben"}, {User: "cat"}}, Groups: []Group{{Name: "sales"}},
		Queues: []Queue{{Name: "front"}}, Devices: []Device{{MACAddress: "10:20:30:00:00:01"}, {MACAddress: "10:20:30:00:00:02"}},
	}, PlanOptions{})
	require.Empty(t, d.items)
	require.Equal(t, []string{
		"user 30 on the server does not show its user", "group 31 on the server does not show its groupName", "queue 32 on the server does not show its queueName",
	}, texts(d))
	require.Contains(t, d.notes.list(), "device 33: it has no MAC address on the server and is left alone")
}

// A new device has the display name that its owner has on the server, where the state
// gives none.
func TestADeviceOfAUserWhoKeepsItsName(t *testing.T) {
	t.Parallel()
	d := planned(office(), &State{Users: []User{{User: "ann"}}, Devices: []Device{{MACAddress: "10:20:30:00:00:03", Owner: new("ann")}}}, PlanOptions{})
	require.Empty(t, d.problems)
	require.Equal(t, []string{"create device 10:20:30:00:00:03: pbxDeviceName=Ann", "create device owner 10:20:30:00:00:03: to ann"}, briefs(d))
}

func skipping(t *testing.T, file string) *State {
	t.Helper()
	state, err := ReadCSV(strings.NewReader(file), &CSVOptions{SkipBad: true})
	require.NoError(t, err)
	require.NotEmpty(t, state.Skipped())
	return state
}

// Who has a device is not deleted if all that is left of a row is that device.
func TestASkippedRowWithADeviceAlone(t *testing.T) {
	t.Parallel()
	state := skipping(t, "user,displayName,extension,mac\nben,Ben,102,\ncat,Cat,103,\n,,,10:20:30:00:00:01\n")
	state.Users = []User{{User: "ben"}, {User: "cat"}}
	d := planned(office(), state, PlanOptions{Prune: true})
	require.Empty(t, d.problems)
	for _, change := range briefs(d) {
		require.NotContains(t, change, "user ann")
		require.NotContains(t, change, "10:20:30:00:00:01")
	}
}

// A row that names no user keeps nobody from being planned, if nothing is
// deleted.
func TestASkippedRowWithoutPruning(t *testing.T) {
	t.Parallel()
	state := skipping(t, "user,displayName\nben,Ben\n,Rob Johnes\n")
	require.Empty(t, texts(planned(office(), state, PlanOptions{})))
	require.Equal(t, []string{sayNotWhose}, texts(planned(office(), state, PlanOptions{Prune: true})))
}

const sayNotWhose = "rows of the file were skipped that do not say whose they are, so pruning could delete users who are in the file: mend these rows"

// A row with the MAC address of a device that the state has too may be anybody's, as one
// with the extension number of a user who is in the state.
func TestASkippedRowWithTheDeviceOfAnother(t *testing.T) {
	t.Parallel()
	state := skipping(t, "user,displayName,extension,mac\nann,Ann,101,10:20:30:00:00:01\n,Rob Johnes,108,10:20:30:00:00:01\n")
	require.Equal(t, []string{sayNotWhose}, texts(planned(office(), state, PlanOptions{Prune: true})))
}

// A skipped row that names its user protects nothing else: not the devices of others, and
// no groups and queues.
func TestASkippedRowProtectsItsOwnAlone(t *testing.T) {
	t.Parallel()
	state := skipping(t, "user,displayName,extension,mac\nann,Ann,101,10:20:30:00:00:01\nben,Ben,,\ncat,Cat,103,\ndan,Dan,x,\n")
	state.Groups, state.Queues = []Group{}, []Queue{}
	d := planned(office(), state, PlanOptions{Prune: true})
	require.Empty(t, d.problems)
	var deleted []string
	for i := range d.items {
		if c := &d.items[i]; c.Op == OpDelete && c.Kind.isThing() {
			deleted = append(deleted, string(c.Kind)+" "+c.Name)
		}
	}
	require.Equal(t, []string{"group sales", "group night", "group Night", "queue front", "device 10:20:30:00:00:02"}, deleted)
}

// A list that has pages is whole, even if it has as many rows as other lists have at most.
func TestAListOfPagesIsWhole(t *testing.T) {
	t.Parallel()
	there := office()
	for i := range wire.MaxRows - len(there.queues) {
		there.queues = append(there.queues, infinitysip.Queue{ID: infinitysip.QueueID(100 + i), Name: fmt.Sprint("queue ", i)})
	}
	for i := range wire.MaxRows - len(there.groups) {
		there.groups = append(there.groups, infinitysip.Group{ID: infinitysip.GroupID(100 + i), Name: fmt.Sprint("group ", i)})
	}
	d := planned(there, &State{Queues: []Queue{{Name: "late", ExtensionNumber: "700"}}}, PlanOptions{})
	require.Empty(t, d.problems)
	require.Equal(t, []string{"create queue late: displayName=late extensionNumber=700"}, briefs(d))
	d = planned(there, &State{Groups: []Group{{Name: "late", ExtensionNumber: "600"}}}, PlanOptions{})
	require.Equal(t, []string{`the server gave exactly 10000 rows, which may not be all, and "late" is not among them`}, texts(d))
	require.Empty(t, briefs(d))
}

// With CreateOnly a user who differs gets one note, also where one field can be changed
// and one cannot.
func TestCreateOnlyNotesEachDifference(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]User{
		"a field":                 {User: "ann", DisplayName: "Anna"},
		"a field that is fixed":   {User: "ann", UKPhoneID: 4},
		"a field of either kinds": {User: "ann", DisplayName: "Anna", UKPhoneID: 4},
	} {
		d := planned(office(), &State{Users: []User{user}}, PlanOptions{CreateOnly: true})
		require.Empty(t, d.items, name)
		require.Contains(t, d.notes.list(), "user ann: "+leftAsItIs, name)
	}
	d := planned(office(), &State{Users: []User{{User: "ann", DisplayName: "Ann"}}}, PlanOptions{CreateOnly: true})
	require.NotContains(t, strings.Join(d.notes.list(), "\n"), leftAsItIs)
}

// Where the server has another form of what the state says, a plan tells that it may never
// be empty.
func TestAPlanTellsOfValuesThatTheServerRewrites(t *testing.T) {
	t.Parallel()
	there := office()
	there.users[0].DisplayName = "Smith &amp; Sons"
	d := planned(there, &State{Users: []User{{User: "ann", DisplayName: "Smith & Sons"}, {User: "ben", DisplayName: "Benjamin"}}}, PlanOptions{})
	require.Equal(t, []string{"update user ann: displayName=Smith & Sons", "update user ben: displayName=Benjamin"}, briefs(d))
	notes := strings.Join(d.notes.list(), "\n")
	require.Contains(t, notes, "user ann: the server has another form of displayName: ")
	require.NotContains(t, notes, "user ben: the server has another form")
}

// A number that differs from the server's by the 0 in front alone is what a spreadsheet
// made of it. No other change is one.
func TestANumberThatLostItsZero(t *testing.T) {
	t.Parallel()
	there := office()
	there.users[0].ExtensionNumber, there.users[0].MobileNumber, there.users[1].MobileNumber = "0101", "07700900101", "0"
	plan := func(file string, opts CSVOptions) *differ {
		state, err := ReadCSV(strings.NewReader(file), &opts)
		require.NoError(t, err)
		return planned(there, state, PlanOptions{})
	}
	d := plan("user,displayName,extension\nann,Ann,101\n", CSVOptions{})
	require.Equal(t, []string{`user ann has "0101" on the server: the spreadsheet has taken away the 0 at the beginning. Format the column as text, or say that the numbers are meant as they are written`}, texts(d))
	require.Equal(t, "users[0].extensionNumber", d.problems[0].Path)
	require.Equal(t, 2, d.problems[0].Line)
	require.Len(t, texts(plan("user,mobile\nann,7700900101\n", CSVOptions{})), 1)

	for _, test := range []struct {
		file string
		opts CSVOptions
		want string
	}{
		{"user,extension\nann,101\n", CSVOptions{NumbersAsWritten: true}, "update user ann: extensionNumber=101"},
		{"user,extension\nann,111\n", CSVOptions{}, "update user ann: extensionNumber=111"},
		{"user,displayName\nann,Anna\n", CSVOptions{}, "update user ann: displayName=Anna"},
		{"user,mobile\nben,-\n", CSVOptions{Clear: "-"}, "update user ben: mobileNumber="},
	} {
		d := plan(test.file, test.opts)
		require.Empty(t, d.problems, test.file)
		require.Equal(t, []string{test.want}, briefs(d))
	}
	state := &State{Users: []User{{User: "ann", ExtensionNumber: "101"}}}
	require.Empty(t, planned(there, state, PlanOptions{}).problems, "it is from no spreadsheet")
}

// A PIN that is not set leaves hot-desking off. What else the row changes is changed.
func TestAPINThatIsNotSetLeavesOtherChanges(t *testing.T) {
	t.Parallel()
	state, err := ReadCSV(strings.NewReader("user,displayName,email,pin\nann,Anna,ann@example.com,4711\n"), nil)
	require.NoError(t, err)
	d := planned(office(), state, PlanOptions{})
	require.Empty(t, d.problems)
	require.Equal(t, []string{"update user ann: displayName=Anna email=ann@example.com"}, briefs(d))
	d = planned(office(), state, PlanOptions{SetSecrets: true})
	require.Equal(t, []string{"update user ann: displayName=Anna email=ann@example.com hotdeskAllowed=true"}, briefs(d))
}

// Each secret that a run was cut at is set again, and a note says why.
func TestUnsettledSecretsAreSetAgain(t *testing.T) {
	t.Parallel()
	const note = "user ann: a run was cut when it set the password or the PIN, and nobody knows which is in force, so it is set again"
	secret := infinitysip.NewSecret("x4711")
	for name, test := range map[string]struct {
		left Credential
		want []string
	}{
		"the password": {Credential{User: "Ann", Password: secret}, []string{"password"}},
		"the PIN":      {Credential{User: "Ann", PIN: secret}, []string{"pin"}},
		"both":         {Credential{User: "Ann", Password: secret, PIN: secret}, []string{"password", "pin"}},
	} {
		d := planned(office(), &State{Users: []User{{User: "ann"}, {User: "ben"}, {User: "cat"}}}, PlanOptions{Unsettled: []Credential{test.left}})
		require.Equal(t, []string{note}, d.notes.list(), name)
		require.Equal(t, []string{"update user ann:"}, briefs(d), name)
		require.Equal(t, test.want, d.items[0].Secrets, name)
	}
}

// That secrets are set each time is noted of those users who have some in the state.
func TestSecretsThatAreSetEachTime(t *testing.T) {
	t.Parallel()
	d := planned(office(), &State{Users: []User{{User: "ann", PIN: infinitysip.NewSecret("4711")}, {User: "ben"}, {User: "cat"}}}, PlanOptions{SetSecrets: true})
	require.Equal(t, []string{"user ann: the API does not show passwords and PINs, so every plan that sets them has something to do"}, d.notes.list())
}

// A name that is nobody's, or that of two who are on the server, is a problem. Of a group
// the problem tells how groups are separated.
func TestNamesThatCannotBeResolved(t *testing.T) {
	t.Parallel()
	there := office()
	there.users = append(there.users, infinitysip.User{ID: 10, User: "Ann"})
	for name, test := range map[string]struct {
		desired State
		want    string
	}{
		"no group":             {State{Users: []User{{User: "ben", Groups: []string{"days"}}}}, `there is no group "days", neither in the state nor on the server`},
		"two groups as one":    {State{Users: []User{{User: "ben", Groups: []string{"sales,night"}}}}, `there is no group "sales,night", neither in the state nor on the server: groups are separated by semicolons`},
		"no user":              {State{Groups: []Group{{Name: "sales", Members: []string{"ben,cat"}}}}, `there is no user "ben,cat", neither in the state nor on the server`},
		"two users, by case":   {State{Groups: []Group{{Name: "sales", Members: []string{"ANN"}}}}, `2 of them on the server are called "ANN", ids 1, 10: delete or rename all but one`},
		"two groups, by case":  {State{Users: []User{{User: "ben", Groups: []string{"NIGHT"}}}}, `2 of them on the server are called "NIGHT", ids 6, 4: delete or rename all but one`},
		"an owner who is none": {State{Devices: []Device{{MACAddress: "10:20:30:00:00:01", Owner: new("dan")}}}, `there is no user "dan", neither in the state nor on the server`},
	} {
		require.Equal(t, []string{test.want}, texts(planned(there, &test.desired, PlanOptions{})), name)
	}
}
