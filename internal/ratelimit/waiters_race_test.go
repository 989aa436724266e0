//go:build race

package ratelimit_test

// waiters is how many wait in TestManyWaiters. The race detector of Go 1.26 ends the program
// now and then if over a thousand goroutines are in a bubble (golang/go#78156).
const waiters = 200
