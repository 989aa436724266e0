package journal

import (
	"encoding/csv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var header = []string{"state", "name", "secret"}

const headerLine = "state,name,secret\n"

// open opens a journal and tells the records that it had.
func open(t *testing.T, name string) (*Journal, [][]string, error) {
	t.Helper()
	var records [][]string
	j, err := Open(name, header, func(record []string) bool {
		ours := record[0] == "new" || record[0] == "old"
		if ours {
			records = append(records, record)
		}
		return ours
	})
	if err == nil {
		t.Cleanup(func() { require.NoError(t, j.Close()) })
	}
	return j, records, err
}

// file makes a file with that text.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secrets.csv")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// odd are records that CSV must quote.
var odd = [][]string{
	{"new", "ann", "pw"},
	{"old", "a,b", `"`},
	{"new", `"quoted"`, "two\nlines"},
	{"old", "", ""},
	{"new", " blank ", "\r\n"},
	{"new", "Zoë\x00\xff", `",",` + "\n\"\n\n"},
	{"old", "\\.", "=1+1"},
	{"new", "last", "'"},
}

func TestJournal(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "secrets.csv")
	j, records, err := open(t, name)
	require.NoError(t, err)
	require.Empty(t, records)
	for i, record := range odd {
		require.NoError(t, j.Append(record))
		if i%3 == 0 { // in several sittings
			require.NoError(t, j.Close())
			require.NoError(t, j.Close())
			require.ErrorIs(t, j.Append(record), fs.ErrClosed)
			j, records, err = open(t, name)
			require.NoError(t, err)
			require.Equal(t, odd[:i+1], records)
		}
	}
	if runtime.GOOS != "windows" {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}

	// Other programs read it as CSV. They change a line end in a cell, no more.
	f, err := os.Open(name)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	want := append([][]string{header}, odd...)
	for i, row := range want {
		want[i] = slices.Clone(row)
		want[i][2] = strings.ReplaceAll(row[2], "\r\n", "\n")
	}
	require.Equal(t, want, rows)
}

// Wherever a crash cuts the file off, whole records stay and others can follow.
func TestCutOff(t *testing.T) {
	t.Parallel()
	text := []byte(headerLine)
	ends := []int{len(text)} // of the header and of each record
	for _, record := range odd {
		text = append(text, encode(record)...)
		ends = append(ends, len(text))
	}
	name := file(t, "")
	for cut := range len(text) + 1 {
		require.NoError(t, os.WriteFile(name, text[:cut], 0o600))
		whole := 0
		for whole < len(odd) && ends[whole+1] <= cut {
			whole++
		}
		want, end := slices.Clone(odd[:whole]), string(text[:ends[whole]])
		if last := string(text[min(ends[whole], cut):cut]); strings.HasSuffix(last, ",") {
			if record, _, ok := next([]byte(last + "\n")); ok && len(record) == 3 {
				want, end = append(want, record), end+last+"\n" // it lacks its last cell, or nothing but its end
			}
		}
		j, records, err := open(t, name)
		require.NoError(t, err, "cut at %d", cut)
		require.Equal(t, slices.Concat([][]string{}, want), slices.Concat([][]string{}, records), "cut at %d", cut)
		require.NoError(t, j.Append([]string{"new", "more", "pw"}))
		require.NoError(t, j.Close())
		now, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, end+"new,more,pw\n", string(now), "cut at %d", cut)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"another file":        {"user,password\nann,hunter2\n", "it is another file, or another program has saved it: its first line is not state,name,secret: give the name of a new file"},
		"one line":            {"hunter2", "it is another file"},
		"other line ends":     {"state,name,secret\r\nnew,ann,hunter2\r\n", "it is another file, or another program has saved it"},
		"a byte order mark":   {"\xef\xbb\xbf" + headerLine, "it is another file, or another program has saved it"},
		"more columns":        {"state,name,secret,note\n", "it is another file"},
		"a blank line":        {headerLine + "new,ann,hunter2\n\n", "line 3 is damaged, or another program has saved the file: put the line right, or give the name of a new file"},
		"one cell less":       {headerLine + "new,hunter2\nnew,ann,hunter2\n", "line 2 is damaged"},
		"one cell more":       {headerLine + "new,ann,hunter2,\n", "line 2 is damaged"},
		"not of this journal": {headerLine + "new,ann,hunter2\nhunter2,ann,x\n", "line 3 is damaged"},
		"a carriage return":   {headerLine + "new,ann,hunter2\r\n", "line 2 is damaged"},
		"after the quotes":    {headerLine + `new,"ann"x,hunter2` + "\n", "line 2 is damaged"},
		"quote in a cell":     {headerLine + "new,ann,hun\"ter2\nnew,ben,hunter2\n", "line 2 is damaged"},
		"quote too many":      {headerLine + "new,\"two\nlines\",pw\nnew,\"ann,hunter2\nnew,ben,hunter2\nold,ben,hunter2\n", "line 4 is damaged"},
		"and then cut off":    {headerLine + "new,ann,\"hunter2\nnew,ben,hunter2\nold,b", "line 2 is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := file(t, test.text)
			_, _, err := open(t, path)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter2")
			now, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, test.text, string(now), "nothing was changed")
		})
	}
}

func TestNoFileOfOnesOwn(t *testing.T) {
	t.Parallel()
	_, _, err := open(t, t.TempDir())
	require.EqualError(t, err, "it is a directory: give the name of a file")
	_, _, err = open(t, filepath.Join(t.TempDir(), "no", "secrets.csv"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	if runtime.GOOS == "windows" {
		return
	}
	_, _, err = open(t, os.DevNull)
	require.EqualError(t, err, "it is not a regular file: give the name of one")
	for _, mode := range []os.FileMode{0o604, 0o640, 0o620, 0o666, 0o601} {
		name := file(t, headerLine)
		require.NoError(t, os.Chmod(name, mode))
		_, _, err = open(t, name)
		require.ErrorContains(t, err, "others than its owner can read or change it (mode 0")
		require.ErrorContains(t, err, "chmod 600 "+name)
		require.NoError(t, os.Chmod(name, 0o600))
		_, _, err = open(t, name)
		require.NoError(t, err)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	if slices.Contains([]string{"windows", "plan9", "js", "wasip1", "aix", "solaris"}, runtime.GOOS) {
		t.Skip("no flock")
	}
	name := filepath.Join(t.TempDir(), "secrets.csv")
	first, _, err := open(t, name)
	require.NoError(t, err)
	_, _, err = open(t, name)
	require.EqualError(t, err, "it is in use by another run: wait for its end, or give the name of another file")
	require.NoError(t, first.Append(odd[0]), "the first one goes on")
	require.NoError(t, first.Close())
	_, records, err := open(t, name)
	require.NoError(t, err)
	require.Equal(t, odd[:1], records)
}

// After an error nothing is written any more, and what was there is there.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	reader, pipe, err := os.Pipe() // which takes a line and cannot be synced
	require.NoError(t, err)
	defer func() { _ = reader.Close() }()
	disks := map[string]*os.File{"sync": pipe}
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		disks["full"] = full
	}
	for what, disk := range disks {
		name := filepath.Join(t.TempDir(), "secrets.csv")
		j, _, err := open(t, name)
		require.NoError(t, err)
		require.NoError(t, j.Append(odd[0]))
		good := j.file
		j.file = disk
		failed := j.Append(odd[1])
		require.Error(t, failed, what)
		require.NotContains(t, failed.Error(), odd[1][2])
		require.NoError(t, disk.Close())
		j.file = good
		require.Equal(t, failed, j.Append(odd[2]), "%s: so does the next", what)
		require.NoError(t, j.Close())
		_, records, err := open(t, name)
		require.NoError(t, err)
		require.Equal(t, odd[:1], records, what)
	}
}

// A file that was removed while somebody waited for it is not written to.
func TestRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed")
	}
	name := file(t, headerLine)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	require.NoError(t, os.Remove(name))
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	j := &Journal{file: f, name: name}
	require.EqualError(t, j.takeUp(name, []byte(headerLine), 3, nil), "it was removed or replaced while it was opened: try again")
}

// What happens to the file while it is open is noticed before the next record, which
// would be lost.
func TestChangedWhileOpen(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed")
	}
	for what, change := range map[string]func(name string) error{
		"removed":  os.Remove,
		"moved":    func(name string) error { return os.Rename(name, name+".1") },
		"emptied":  func(name string) error { return os.Truncate(name, 0) },
		"extended": func(name string) error { return os.Truncate(name, 1000) },
		"replaced": func(name string) error {
			text, err := os.ReadFile(name)
			if err == nil {
				err = os.WriteFile(name+".new", text, 0o600)
			}
			if err == nil {
				err = os.Rename(name+".new", name)
			}
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "secrets.csv")
			j, _, err := open(t, name)
			require.NoError(t, err)
			require.NoError(t, j.Append(odd[0]))
			require.NoError(t, change(name))
			before, _ := os.ReadFile(name)
			require.ErrorIs(t, j.Append(odd[1]), ErrChanged)
			require.ErrorIs(t, j.Append(odd[2]), ErrChanged, "and so does the next")
			after, _ := os.ReadFile(name)
			require.Equal(t, string(before), string(after), "nothing was written or cut")
		})
	}
	name := file(t, headerLine)
	j, _, err := open(t, name)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(name, 0o644))
	require.ErrorContains(t, j.Append(odd[0]), "others than its owner can read or change it (mode 0644)")
}

// Whatever a file holds, Open reads what Append wrote or changes nothing but a last
// line without an end.
func FuzzOpen(f *testing.F) {
	for _, record := range odd {
		f.Add(string(encode(record)), record[1], record[2])
	}
	f.Add("new,\"a", "b", "c")
	f.Add("new,a,b\nold,\"", "b", "\nnew,a,b\n")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		name := file(t, headerLine+text)
		j, before, err := open(t, name)
		if err != nil {
			now, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Equal(t, headerLine+text, string(now))
			return
		}
		require.NoError(t, j.Append([]string{"new", a, b}))
		require.NoError(t, j.Close())
		now, err := os.ReadFile(name)
		require.NoError(t, err)
		kept := strings.TrimSuffix(string(now), string(encode([]string{"new", a, b})))
		require.True(t, strings.HasPrefix(headerLine+text+"\n", kept))
		_, after, err := open(t, name)
		require.NoError(t, err)
		require.Equal(t, append(before, []string{"new", a, b}), after)
		rows, err := csv.NewReader(strings.NewReader(string(now))).ReadAll()
		if err != io.EOF {
			require.NoError(t, err)
			require.Len(t, rows, len(after)+1)
		}
	})
}
