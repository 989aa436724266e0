//go:build !unix

package pgtest

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

func give(string) error { return nil }
