package provision_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// keepIn opens a file of credentials.
func keepIn(t *testing.T, name string) *provision.CredentialFile {
	t.Helper()
	f, err := provision.KeepCSV(name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// password is a credential of a user.
func password(user, password, pin string) provision.Credential {
	return provision.Credential{User: user, Password: infinitysip.NewSecret(password), PIN: infinitysip.NewSecret(pin)}
}

// as is a credential with another state.
func as(state provision.CredentialState, c provision.Credential) provision.Credential {
	c.State = state
	return c
}

// revealed are credentials as text, to be compared.
func revealed(all []provision.Credential) []string {
	var texts []string
	for _, c := range all {
		texts = append(texts, strings.Join([]string{string(c.State), c.User, c.Device, c.Password.Reveal(), c.PIN.Reveal(), c.Token.Reveal()}, "|"))
	}
	return texts
}

func TestKeepCSV(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "secrets.csv")
	f := keepIn(t, name)
	require.NoError(t, f.Keep(as(provision.CredentialConfirmed, password("joe", "pw1", "0123")))) // it is proposed all the same
	require.NoError(t, f.Settle(as(provision.CredentialConfirmed, password("joe", "pw1", "0123"))))
	require.NoError(t, f.Keep(password("=cmd", "=1+1", "")))
	require.NoError(t, f.Settle(as(provision.CredentialUnknown, password("=cmd", "=1+1", ""))))
	token := provision.Credential{User: "joe", Device: phone, Token: infinitysip.NewSecret("tok")}
	require.NoError(t, f.Keep(token))
	require.NoError(t, f.Close())

	f = keepIn(t, name) // taken up
	require.Equal(t, []string{"unknown|=cmd||=1+1||"}, revealed(f.Unsettled()))
	require.NoError(t, f.Settle(as(provision.CredentialConfirmed, token)))
	require.NoError(t, f.Keep(password("a,\"b\"\nc", " two\nlines, \"quoted\" ", "")))

	text, err := os.ReadFile(name)
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"state", "user", "device", "password", "pin", "token"},
		{"proposed", "joe", "", "pw1", "0123", ""},
		{"confirmed", "joe", "", "pw1", "0123", ""},
		{"proposed", "'=cmd", "", "=1+1", "", ""},
		{"unknown", "'=cmd", "", "=1+1", "", ""},
		{"proposed", "joe", phone, "", "", "tok"},
		{"confirmed", "joe", phone, "", "", "tok"},
		{"proposed", "a,\"b\"\nc", "", " two\nlines, \"quoted\" ", "", ""},
	}, rows)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
}

func TestUnsettled(t *testing.T) {
	t.Parallel()
	const (
		proposed  = provision.CredentialProposed
		confirmed = provision.CredentialConfirmed
		refused   = provision.CredentialRefused
		unknown   = provision.CredentialUnknown
	)
	joe := password("joe", "pw", "1234")
	other := password("joe", "pw2", "4321")
	device := provision.Credential{User: "joe", Device: phone}
	anns := provision.Credential{User: "ann", Device: phone}
	spelled := provision.Credential{User: "joe", Device: strings.ToLower(strings.ReplaceAll(phone, ":", "-")), Token: infinitysip.NewSecret("tok")}
	for name, test := range map[string]struct {
		lines []provision.Credential
		want  []string
	}{
		"nothing":           {nil, nil},
		"killed":            {[]provision.Credential{as(proposed, joe)}, []string{"proposed|joe||pw|1234|"}},
		"confirmed":         {[]provision.Credential{as(proposed, joe), as(confirmed, joe)}, nil},
		"refused":           {[]provision.Credential{as(proposed, joe), as(refused, joe)}, nil},
		"unknown":           {[]provision.Credential{as(proposed, joe), as(unknown, joe)}, []string{"unknown|joe||pw|1234|"}},
		"unknown at first":  {[]provision.Credential{as(proposed, joe), as(unknown, joe), as(confirmed, joe)}, nil},
		"refused in doubt":  {[]provision.Credential{as(proposed, joe), as(unknown, joe), as(refused, joe)}, nil},
		"never proposed":    {[]provision.Credential{as(unknown, joe)}, []string{"unknown|joe||pw|1234|"}},
		"nothing to refuse": {[]provision.Credential{as(refused, joe)}, nil},
		"set again":         {[]provision.Credential{as(proposed, joe), as(proposed, joe), as(confirmed, joe)}, nil},
		// The first attempt may have set it, whatever became of the second.
		"refused again": {[]provision.Credential{as(proposed, joe), as(proposed, joe), as(refused, joe)}, []string{"proposed|joe||pw|1234|"}},
		"another later": {[]provision.Credential{as(unknown, joe), as(proposed, other)}, []string{"proposed|joe||pw2|4321|"}},
		"another refused": {[]provision.Credential{as(unknown, joe), as(proposed, other), as(refused, other)},
			[]string{"unknown|joe||pw|1234|"}},
		"another confirmed":      {[]provision.Credential{as(unknown, joe), as(proposed, other), as(confirmed, other)}, nil},
		"confirmed, then killed": {[]provision.Credential{as(confirmed, joe), as(proposed, other)}, []string{"proposed|joe||pw2|4321|"}},
		"the PIN alone": {[]provision.Credential{as(unknown, joe), as(proposed, password("joe", "", "4321")), as(confirmed, password("joe", "", "4321"))},
			[]string{"unknown|joe||pw||"}},
		"PIN and password": {[]provision.Credential{as(proposed, password("joe", "", "4321")), as(proposed, password("joe", "pw", ""))},
			[]string{"proposed|joe||pw|4321|"}},
		"by name, in any case": {[]provision.Credential{as(proposed, joe), as(confirmed, password("JOE", "pw", "1234"))}, nil},
		"several users": {[]provision.Credential{as(proposed, password("zoe", "z", "")), as(proposed, joe), as(proposed, password("'=a", "b", "")), as(confirmed, joe)},
			[]string{"proposed|zoe||z||", "proposed|'=a||b||"}},
		"tokens":                    {[]provision.Credential{as(proposed, provision.Credential{User: "joe", Device: phone, Token: infinitysip.NewSecret("tok")})}, nil},
		"a device":                  {[]provision.Credential{as(proposed, device)}, []string{"proposed|joe|" + phone + "|||"}},
		"a device's token":          {[]provision.Credential{as(proposed, device), as(confirmed, provision.Credential{User: "joe", Device: phone, Token: infinitysip.NewSecret("tok")})}, nil},
		"a device, refused":         {[]provision.Credential{as(proposed, device), as(refused, device)}, nil},
		"a device's token, cut off": {[]provision.Credential{as(proposed, device), as(confirmed, device)}, []string{"unknown|joe|" + phone + "|||"}},
		// The first attempt may have given it a token, whatever became of the second.
		"a device, refused again":           {[]provision.Credential{as(proposed, device), as(proposed, device), as(refused, device)}, []string{"proposed|joe|" + phone + "|||"}},
		"a device in doubt, refused again":  {[]provision.Credential{as(proposed, device), as(unknown, device), as(proposed, device), as(refused, device)}, []string{"unknown|joe|" + phone + "|||"}},
		"a device, another user's, refused": {[]provision.Credential{as(proposed, device), as(proposed, anns), as(refused, anns)}, []string{"proposed|joe|" + phone + "|||"}},
		"a device, spelled otherwise":       {[]provision.Credential{as(proposed, device), as(confirmed, spelled)}, nil},
		"a device, in doubt":                {[]provision.Credential{as(proposed, device), as(unknown, device), as(proposed, joe)}, []string{"proposed|joe||pw|1234|", "unknown|joe|" + phone + "|||"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "secrets.csv")
			f := keepIn(t, file)
			for _, line := range test.lines {
				if line.State == proposed {
					require.NoError(t, f.Keep(line))
				} else {
					require.NoError(t, f.Settle(line))
				}
			}
			require.Equal(t, test.want, revealed(f.Unsettled()))
			require.NoError(t, f.Close())
			require.Equal(t, test.want, revealed(keepIn(t, file).Unsettled()), "read back")
			require.Equal(t, test.want, revealed(provision.Unsettled(test.lines)))
			text, err := os.Open(file)
			require.NoError(t, err)
			defer func() { require.NoError(t, text.Close()) }()
			read, err := provision.ReadCredentials(text)
			require.NoError(t, err)
			require.Equal(t, revealed(test.lines), revealed(read))
		})
	}
}

func TestReadCredentialsRefuses(t *testing.T) {
	t.Parallel()
	const head = "state,user,device,password,pin,token\n"
	for text, want := range map[string]string{
		"":                                "its first line is not state,user",
		"user,password\njoe,hunter2\n":    "its first line is not state,user",
		head + "perhaps,joe,,hunter2,,\n": "line 2 is damaged",
		head + "proposed,joe,,hunter2\nconfirmed,joe,,hunter2,,\n":     "line 2 is damaged",
		head + "proposed,joe,,\"hunter2,,\nconfirmed,joe,,hunter2,,\n": "line 2 is damaged",
	} {
		_, err := provision.ReadCredentials(strings.NewReader(text))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
	read, err := provision.ReadCredentials(strings.NewReader(head + "proposed,joe,,pw,,\nconfirmed,jo"))
	require.NoError(t, err)
	require.Equal(t, []string{"proposed|joe||pw||"}, revealed(read))
}

// Wherever a crash cuts the file off, what Keep and Settle returned from counts.
func TestKeepCSVCutOff(t *testing.T) {
	t.Parallel()
	lines := []provision.Credential{
		as(provision.CredentialProposed, password("ann", "p\"w,1\n", "1")),
		as(provision.CredentialConfirmed, password("ann", "p\"w,1\n", "1")),
		as(provision.CredentialProposed, password("@ben", "pw2", "")),
		as(provision.CredentialUnknown, password("@ben", "pw2", "")),
	}
	whole := [][]string{nil, {"proposed|ann||p\"w,1\n|1|"}, nil, {"proposed|@ben||pw2||"}, {"unknown|@ben||pw2||"}}
	name := filepath.Join(t.TempDir(), "secrets.csv")
	f := keepIn(t, name)
	var ends []int64
	end := func() {
		info, err := os.Stat(name)
		require.NoError(t, err)
		ends = append(ends, info.Size())
	}
	end()
	for _, line := range lines {
		if line.State == provision.CredentialProposed {
			require.NoError(t, f.Keep(line))
		} else {
			require.NoError(t, f.Settle(line))
		}
		end()
	}
	require.NoError(t, f.Close())
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	for cut := range len(text) + 1 {
		require.NoError(t, os.WriteFile(name, text[:cut], 0o600))
		n := 0
		for n < len(lines) && ends[n+1] <= int64(cut)+1 { // without the end of the line it is whole
			n++
		}
		f := keepIn(t, name)
		require.Equal(t, whole[n], revealed(f.Unsettled()), "cut at %d", cut)
		require.NoError(t, f.Keep(password("zoe", "pw3", "")))
		require.NoError(t, f.Close())
		f = keepIn(t, name)
		require.Equal(t, append(whole[n][:len(whole[n]):len(whole[n])], "proposed|zoe||pw3||"), revealed(f.Unsettled()), "cut at %d", cut)
		require.NoError(t, f.Close())
		now, err := os.ReadFile(name)
		require.NoError(t, err)
		rows, err := csv.NewReader(strings.NewReader(string(now))).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, n+2)
	}
}

func TestKeepCSVConcurrently(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "secrets.csv")
	f := keepIn(t, name)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				c := password(fmt.Sprintf("user%d-%d", i, j), "pw", "")
				if err := f.Keep(c); err != nil {
					t.Error(err)
				}
				_ = f.Unsettled()
				if j%2 == 0 {
					if err := f.Settle(as(provision.CredentialConfirmed, c)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	require.Len(t, f.Unsettled(), 40)
	require.NoError(t, f.Close())
	require.Len(t, keepIn(t, name).Unsettled(), 40)
}

func TestKeepCSVErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := provision.KeepCSV(dir)
	require.EqualError(t, err, "provision: secrets cannot be kept in "+dir+": it is a directory: give the name of a file")
	for text, want := range map[string]string{
		"user,password,pin,device,token\nann,hunter2,,,\n":                                          "it is another file, or another program has saved it: its first line is not state,user,device,password,pin,token: give the name of a new file",
		"state,user,device,password,pin,token\nmaybe,ann,,hunter2,,\n":                              "line 2 is damaged",
		"state,user,device,password,pin,token\nproposed,ann,,hunter2,,\nCONFIRMED,ann,,hunter2,,\n": "line 3 is damaged",
	} {
		other := filepath.Join(t.TempDir(), "other.csv")
		require.NoError(t, os.WriteFile(other, []byte(text), 0o600))
		_, err = provision.KeepCSV(other)
		require.ErrorContains(t, err, "provision: secrets cannot be kept in "+other+": "+want)
		require.NotContains(t, err.Error(), "hunter2")
		now, err := os.ReadFile(other)
		require.NoError(t, err)
		require.Equal(t, text, string(now))
	}

	f := keepIn(t, filepath.Join(dir, "secrets.csv"))
	secret := password("ann\x1b", "hunter2", "48214821")
	for _, state := range []provision.CredentialState{"", "maybe", provision.CredentialProposed} {
		err := f.Settle(as(state, secret))
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.NoError(t, f.Keep(secret))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, text := range []string{fmt.Sprintf(verb, f), fmt.Sprintf(verb, f.Unsettled())} {
			require.NotContains(t, text, "hunter2")
			require.NotContains(t, text, "48214821")
		}
	}

	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	// A full disk gives the same texts, with another cause.
	token := provision.Credential{State: provision.CredentialConfirmed, User: "ann", Device: phone, Token: infinitysip.NewSecret("hunter2")}
	require.EqualError(t, f.Keep(secret), `provision: the password or PIN of user "ann\x1b" is not written down: the file is closed. `+
		"So it is not used, and the user is not made or changed. Nothing that was written before is lost. Make room if the disk is full, then run the same again")
	require.EqualError(t, f.Settle(as(provision.CredentialConfirmed, secret)), `provision: it is not written down that the password or PIN of user "ann\x1b" is confirmed: the file is closed. `+
		"The secret itself, and all that was written before, is in the file. Make room if the disk is full, then run the same again: it sets the secret again")
	require.EqualError(t, f.Keep(token), "provision: the token of device 10:20:30:1A:2B:3C, of user ann, is not written down: the file is closed. "+
		"The server does not show it again. Nothing that was written before is lost. Make room if the disk is full, then run the same again: the device gets a new token")
	require.EqualError(t, f.Settle(token), f.Keep(token).Error())
	token.Token, token.State = infinitysip.Secret{}, provision.CredentialUnknown
	require.EqualError(t, f.Keep(token), "provision: it is not written down that device 10:20:30:1A:2B:3C, of user ann, is to get a token: the file is closed. "+
		"So it does not get one. Nothing that was written before is lost. Make room if the disk is full, then run the same again")
	require.EqualError(t, f.Settle(token), "provision: it is not written down that the token of device 10:20:30:1A:2B:3C, of user ann, is unknown: the file is closed. "+
		"All that was written before is in the file. Make room if the disk is full, then run the same again")
	for _, f := range []*provision.CredentialFile{nil, {}} {
		require.Error(t, f.Keep(secret))
		require.Error(t, f.Settle(as(provision.CredentialConfirmed, secret)))
		require.Empty(t, f.Unsettled())
		require.NoError(t, f.Close())
	}
}

// A device may have lost its token in a run that was killed. If the next run cannot give
// it another, the one after that still does.
func TestTokenThatIsLostAndThenRefused(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	name := filepath.Join(t.TempDir(), "secrets.csv")
	state := &provision.State{
		Users:   []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "2000"}},
		Devices: []provision.Device{{MACAddress: phone, Owner: new("joe")}},
	}
	run := func(killed bool) error {
		f, err := provision.KeepCSV(name)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		settle := f.Settle
		if killed {
			settle = func(c provision.Credential) error { return nil }
		}
		_, err = a.plan(t, state, &provision.PlanOptions{Unsettled: f.Unsettled()}).Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: f.Keep, Settle: settle})
		return err
	}
	require.NoError(t, run(true))
	a.Fail(siptest.On("Users.RemoveDevice").Nth(1).Status(http.StatusForbidden))
	require.ErrorIs(t, run(false), infinitysip.ErrForbidden)
	require.NoError(t, run(false))
	f := keepIn(t, name)
	require.Empty(t, f.Unsettled())
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(text), "confirmed,joe,"+phone+",,,")
}

// Another program takes the file away: nothing is used that would be written down nowhere.
func TestKeepCSVTakenAway(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed")
	}
	name := filepath.Join(t.TempDir(), "secrets.csv")
	f := keepIn(t, name)
	require.NoError(t, f.Keep(password("joe", "hunter2", "")))
	require.NoError(t, os.Remove(name))
	const changed = "another program has removed, replaced or changed the file while it was in use. "
	require.EqualError(t, f.Keep(password("ann", "hunter2", "")), "provision: the password or PIN of user ann is not written down: "+changed+
		"So it is not used, and the user is not made or changed. What was written before may be lost: put the file back, or a copy of it, then run the same again")
	require.EqualError(t, f.Settle(as(provision.CredentialConfirmed, password("joe", "hunter2", ""))), "provision: it is not written down that the password or PIN of user joe is confirmed: "+changed+
		"What was written before may be lost: put the file back, or a copy of it, then run the same again: it sets the secret again")
}

func ExampleKeepCSV() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	name := filepath.Join(dir, "secrets.csv")

	run := func(apply func(*provision.ApplyOptions) error) {
		kept, err := provision.KeepCSV(name)
		if err != nil {
			log.Fatal(err)
		}
		defer func() { _ = kept.Close() }()
		for _, c := range kept.Unsettled() { // for PlanOptions.Unsettled
			fmt.Println("to be set again:", c.User, c.State, c.Password.Reveal())
		}
		if err := apply(&provision.ApplyOptions{Keep: kept.Keep, Settle: kept.Settle}); err != nil {
			fmt.Println(err)
		}
	}

	// Changes.Apply calls them like this.
	joe := provision.Credential{User: "joe.blogs", Password: infinitysip.NewSecret("correct horse")}
	run(func(opts *provision.ApplyOptions) error {
		if err := opts.Keep(joe); err != nil {
			return err
		}
		return errors.New("the process is killed here")
	})
	run(func(opts *provision.ApplyOptions) error {
		if err := opts.Keep(joe); err != nil {
			return err
		}
		joe.State = provision.CredentialConfirmed
		return opts.Settle(joe)
	})
	text, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// the process is killed here
	// to be set again: joe.blogs proposed correct horse
	// state,user,device,password,pin,token
	// proposed,joe.blogs,,correct horse,,
	// proposed,joe.blogs,,correct horse,,
	// confirmed,joe.blogs,,correct horse,,
}
