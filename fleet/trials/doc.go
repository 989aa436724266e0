// Package trials tries a fleet as it runs in practice: as several processes, which are
// killed and stopped at random moments, on servers that refuse requests and databases that
// go away. It has only tests.
//
//	go test .                                  every trial on SQLite and on PostgreSQL
//	go test -run 'TestKills/SQLite' -seed 7 .  one of them, as it was with this seed
//	go test -run 'TestEnqueue' -long .         with more changes of one domain
//
// Each trial prints its figures. A trial draws its events from a seed, which it prints
// first. The same seed gives the same events, but the moments at which they meet
// the processes differ from run to run.
//
// # How a trial works
//
// The test holds the servers: one fake API of siptest for each account, on a port of the
// loopback interface. They take duplicates, so whatever is made twice is seen at
// the end. In one trial they lose answers too: of requests that they have carried out, and of ones
// that they have not. The workers are processes of their own, which are the program of the test
// again, with an environment variable that says what to do. Each opens the database and
// runs a fleet until it gets SIGTERM.
//
// What a domain should be is in a file for each domain: a seed and a number of a revision. From both
// follows a state, so the test can change what is wanted at any moment. A later revision has
// other users than the one before, other names, numbers, groups, queues and owners of
// devices.
//
// The identity that can read secrets is in the test alone.
//
// # What is looked at in the end
//
//   - A fresh plan of each domain is empty.
//   - No worker changed a domain after another had begun to plan.
//   - No name, extension number or MAC address is there twice.
//   - Each user and each device has the password, the PIN or the token that the
//     database says is confirmed.
//   - No column of the database, no file of SQLite and no line of a log holds a
//     secret that a server saw, in plain text, in hexadecimal digits or in base64.
//   - No job waits or runs.
package trials
