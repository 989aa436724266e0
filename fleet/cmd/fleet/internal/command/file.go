package command

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// checkFile says why a file is not the SQLite file of a fleet, before anything is made in it. If
// the fleet has to be there already, a file without one is an error.
func checkFile(ctx context.Context, path string, there bool) error {
	const makes = "fleet enqueue and fleet work make it"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && there:
		return fmt.Errorf("there is no database %s: %s", path, makes)
	case err != nil: // what it means Open tells
		return nil
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file, so it cannot be a database", path)
	}
	tables, err := tablesOf(ctx, path)
	switch {
	case err != nil: // the same
		return nil
	case len(tables) == 0 && there:
		return fmt.Errorf("there is no fleet in the database %s: %s", path, makes)
	case len(tables) > 0 && !slices.Contains(tables, "river_migration"): // which a fleet makes first
		return fmt.Errorf("%s is the database of another program, and is left as it is: name another file", path)
	}
	return nil
}

// tablesOf lists the tables of an SQLite file, which it does not change.
func tablesOf(ctx context.Context, path string) (tables []string, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	slashes := filepath.ToSlash(path)
	if !strings.HasPrefix(slashes, "/") {
		slashes = "/" + slashes // C:/…
	}
	file, err := sql.Open("sqlite", "file://"+(&url.URL{Path: slashes}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	rows, err := file.QueryContext(ctx, "SELECT name FROM sqlite_master WHERE type = 'table'")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		tables = append(tables, name)
	}
	return tables, rows.Err()
}
