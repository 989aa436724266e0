package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// A side is a commit whose Go benchmarks are compared.
type side struct {
	commit   string
	tree     string   // its checkout
	binaries []string // of the tests, in the folders that have benchmarks
	results  bytes.Buffer
}

// compare runs the Go benchmarks of two commits by turns and has benchstat
// compare them. pattern chooses benchmarks, as that of go test -bench.
func compare(w io.Writer, before, after, pattern string, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "benchmarks")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sides := []*side{{commit: before, tree: filepath.Join(dir, "before")}, {commit: after, tree: filepath.Join(dir, "after")}}
	for _, s := range sides {
		if _, err := output(nil, "git", "worktree", "add", "--quiet", "--detach", s.tree, s.commit); err != nil {
			return err
		}
		defer func() {
			_, removed := output(nil, "git", "worktree", "remove", "--force", s.tree)
			err = errors.Join(err, removed)
		}()
		if err := s.build(); err != nil {
			return err
		}
	}
	for round := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
		for i := range sides {
			if err := sides[(i+round)%2].run(pattern); err != nil {
				return err
			}
		}
	}
	var files []string
	for _, s := range sides {
		file := s.tree + ".txt"
		if err := os.WriteFile(file, s.results.Bytes(), 0o600); err != nil {
			return err
		}
		files = append(files, s.commit+"="+file)
	}
	stat := exec.Command("go", append([]string{"tool", "benchstat"}, files...)...)
	stat.Stdout, stat.Stderr = w, os.Stderr
	return stat.Run()
}

func (s *side) build() error {
	for _, folder := range []string{".", "internal/rows", "internal/suite", "benchmarks"} {
		dir := filepath.Join(s.tree, folder)
		if _, err := os.Stat(dir); err != nil {
			continue // the commit is older than this folder
		}
		binary := filepath.Join(dir, "compare.test")
		cmd := exec.Command("go", "test", "-c", "-o", binary, ".")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %s: %w", s.commit, cmd, err)
		}
		s.binaries = append(s.binaries, binary)
	}
	return nil
}

func (s *side) run(pattern string) error {
	for _, binary := range s.binaries {
		cmd := exec.Command(binary, "-test.run=^$", "-test.bench="+pattern, "-test.benchmem")
		cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(binary), &s.results, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %s: %w", s.commit, cmd, err)
		}
	}
	return nil
}
