package infinitysip_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// acmeOnSiptest is a client on a server in memory, so that the examples run.
func acmeOnSiptest() (*infinitysip.Client, infinitysip.DomainID) {
	srv := siptest.NewServer(siptest.Options{})
	return srv.InProcessClient(), srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
}

func Example() {
	client, domain := acmeOnSiptest() // NewClient(APIKey(key)) for the real API
	ctx := context.Background()

	id, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{
		User:            "joe.blogs",
		Password:        infinitysip.NewSecret("correct horse battery staple"),
		DisplayName:     "Joe Blogs",
		ExtensionNumber: "0100",
	})
	if err != nil {
		log.Fatal(err)
	}
	err = client.Users.Update(ctx, domain, id, infinitysip.UserUpdateParams{DisplayName: new("Joe B.")})
	if err != nil {
		log.Fatal(err)
	}
	for user, err := range client.Users.All(ctx, domain) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.ExtensionNumber, user.DisplayName)
	}
	// Output: 0100 Joe B.
}

func ExampleWhere() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	for i, name := range []string{"Lobby 1", "Hall", "Lobby 2"} {
		_, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: name, MACAddress: fmt.Sprintf("10-20-30-1A-2B-%02X", i)})
		if err != nil {
			log.Fatal(err)
		}
	}

	devices, err := client.Devices.List(ctx, domain, &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(infinitysip.DeviceFields.Name.Begins("Lobby")),
		Sort:   infinitysip.OrderBy(infinitysip.DeviceFields.Name.Desc()),
		Limit:  50,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, device := range devices {
		fmt.Println(device.Name, device.MACAddress)
	}
	// Output:
	// Lobby 2 10:20:30:1A:2B:02
	// Lobby 1 10:20:30:1A:2B:00
}

func ExampleGroup_UpdateParams() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	id, err := client.Groups.Create(ctx, domain, infinitysip.GroupCreateParams{
		Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName} - {srcPhoneNumber}",
	})
	if err != nil {
		log.Fatal(err)
	}

	group, err := client.Groups.Get(ctx, domain, id)
	if err != nil {
		log.Fatal(err)
	}
	params := group.UpdateParams() // the API wants every property each time
	params.DisplayName = "Sales Dept"
	if err := client.Groups.Update(ctx, domain, id, params); err != nil {
		log.Fatal(err)
	}

	group, err = client.Groups.Get(ctx, domain, id)
	fmt.Println(group.DisplayName, group.CallerNameFormat, err)
	// Output: Sales Dept {displayName} - {srcPhoneNumber} <nil>
}

func ExampleValidationError() {
	client, domain := acmeOnSiptest()

	_, err := client.Devices.Create(context.Background(), domain, infinitysip.DeviceCreateParams{MACAddress: "10:20:30"})

	if invalid, ok := errors.AsType[*infinitysip.ValidationError](err); ok {
		for _, field := range invalid.Fields {
			fmt.Printf("%s: %s\n", field.Field, field.Problem)
		}
	}
	// Output:
	// pbxDeviceName: required
	// deviceMacAddress: not a MAC address of six octets: "10:20:30"
}
