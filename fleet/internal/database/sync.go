package database

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// syncer has those who wait at the same time share one sync of a file.
type syncer struct {
	mu           sync.Mutex
	begun, ended int // syncs
	err          error

	turn sync.Mutex
}

// Sync waits until what was committed before is on the disk. SQLite in the mode normal
// leaves that to the system, which is many times as fast: a power cut may then take the last
// transactions back. PostgreSQL has it on the disk at the commit.
func (db *DB) Sync() error {
	if db.Pool != nil {
		return nil
	}
	s := &db.syncer
	s.mu.Lock()
	mine := s.begun + 1 // one that begins from now on
	s.mu.Unlock()

	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	if s.ended >= mine {
		defer s.mu.Unlock()
		return s.err
	}
	s.begun++
	s.mu.Unlock()
	err := syncFile(db.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.err = s.begun, err
	return err
}

// syncFile syncs the log of the file's transactions. If there is none, SQLite has written it
// to the file itself, and has synced that. The file itself must not be opened here: when it is
// closed, the system frees the locks that SQLite has on it.
func syncFile(path string) error {
	file, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
