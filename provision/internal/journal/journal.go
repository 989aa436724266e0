// Package journal appends records to a CSV file, so that a crash loses none that
// Append has returned from.
package journal

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// Journal is an open file. It is not safe for concurrent use.
type Journal struct {
	file *os.File // nil: closed
	name string   // absolute, for a process that changes its directory
	size int64    // of the whole records
	err  error    // of the first Append that failed
}

// ErrChanged is an error of Append: another program has removed, replaced or changed
// the file. So what was written to it before may be lost.
var ErrChanged = errors.New("another program has removed, replaced or changed the file while it was in use")

// Open opens a file, or makes one that its owner alone can read, and calls read
// with each record that is there. If read returns false, the record is none of
// this journal's, and the error says which line.
//
// It refuses a file that others can read, one that is not a regular file, one
// that begins with another line than the header, and, where the system has
// flock, one that another process has open. No error holds a piece of the file.
func Open(name string, header []string, read func(record []string) bool) (*Journal, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	// What is no regular file is not even opened: a pipe would wait for somebody
	// to read it.
	if info, err := os.Stat(name); err == nil {
		if err := fit(info, name); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: file, name: name}
	if err := j.takeUp(name, encode(header), len(header), read); err != nil {
		_ = j.Close()
		return nil, err
	}
	return j, nil
}

// fit tells why a file cannot be a journal.
func fit(info fs.FileInfo, name string) error {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return errors.New("it is a directory: give the name of a file")
	case !mode.IsRegular():
		return errors.New("it is not a regular file: give the name of one")
	case mode.Perm()&0o077 != 0 && runtime.GOOS != "windows": // where these bits say nothing
		return fmt.Errorf("others than its owner can read or change it (mode %04o): chmod 600 %s", mode.Perm(), name)
	}
	return nil
}

// takeUp reads what is there and puts the end right.
func (j *Journal) takeUp(name string, header []byte, cells int, read func([]string) bool) error {
	if err := lock(j.file); err != nil {
		return err
	}
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if err := fit(info, name); err != nil {
		return err
	}
	// The one who had it locked may have removed it.
	if now, err := os.Stat(name); err != nil || !os.SameFile(info, now) {
		return errors.New("it was removed or replaced while it was opened: try again")
	}
	data, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(header, data) && len(data) < len(header) { // it is new, or was cut off when it was
		if _, err := j.file.Write(header[len(data):]); err != nil {
			return err
		}
		if err := j.file.Sync(); err != nil {
			return err
		}
		j.size = int64(len(header))
		// The name of a new file is to survive too. Where a directory cannot be
		// synced, as on Windows, the system sees to that.
		if dir, err := os.Open(filepath.Dir(name)); err == nil {
			_ = dir.Sync()
			_ = dir.Close()
		}
		return nil
	}
	rest, err := records(data, header, cells, read)
	if err != nil {
		return err
	}
	j.size = int64(len(data) - len(rest))
	if len(rest) == 0 {
		return nil
	}
	// An editor may have written a last line without its end. It is taken if its last cell
	// is empty: then at most that was cut off, and not a part of a cell. Whoever reads
	// must bear a record that lacks its last cell.
	if record, _, ok := next(append(slices.Clip(rest), '\n')); ok && len(record) == cells && bytes.HasSuffix(rest, []byte(",")) && read(record) {
		if _, err := j.file.WriteString("\n"); err != nil {
			return err
		}
		j.size = int64(len(data)) + 1
		return j.file.Sync()
	}
	// The last line has no end: a crash or a full disk cut it off. Its Append never
	// returned without an error, so nobody relied on it, and it is taken away. By
	// name, because Windows cuts no file that is open for appending.
	if err := os.Truncate(name, j.size); err != nil {
		return err
	}
	return j.file.Sync()
}

// Read reads what a journal wrote, and calls read with each record, as Open does. The
// end of a record that a crash cut off does not count.
func Read(data []byte, header []string, read func(record []string) bool) error {
	_, err := records(data, encode(header), len(header), read)
	return err
}

// records reads the records after the header, and returns the end that is no whole
// record.
func records(data, header []byte, cells int, read func([]string) bool) (rest []byte, err error) {
	rest, ours := bytes.CutPrefix(data, header)
	if !ours {
		return nil, fmt.Errorf("it is another file, or another program has saved it: its first line is not %s: give the name of a new file", bytes.TrimSpace(header))
	}
	for len(rest) > 0 {
		record, n, ok := next(rest)
		if n == 0 && ok && !hidden(rest, cells, read) {
			break
		}
		if !ok || n == 0 || len(record) != cells || !read(record) {
			line := 1 + bytes.Count(data[:len(data)-len(rest)], []byte("\n"))
			return nil, fmt.Errorf("line %d is damaged, or another program has saved the file: put the line right, or give the name of a new file", line)
		}
		rest = rest[n:]
	}
	return rest, nil
}

// next reads the record that data begins with, and its length, which is 0 if data
// ends before the record does. It is not ok if Append writes no such record.
//
// encoding/csv would not do: it changes line ends in a cell, and does not tell a
// record that was cut off.
func next(data []byte) (record []string, n int, ok bool) {
	for {
		var cell []byte
		if n < len(data) && data[n] == '"' {
			for again := true; again; {
				n++ // the quotation mark
				end := bytes.IndexByte(data[n:], '"')
				if end < 0 {
					return nil, 0, true
				}
				cell = append(cell, data[n:n+end]...)
				n += end + 1
				if again = n < len(data) && data[n] == '"'; again { // two are one
					cell = append(cell, '"')
				}
			}
		} else {
			end := bytes.IndexAny(data[n:], ",\n\r\"")
			if end < 0 {
				return nil, 0, true
			}
			cell = data[n : n+end]
			n += end
		}
		if n == len(data) {
			return nil, 0, true
		}
		record = append(record, string(cell))
		n++
		switch data[n-1] {
		case ',':
		case '\n':
			return record, n, true
		default:
			return nil, 0, false
		}
	}
}

// hidden reports whether there is a whole record in what looks like one that was
// cut off: then it was not. A quotation mark too many makes a line seem to go on
// to the end of the file, and that is not to be thrown away.
func hidden(rest []byte, cells int, read func([]string) bool) bool {
	for {
		_, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return false
		}
		if record, n, _ := next(after); n > 0 && len(record) == cells && read(record) {
			return true
		}
		rest = after
	}
}

// encode writes a record.
func encode(record []string) []byte {
	var line bytes.Buffer
	w := csv.NewWriter(&line)
	_ = w.Write(record) // a Buffer takes everything
	w.Flush()
	return line.Bytes()
}

// Append writes a record at the end, in one piece, and waits until the disk has
// it. After an error the file has what it had before, as far as can be, and each
// further Append has that error. It looks first whether its name is still that of this
// file, with what this journal wrote: else the record would be nowhere, or in the
// middle of something else.
func (j *Journal) Append(record []string) error {
	if j.err != nil {
		return j.err
	}
	if j.file == nil {
		return fs.ErrClosed
	}
	line := encode(record)
	if j.err = j.unchanged(); j.err != nil {
		return j.err
	}
	if _, j.err = j.file.Write(line); j.err == nil {
		j.err = j.file.Sync()
	}
	if j.err != nil {
		if info, err := j.file.Stat(); err == nil && info.Size() > j.size && info.Size() <= j.size+int64(len(line)) {
			_ = j.file.Truncate(j.size) // else the next Open does it
		}
		return j.err
	}
	j.size += int64(len(line))
	return nil
}

// unchanged tells what has happened to the file, if it is not as this journal left it.
func (j *Journal) unchanged() error {
	ours, err := j.file.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(j.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrChanged
	case err != nil:
		return err
	case !os.SameFile(ours, now) || now.Size() != j.size:
		return ErrChanged
	}
	return fit(now, j.name)
}

// Close closes the file.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	// A process that is being started has the file too until it runs its program,
	// and the lock with it. So closing alone would not always end the lock.
	unlock(file)
	return file.Close()
}
