//go:build !race

package ratelimit_test

// waiters is how many wait in TestManyWaiters.
const waiters = 4000
