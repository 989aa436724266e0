//go:build !linux && !darwin

package main

import "os"

// fullDisk is for systems that can limit the size of files.
func fullDisk() { os.Exit(1) }
