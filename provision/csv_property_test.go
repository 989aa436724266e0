package provision_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// nasty makes up texts of what a spreadsheet may take for something else.
func nasty(r *rand.Rand) string {
	pieces := []string{"a", "B", "=", "'", "0", "7", "+", "-", "@", " ", `"`, ",", ";", "|", "\t", "ë", "山", "＝", "=\"", "sep=", "\n", "e+9"}
	var b strings.Builder
	for range 1 + r.IntN(5) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return strings.TrimSpace(b.String())
}

func maybe[T any](r *rand.Rand, value T) *T {
	if r.IntN(2) == 0 {
		return nil
	}
	return &value
}

// A valid state that can be written as CSV is the same when it is read again, in
// whichever way a spreadsheet program saves it meanwhile.
func TestCSVKeepsStates(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	written := 0
	for range 1000 {
		s := &provision.State{Users: []provision.User{}, EmergencyNumbers: true}
		withGroups := r.IntN(2) == 0
		for i := range 1 + r.IntN(4) {
			text := func() *string {
				if text := nasty(r); text != "" {
					return maybe(r, text)
				}
				return nil
			}
			u := provision.User{User: nasty(r), DisplayName: nasty(r), ExtensionNumber: fmt.Sprint(r.IntN(2000)), FirstName: text(), JobName: text(), OfficeName: text(),
				MobileNumber: maybe(r, "+44 7700 900123"), Dashboard: maybe(r, true), MobileFollow: maybe(r, false), UKPhoneID: infinitysip.PhoneID(r.IntN(3))}
			if withGroups {
				u.Groups = []string{}
				for range r.IntN(3) {
					u.Groups = append(u.Groups, nasty(r))
				}
			}
			if s.Devices = append(s.Devices, provision.Device{MACAddress: fmt.Sprintf("00:00:5E:00:53:%02X", i), Owner: &u.User}); r.IntN(2) == 0 {
				s.Devices = s.Devices[:len(s.Devices)-1]
			}
			s.Users = append(s.Users, u)
		}
		if s.Devices == nil {
			s.Devices = []provision.Device{}
		}
		var file, want bytes.Buffer
		if s.Check() != nil || s.WriteCSV(&file) != nil {
			continue
		}
		written++
		require.NoError(t, s.WriteJSON(&want))
		for name, saved := range map[string]string{
			"as it is": file.String(), "with a BOM and CRLF": "\xef\xbb\xbf" + strings.ReplaceAll(strings.TrimPrefix(file.String(), "\ufeff"), "\n", "\r\n"), "with CR": strings.ReplaceAll(file.String(), "\n", "\r"),
		} {
			read, err := provision.ReadCSV(strings.NewReader(saved), &provision.CSVOptions{NumbersAsWritten: true, EmergencyNumbers: true})
			require.NoError(t, err)
			require.Empty(t, problems(t, read), "%s: %q", name, saved)
			var got bytes.Buffer
			require.NoError(t, read.WriteJSON(&got))
			require.Equal(t, want.String(), got.String(), "%s: %q", name, saved)
		}
	}
	require.Greater(t, written, 150)
}

// Whatever happens to a file, no message and no list of skipped rows shows a password or
// a PIN.
func TestNoMessageShowsASecret(t *testing.T) {
	t.Parallel()
	const (
		password, pin = "hunter2hunter2", "48214821"
		header        = "user,displayName,extension,email,groups,mac,mobile,pin,password\n"
	)
	var good strings.Builder
	good.WriteString(header)
	for i := range 6 {
		fmt.Fprintf(&good, "user%d,User %d,020%d,u%d@example.com,sales;support,00:00:5E:00:53:%02d,07700 90012%d,%s,%s\n", i, i, i, i, i, i, pin, password)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		file := []byte(good.String())
		at := r.IntN(len(file))
		if secret := bytes.IndexByte(file[at:], '\n'); r.IntN(2) == 0 && at > len(header) && secret >= 0 {
			at += max(0, secret-len(password)-len(pin)-r.IntN(4)) // near the secrets
		}
		switch junk := []byte(",;\t\"'\n\r\x00\xff=x0 "); r.IntN(4) {
		case 0:
			file[at] = junk[r.IntN(len(junk))]
		case 1:
			file = slices.Insert(file, at, junk[r.IntN(len(junk))])
		case 2:
			file = slices.Delete(file, at, at+1)
		case 3:
			file = file[:at]
		}
		for _, opts := range []provision.CSVOptions{{}, {SkipBad: true}, {SkipBad: true, IgnoreUnknown: true}} {
			s, err := provision.ReadCSV(bytes.NewReader(file), &opts)
			require.NoError(t, err)
			var out bytes.Buffer
			require.NoError(t, s.WriteSkipped(&out))
			fmt.Fprintln(&out, s.Check(), s.Skipped())
			require.NotContains(t, out.String(), password[:7], "%q", file)
			require.NotContains(t, out.String(), pin[:4], "%q", file)
		}
	}
}
