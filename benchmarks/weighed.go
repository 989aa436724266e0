//go:build weighed

package main

// What the programs of -peers-weight import and nothing else here does, so that
// go.mod has what it needs.
import _ "github.com/twilio/twilio-go"
