// Command otherresource filters devices. A test shows that it compiles with
// the fields of devices and not with those of queues.
package main

import "github.com/infinitysip/infinitysip"

func main() {
	_ = infinitysip.DeviceListOptions{Filter: infinitysip.Where(fields.Name.Eq("Lobby"))}
}
