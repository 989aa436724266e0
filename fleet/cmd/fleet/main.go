// Fleet keeps the domains of many accounts as they should be.
package main

import (
	"os"

	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/command"
)

func main() { os.Exit(command.Main()) }
