//go:build !same

package main

import "github.com/infinitysip/infinitysip"

var fields = infinitysip.QueueFields
