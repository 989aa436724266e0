// Package suite holds the tests of the whole client: what it sends and reads,
// and what it makes of servers and networks that fail. It has nothing but tests.
package suite
