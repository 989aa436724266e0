package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

type keys struct {
	recipients []age.Recipient
	identities []age.Identity
}

func newKeys(t *testing.T) keys {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	return keys{[]age.Recipient{id.Recipient()}, []age.Identity{id}}
}

func password(user, text string) provision.Credential {
	return provision.Credential{State: provision.CredentialProposed, User: user, Password: infinitysip.NewSecret(text)}
}

func confirmed(c provision.Credential) provision.Credential {
	c.State = provision.CredentialConfirmed
	return c
}

// plain is what age -d prints.
func plain(t *testing.T, name string, k keys) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	r, err := age.Decrypt(bytes.NewReader(data), k.identities...)
	require.NoError(t, err)
	var text bytes.Buffer
	_, err = text.ReadFrom(r)
	require.NoError(t, err)
	return text.String()
}

const head = "state,user,device,password,pin,token\n"

func TestFile(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	name := filepath.Join(t.TempDir(), "secrets.age")

	f, err := Open(name, k.recipients, nil)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoFileExists(t, name, "there was nothing to keep")
	require.NoFileExists(t, name+".part")

	f, err = Open(name, k.recipients, nil)
	require.NoError(t, err)
	require.NoError(t, f.Keep(password("=joe", "hunter2")))
	require.NoError(t, f.Settle(confirmed(password("=joe", "hunter2"))))
	require.NoError(t, f.Keep(password("ann", "two\r\nlines,\"quoted\"")))
	require.NoFileExists(t, name)
	part, err := os.ReadFile(name + ".part")
	require.NoError(t, err)
	require.NotContains(t, string(part), "hunter2")
	if runtime.GOOS != "windows" {
		info, err := os.Stat(name + ".part")
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
		_, err = Open(name, k.recipients, k.identities)
		require.ErrorContains(t, err, "another process has it open")
	}
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.Error(t, f.Keep(password("zoe", "x")))
	require.NoFileExists(t, name+".part")
	first := head + "proposed,'=joe,,hunter2,,\nconfirmed,'=joe,,hunter2,,\nproposed,ann,,\"two\r\nlines,\"\"quoted\"\"\",,\n"
	require.Equal(t, first, plain(t, name, k))
	if runtime.GOOS != "windows" {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}

	_, err = Open(name, k.recipients, nil)
	require.ErrorIs(t, err, ErrIdentity)
	_, err = Open(name, k.recipients, newKeys(t).identities)
	require.ErrorContains(t, err, "not one that it is encrypted to")
	require.NoFileExists(t, name+".part")

	f, err = Open(name, k.recipients, k.identities)
	require.NoError(t, err)
	unsettled := f.Unsettled()
	require.Len(t, unsettled, 1)
	require.Equal(t, "ann", unsettled[0].User)
	require.Equal(t, "two\r\nlines,\"quoted\"", unsettled[0].Password.Reveal())
	require.NoError(t, f.Settle(confirmed(unsettled[0])))
	require.Empty(t, f.Unsettled())
	require.NoError(t, f.Close())
	require.Equal(t, first+"confirmed,ann,,\"two\r\nlines,\"\"quoted\"\"\",,\n", plain(t, name, k))
}

// Wherever a crash cuts FILE.part off, every credential that Keep or Settle returned
// from is there, with or without a FILE before it.
func TestCutOff(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, before := range []bool{false, true} {
		dir := t.TempDir()
		name := filepath.Join(dir, "secrets.age")
		want := head
		if before {
			f, err := Open(name, k.recipients, nil)
			require.NoError(t, err)
			require.NoError(t, f.Keep(password("old", "pw0")))
			require.NoError(t, f.Close())
			want += "proposed,old,,pw0,,\n"
		}
		f, err := Open(name, k.recipients, k.identities)
		require.NoError(t, err)
		wants, ends := []string{want}, []int64{f.size}
		for i := range 3 {
			require.NoError(t, f.Keep(password(fmt.Sprint("user", i), "pw")))
			want += fmt.Sprintf("proposed,user%d,,pw,,\n", i)
			wants, ends = append(wants, want), append(ends, f.size)
		}
		part, err := os.ReadFile(f.part)
		require.NoError(t, err)
		f.drop(false)
		for cut := range len(part) + 1 {
			if cut%17 != 0 && !near(cut, ends) {
				continue
			}
			require.NoError(t, os.WriteFile(f.part, part[:cut], 0o600))
			whole := 0
			for whole+1 < len(ends) && ends[whole+1] <= int64(cut) {
				whole++
			}
			again, err := Open(name, k.recipients, k.identities)
			require.NoError(t, err, "cut at %d", cut)
			require.Equal(t, strings.Count(wants[whole], "\n")-1, len(again.all), "cut at %d", cut)
			require.NoError(t, again.Keep(password("zoe", "pw")))
			again.drop(false)
			data, err := os.ReadFile(f.part)
			require.NoError(t, err)
			text, err := Decrypt(data, k.identities)
			require.NoError(t, err)
			require.Equal(t, wants[whole]+"proposed,zoe,,pw,,\n", string(text), "cut at %d", cut)
		}
		// Killed after FILE was written, and before FILE.part was taken away.
		require.NoError(t, os.WriteFile(f.part, part, 0o600))
		again, err := Open(name, k.recipients, k.identities)
		require.NoError(t, err)
		require.NoError(t, again.finish())
		again.drop(false)
		again, err = Open(name, k.recipients, k.identities)
		require.NoError(t, err)
		require.NoError(t, again.Close())
		require.Equal(t, want, plain(t, name, k))
		require.NoFileExists(t, f.part)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1, "nothing else is left")
	}
}

func near(cut int, ends []int64) bool {
	for _, end := range ends {
		if d := int64(cut) - end; d >= -2 && d <= 2 {
			return true
		}
	}
	return cut < 2
}

func TestRefused(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "secrets.age")
	open := func() error {
		f, err := Open(name, k.recipients, k.identities)
		if err == nil {
			require.NoError(t, f.Close())
		}
		return err
	}
	require.NoError(t, os.WriteFile(name, []byte(head+"proposed,joe,,hunter2,,\n"), 0o600))
	require.ErrorContains(t, open(), "it is not encrypted with age")
	require.NoError(t, os.Remove(name))

	require.NoError(t, os.Mkdir(name, 0o700))
	require.ErrorContains(t, open(), "it is a folder")
	require.NoError(t, os.Remove(name))

	var text bytes.Buffer
	require.NoError(t, encrypt(&text, k.recipients, []byte("user,password\njoe,hunter2\n")))
	require.NoError(t, os.WriteFile(name, text.Bytes(), 0o600))
	err := open()
	require.ErrorContains(t, err, "its first line is not")
	require.NotContains(t, err.Error(), "hunter2")

	text.Reset()
	require.NoError(t, encrypt(&text, k.recipients, append(header(), encode(password("joe", "pw"))...)))
	require.NoError(t, os.WriteFile(name, text.Bytes()[:text.Len()-3], 0o600))
	require.ErrorContains(t, open(), "damaged")
	require.NoError(t, os.WriteFile(name, text.Bytes(), 0o600))
	require.NoError(t, open())

	text.Reset()
	armored := armor.NewWriter(&text)
	require.NoError(t, encrypt(armored, k.recipients, append(header(), encode(password("ann", "pw"))...)))
	require.NoError(t, armored.Close())
	require.NoError(t, os.WriteFile(name+".part", text.Bytes(), 0o600))
	require.ErrorContains(t, open(), "have different secrets")
	broken := bytes.Replace(text.Bytes(), []byte(armor.Header), []byte(armor.Header+"\n"), 1)
	require.NoError(t, os.WriteFile(name+".part", broken, 0o600))
	require.ErrorContains(t, open(), "record 1: it is damaged")
	require.NoError(t, os.Remove(name+".part"))

	require.ErrorContains(t, func() error {
		_, err := Open(filepath.Join(dir, "no", "folder"), k.recipients, nil)
		return err
	}(), "secrets cannot be kept in")
}

// After the first error nothing more is written.
func TestChanged(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	name := filepath.Join(t.TempDir(), "secrets.age")
	f, err := Open(name, k.recipients, nil)
	require.NoError(t, err)
	require.NoError(t, f.Keep(password("joe", "pw")))
	require.NoError(t, os.WriteFile(f.part+".new", nil, 0o600))
	require.NoError(t, os.Rename(f.part+".new", f.part))
	require.ErrorIs(t, f.Keep(password("ann", "hunter2")), ErrChanged)
	err = f.Settle(confirmed(password("joe", "hunter2")))
	require.ErrorIs(t, err, ErrChanged)
	require.NotContains(t, err.Error(), "hunter2")
	require.NoError(t, f.Close())
	require.Equal(t, head+"proposed,joe,,pw,,\n", plain(t, name, k), "what it has goes to the file all the same")
	require.FileExists(t, f.part, "it is somebody else's")
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	dir := t.TempDir()
	file := func(text string) string {
		f, err := os.CreateTemp(dir, "")
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, errors.Join(err, f.Close()))
		return f.Name()
	}
	all, err := Recipients([]string{id.Recipient().String(), "@" + file("# ann\n"+id.Recipient().String()+"\n\n"+id.Recipient().String()+"\n")})
	require.NoError(t, err)
	require.Len(t, all, 3)
	for text, want := range map[string]string{
		"joe":                     "this is no recipient of age",
		id.String():               "that is a secret key",
		"@" + file(id.String()):   "that is a secret key",
		"@" + file("nothing"):     "this is no recipient of age",
		"@" + file("# none\n"):    "there is no recipient of age",
		"@/does/not/exist":        "cannot be read",
		"ssh-ed25519 AAAAC3NzaC1": "this is no recipient of age",
	} {
		_, err := Recipients([]string{text})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), id.String())
	}
	_, err = Identities(file(id.String() + "\n"))
	require.NoError(t, err)
	for name, want := range map[string]string{file(id.Recipient().String()): "has no identity", "/does/not/exist": "cannot be read"} {
		_, err = Identities(name)
		require.ErrorContains(t, err, want)
	}
}
