// Package demo has an office for a server in memory, so that every command can be
// tried without an account.
package demo

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// Office makes a domain called acme, with five users, two groups, a queue, two
// trusted networks and five devices. It is the same each time, ids and dates too.
func Office(ctx context.Context, srv *siptest.Server) (infinitysip.DomainID, error) {
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "acme"})
	for _, u := range []infinitysip.User{
		{User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "201", Email: "joe.blogs@example.com", MobileNumber: "+447700900101", HotdeskAllowed: true},
		{User: "amira.khan", DisplayName: "Amira Khan", ExtensionNumber: "202", Email: "amira.khan@example.com", DepartmentName: "Sales"},
		{User: "carys.hughes", DisplayName: "Carys Hughes", ExtensionNumber: "203", Email: "carys.hughes@example.com", DepartmentName: "Support"},
		{User: "ewa.lis", DisplayName: "Ewa Liś", ExtensionNumber: "204", Email: "ewa.lis@example.com", DepartmentName: "Support"},
		{User: "jack.whitlock", DisplayName: "Jack Whitlock, Jr", ExtensionNumber: "205", Email: "jack.whitlock@example.com"},
	} {
		u.Password = infinitysip.NewSecret("demo-" + u.User)
		srv.AddUser(domain, u)
	}
	sales := srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales", ExtensionNumber: "601", RingRetry: true, CallerNameFormat: "{displayName} - {srcPhoneNumber}"})
	support := srv.AddGroup(domain, infinitysip.Group{Name: "support", DisplayName: "Support", ExtensionNumber: "602", CallerNameFormat: "{displayName} - {srcPhoneNumber}"})
	front := srv.AddQueue(domain, infinitysip.Queue{Name: "front", DisplayName: "Front desk", ExtensionNumber: "701"})
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("192.0.2.0/28"), Description: "Head office"})
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("198.51.100.0/24"), Description: "Warehouse"})
	made := time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)
	for i, d := range []infinitysip.Device{
		{MACAddress: "10:20:30:1A:2B:3C", Name: "Joe's desk", UserID: 1, Updated: time.Date(2026, 1, 12, 8, 30, 0, 0, time.UTC)},
		{MACAddress: "10:20:30:1A:2B:3D", Name: "Amira's desk", UserID: 2, Updated: time.Date(2025, 11, 3, 8, 30, 0, 0, time.UTC)},
		{MACAddress: "10:20:30:1A:2B:3E", Name: "Lobby 1"},
		{MACAddress: "10:20:30:1A:2B:3F", Name: "Lobby 2", UserID: 3, Updated: time.Date(2025, 6, 20, 14, 5, 0, 0, time.UTC)},
		{MACAddress: "10:20:30:1A:2B:40", Name: "Warehouse"},
	} {
		d.Created = made.Add(time.Duration(i) * time.Hour)
		srv.AddDevice(domain, d)
	}
	client := srv.InProcessClient()
	for group, users := range map[infinitysip.GroupID][]infinitysip.UserID{sales: {1, 2}, support: {3, 4}} {
		if err := client.Groups.AddUsers(ctx, domain, group, users); err != nil {
			return 0, fmt.Errorf("the office for the demo: %w", err)
		}
	}
	for i, group := range []infinitysip.GroupID{sales, support} {
		member := infinitysip.QueueMemberCreateParams{GroupID: group, RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: i + 1}
		if _, err := client.Queues.CreateMember(ctx, domain, front, member); err != nil {
			return 0, fmt.Errorf("the office for the demo: %w", err)
		}
	}
	srv.ResetRequests()
	return domain, nil
}
