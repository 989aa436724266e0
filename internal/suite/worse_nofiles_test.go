//go:build !unix

package suite_test

import "testing"

func withFewFiles(t *testing.T) { t.Skip("nothing limits the open files of a process") }
