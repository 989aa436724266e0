package lock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/gofrs/flock"
)

// files are locks that are files of a folder. A file is there while its lock is held, and
// the system frees it when the process ends. Windows keeps the file.
type files struct {
	folder string

	mutex  sync.Mutex
	held   map[string]*Held // by path; nil while it is tried
	closed bool
}

func newFiles(folder string) *files {
	return &files{folder: folder, held: make(map[string]*Held)}
}

func (f *files) path(name string) string {
	hash := sha256.Sum256([]byte(name))
	return filepath.Join(f.folder, hex.EncodeToString(hash[:16])+".lock")
}

// try looks at the map first: where the system gives file locks to processes, it would
// give this process a lock that it has.
func (f *files) try(ctx context.Context, name string) (*Held, error) {
	path := f.path(name)
	f.mutex.Lock()
	if f.closed {
		f.mutex.Unlock()
		return nil, errClosed
	}
	if _, taken := f.held[path]; taken {
		f.mutex.Unlock()
		return nil, nil
	}
	f.held[path] = nil
	f.mutex.Unlock()

	file, err := f.open(ctx, path)

	f.mutex.Lock()
	defer f.mutex.Unlock()
	if file != nil && f.closed {
		release(file)
		file, err = nil, errClosed
	}
	if file == nil {
		delete(f.held, path)
		return nil, err
	}
	held := newHeld()
	held.check = func(context.Context) error {
		if is, err := isAt(file); err != nil {
			held.lose(err)
		} else if !is {
			held.lose(errors.New("somebody removed its file " + path))
		}
		return context.Cause(held.ctx)
	}
	held.free = func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		release(file)
		delete(f.held, path)
	}
	f.held[path] = held
	return held, nil
}

// open returns the locked file, or nil if another has locked it.
func (f *files) open(ctx context.Context, path string) (*flock.Flock, error) {
	for ctx.Err() == nil {
		file := flock.New(path)
		locked, err := file.TryLock()
		if errors.Is(err, fs.ErrNotExist) {
			if err := os.Mkdir(f.folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, err
			}
			continue
		}
		if err != nil || !locked {
			return nil, err
		}
		// Who had the lock may have removed the file after it was opened here. The lock of a
		// file that is gone keeps nobody out.
		is, err := isAt(file)
		if is {
			return file, nil
		}
		_ = file.Unlock()
		if err != nil {
			return nil, err
		}
	}
	return nil, context.Cause(ctx)
}

// isAt tells whether the locked file is still the one at its path.
func isAt(file *flock.Flock) (bool, error) {
	locked, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(file.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(locked, there), err
}

// release removes the file while it is locked, so that nobody else has it then.
func release(file *flock.Flock) {
	if is, _ := isAt(file); is && runtime.GOOS != "windows" {
		_ = os.Remove(file.Path())
	}
	_ = file.Unlock()
}

func (f *files) close() {
	f.mutex.Lock()
	f.closed = true
	var all []*Held
	for _, held := range f.held {
		if held != nil {
			all = append(all, held)
		}
	}
	f.mutex.Unlock()
	for _, held := range all {
		held.end(errClosed)
		held.Release()
	}
}
