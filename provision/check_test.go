package provision_test

import (
	"fmt"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	many := make([]provision.QueueMember, 1001)
	for i := range many {
		many[i].Group = "sales"
	}
	for name, test := range map[string]struct {
		state provision.State
		want  []string
	}{
		"nothing": {provision.State{}, nil},
		"names alone": {provision.State{Users: []provision.User{{User: "ann"}}, Groups: []provision.Group{{Name: "sales"}},
			Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "SALES"}}}}, Devices: []provision.Device{{MACAddress: "0000.5e00.5301", Owner: new("Ann")}}}, nil},
		"what may be cleared": {provision.State{
			Users: []provision.User{{User: "ann", Email: new(""), MobileNumber: new("")}}, Groups: []provision.Group{{Name: "sales", CallerNameFormat: new(infinitysip.CallerNameFormat(""))}},
			Queues: []provision.Queue{{Name: "front", CallerNameFormat: new(infinitysip.CallerNameFormat(""))}}, TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.0.0/8", Description: new("")}}}, nil},
		"host bits": {provision.State{TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.20.10/24"}, {Network: "10.0.21.1"}, {Network: "2001:db8::1/32"}}}, nil},
		"no names": {provision.State{Users: []provision.User{{}}, Groups: []provision.Group{{}}, Queues: []provision.Queue{{}}, TrustedNetworks: []provision.TrustedNetwork{{}}, Devices: []provision.Device{{}}},
			[]string{"users[0].user: required", "groups[0].groupName: required", "queues[0].queueName: required",
				`trustedNetworks[0].network: not a network in CIDR notation, such as 10.0.20.0/24: ""`, "devices[0].deviceMacAddress: required"}},
		"extensions of all": {provision.State{Users: []provision.User{{User: "ann", ExtensionNumber: "0100"}}, Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0100"}},
			Queues: []provision.Queue{{Name: "front", ExtensionNumber: "0100"}}},
			[]string{`groups[0] (sales), extensionNumber: "0100" is that of user ann already`, `queues[0] (front), extensionNumber: "0100" is that of user ann already`}},
		"names twice": {provision.State{Groups: []provision.Group{{Name: "Zürich"}, {Name: "ZÜRICH"}}, Queues: []provision.Queue{{Name: "a"}, {Name: "A"}}},
			[]string{`groups[1] (ZÜRICH), groupName: "ZÜRICH" is there twice, first in groups[0]`, `queues[1] (A), queueName: "A" is there twice, first in queues[0]`}},
		"addresses twice": {provision.State{TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.0.1/24"}, {Network: "10.0.0.0/24"}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01"}, {MACAddress: "00-00-5e-00-53-01"}}},
			[]string{`trustedNetworks[1] (10.0.0.0/24), network: "10.0.0.0/24" is there twice, first in trustedNetworks[0]`, `devices[1] (00-00-5e-00-53-01), deviceMacAddress: "00-00-5e-00-53-01" is there twice, first in devices[0]`}},
		"mobile numbers": {provision.State{Users: []provision.User{{User: "a", MobileNumber: new("+")}, {User: "b", MobileNumber: new("-")}, {User: "c", MobileNumber: new("( )")}, {User: "d", MobileNumber: new("+44 (0)7700-900101")}}},
			[]string{`users[0] (a), mobileNumber: not a phone number: "+"`, `users[1] (b), mobileNumber: not a phone number: "-"`, `users[2] (c), mobileNumber: not a phone number: "( )"`}},
		"blanks around names": {provision.State{
			Users:  []provision.User{{User: "joe ", DisplayName: "\tJoe"}, {User: " ", DisplayName: "  ", ExtensionNumber: " 0100"}, {User: "joe", FirstName: new("Joe ")}},
			Groups: []provision.Group{{Name: " sales", DisplayName: " "}}, Queues: []provision.Queue{{Name: "front\u00a0", DisplayName: "Front "}}},
			[]string{`users[0] ("joe "), user: begins or ends with a blank: "joe "`, `users[0] ("joe "), displayName: begins or ends with a blank: "\tJoe"`,
				`users[1] (" "), user: begins or ends with a blank: " "`, `users[1] (" "), displayName: begins or ends with a blank: "  "`, `users[1] (" "), extensionNumber: not digits alone: " 0100"`,
				`groups[0] (" sales"), groupName: begins or ends with a blank: " sales"`, `groups[0] (" sales"), displayName: begins or ends with a blank: " "`,
				`queues[0] ("front\u00a0"), queueName: begins or ends with a blank, U+00A0 (no-break space): "front\u00a0"`, `queues[0] ("front\u00a0"), displayName: begins or ends with a blank: "Front "`}},
		"invisible characters": {provision.State{
			Users:  []provision.User{{User: "a\u200bnn", DisplayName: "A\u202e", ExtensionNumber: "01\u200d00", Email: new("a\ufeff@example.com")}},
			Groups: []provision.Group{{Name: "sa\u00adles", Members: []string{"b\u2066ob"}}}, Queues: []provision.Queue{{Name: "front", DisplayName: "a\u200db"}}},
			[]string{`users[0] ("a\u200bnn"), user: holds an invisible character, U+200B (zero width space): type it again: "a\u200bnn"`, `users[0] ("a\u200bnn"), displayName: holds an invisible character, U+202E (right-to-left override): type it again: "A\u202e"`,
				`users[0] ("a\u200bnn"), extensionNumber: holds an invisible character, U+200D (zero width joiner): type it again: "01\u200d00"`, `users[0] ("a\u200bnn"), email: holds an invisible character, U+FEFF (byte order mark): type it again: "a\ufeff@example.com"`,
				`groups[0] ("sa\u00adles"), groupName: holds an invisible character, U+00AD (soft hyphen): type it again: "sa\u00adles"`, `groups[0] ("sa\u00adles"), members: holds an invisible character, U+2066 (left-to-right isolate): type it again: "b\u2066ob"`,
				`queues[0] (front), displayName: holds an invisible character, U+200D (zero width joiner): type it again: "a\u200db"`}},
		"emergency numbers": {provision.State{Users: []provision.User{{User: "ann", ExtensionNumber: "999"}}, Groups: []provision.Group{{Name: "sales", ExtensionNumber: "1120"}}, Queues: []provision.Queue{{Name: "front", ExtensionNumber: "998"}}},
			[]string{`users[0] (ann), extensionNumber: "999" is an emergency number: take another one, or say that emergency numbers are meant`, `groups[0] (sales), extensionNumber: "1120" begins like the emergency number 112: take another one, or say that emergency numbers are meant`}},
		"emergency numbers that are meant": {provision.State{EmergencyNumbers: true, Users: []provision.User{{User: "ann", ExtensionNumber: "999"}}}, nil},
		"passwords": {provision.State{Users: []provision.User{{User: "ann", Password: infinitysip.NewSecret(" hunter2")}, {User: "ben", Password: infinitysip.NewSecret("\u00a0")}, {User: "cat", Password: infinitysip.NewSecret("a b")}}},
			[]string{"users[0] (ann), password: begins or ends with a blank: take it away", "users[1] (ben), password: begins or ends with a blank: take it away"}},
		"letters in two pieces": {provision.State{Users: []provision.User{{User: "zo\u00eb"}, {User: "ZOE\u0308"}}, Groups: []provision.Group{{Name: "all", Members: []string{"zoe\u0308"}}}},
			[]string{"users[1] (ZOE\u0308), user: \"ZOE\u0308\" is there twice, first in users[0]"}},
		"references": {provision.State{
			Users:   []provision.User{{User: "ann", Groups: []string{"salse", ""}}},
			Groups:  []provision.Group{{Name: "sales", Members: []string{"bob", "ann", "ANN"}}},
			Queues:  []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "support"}, {}}}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("bob")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("")}}},
			[]string{`users[0] (ann), groups: "salse" is not in the state`, "users[0] (ann), groups: an empty name", `groups[0] (sales), members: "bob" is not in the state`, `groups[0] (sales), members: "ANN" is there twice`,
				`queues[0] (front), members[0] (support), group: "support" is not in the state`, `queues[0].members[1].group: required`, `devices[0] (00:00:5E:00:53:01), user: "bob" is not in the state`}},
		"references to the server": {provision.State{Groups: []provision.Group{{Name: "sales", Members: []string{"bob"}}}, Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("bob")}}}, nil},
		"what the client refuses": {provision.State{
			Users:   []provision.User{{User: "a\nb", UKPhoneID: -1}},
			Groups:  []provision.Group{{Name: "sales", CallerNameFormat: new(infinitysip.CallerNameFormat("{name}"))}},
			Queues:  []provision.Queue{{Name: "front", CallerNameFormat: new(infinitysip.CallerNameFormat("{")), Members: []provision.QueueMember{{Group: "sales", RingStrategy: "some", RingSecs: new(-1)}}}},
			Devices: []provision.Device{{MACAddress: "10:20:30", Name: new("")}}},
			[]string{`users[0] ("a\nb"), user: holds a line break or a NUL`, `users[0] ("a\nb"), ukPhoneId: must be a positive id, not -1`, `groups[0] (sales), callerNameFormat: unknown variable "{name}": the API knows {displayName}, {srcPhoneNumber}, {dgrpName}`,
				`queues[0] (front), callerNameFormat: unbalanced brace in "{"`, `queues[0] (front), members[0] (sales), ringStrategy: must be "all" or "huntLongestIdle"`, "queues[0] (front), members[0] (sales), ringSecs: must not be negative: -1",
				"devices[0] (10:20:30), pbxDeviceName: required", `devices[0] (10:20:30), deviceMacAddress: not a MAC address of six octets: "10:20:30"`}},
		"too many members": {provision.State{Queues: []provision.Queue{{Name: "front", Members: many}}}, []string{"queues[0] (front), members: 1001 of them: the API orders at most 1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, problems(t, &test.state))
		})
	}
}

func TestCheckShowsNoSecret(t *testing.T) {
	t.Parallel()
	s := provision.State{Users: []provision.User{{User: "ann", Password: infinitysip.NewSecret("hunter2\n"), PIN: infinitysip.NewSecret("12x4")}}}
	err := s.Check()
	require.Error(t, err)
	for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v", s, s, s)} {
		require.NotContains(t, text, "hunter2")
		require.NotContains(t, text, "12x4")
	}
}

func TestNil(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, (*provision.State)(nil).Check(), infinitysip.ErrInvalid)
	require.NoError(t, provision.Merge(nil, new(provision.State)).Check())
	_, err := provision.Plan(t.Context(), nil, 1, nil, nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	_, err = new(provision.Changes).Apply(t.Context(), nil, nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)

	a := newAcme(t)
	_, err = provision.Plan(t.Context(), a.client, 0, new(provision.State), nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	_, err = provision.Plan(t.Context(), new(infinitysip.Client), 1, new(provision.State), nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	changes := a.plan(t, small(), nil)
	_, err = provision.Plan(t.Context(), nil, a.domain, small(), nil)
	require.EqualError(t, err, "provision: invalid: the client is nil")
	_, err = changes.Apply(t.Context(), nil, nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	_, err = provision.ReadDomain(t.Context(), nil, a.domain)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
}

func TestMerge(t *testing.T) {
	t.Parallel()
	all := provision.Merge(
		&provision.State{Users: []provision.User{{User: "ann"}}},
		&provision.State{Users: []provision.User{{User: "Ann"}}, Groups: []provision.Group{}},
	)
	require.NotNil(t, all.Groups)
	require.Nil(t, all.Queues)
	require.Equal(t, []string{`users[1] (Ann), user: "Ann" is there twice, first in users[0]`}, problems(t, all))
}
