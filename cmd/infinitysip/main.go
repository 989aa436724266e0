// Infinitysip manages phone systems on Infinity's hosted SIP platform.
package main

import (
	"os"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/command"
)

func main() { os.Exit(command.Main()) }
