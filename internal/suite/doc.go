// Package suite holds the tests of the client as a whole: what it sends and reads,
// and what becomes of its calls when servers and networks fail. It has nothing but
// tests.
//
// A new call takes one entry in the table of calls_test.go, and its form, query
// and answer in testdata. The table drives what every call is tested for:
//
//   - endpoints_test.go: the method, the path and the parameters of the API's page
//   - wire_test.go: the whole request, and the result
//   - calloptions_test.go: the options for one call
//   - badinput_test.go: what is refused before anything is sent
//   - canary_test.go: secrets, under every fault
//   - soak_test.go, soaksteps_test.go: calls of every kind at once, while requests fail
//
// The rest is by subject:
//
//   - fault_test.go, faults_test.go: the numbered faults; worse_*_test.go: those from 45 on
//   - badanswers_test.go: bad answers
//   - retry_test.go, lookups_test.go, ratelimit_test.go, pages_test.go, connections_test.go
//   - accounts_test.go: credentials that change, further accounts, limiters
//   - secrets_test.go: where else a secret might show
//   - rowjson_test.go: rows as JSON
//   - life_test.go: the life of a domain, on every kind of server
//   - cost_test.go: allocations, stack frames, benchmarks
//   - examples_test.go: exported names that have no example
//   - gotool_test.go: what must compile, and what must not; only with -gotool
//
// methods_test.go, stub_test.go and acme_test.go have what they share. main_test.go
// has the flags, and prints the figures.
package suite
