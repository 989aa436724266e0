package where_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/where"
	"github.com/infinitysip/infinitysip/siptest"
)

func now() time.Time { return time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC) }

func fields() []where.Field {
	return []where.Field{
		{Name: "name", Other: "displayName"},
		{Name: "extension", Other: "extensionNumber"},
		{Name: "order", Kind: where.Number},
		{Name: "recorded", Kind: where.Flag},
		{Name: "updated", Other: "updateDatetime", Kind: where.Time},
		{Name: "network", Kind: where.Network},
	}
}

func parse(t *testing.T, text string) *where.Condition {
	t.Helper()
	c, err := where.Parse(text, fields(), now())
	require.NoError(t, err, text)
	return c
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for text, test := range map[string]struct{ yes, no []string }{
		"name is Lobby 2":                  {[]string{"Lobby 2"}, []string{"lobby 2", "Lobby", ""}},
		"name is Lobby 2 any case":         {[]string{"Lobby 2", "LOBBY 2"}, []string{"Lobby"}},
		"name is 'Lobby 2' any case":       {[]string{"lobby 2"}, []string{"Lobby"}},
		`name is "any case"`:               {[]string{"any case"}, []string{"Any case"}},
		"  NAME   is\tÉcole  any case ":    {[]string{"ÉCOLE", "école"}, []string{"ecole"}},
		"displayName=Lobby":                {[]string{"Lobby"}, []string{"Lobby 2"}},
		"name==Lobby":                      {[]string{"Lobby"}, []string{"Lobby 2"}},
		"name != Lobby":                    {[]string{"lobby", ""}, []string{"Lobby"}},
		"name is not Lobby":                {[]string{"lobby", ""}, []string{"Lobby"}},
		"name is not 'set'":                {[]string{"", "x"}, []string{"set"}},
		"name = set":                       {[]string{"set"}, []string{"x", ""}},
		"name is set":                      {[]string{"x", "0"}, []string{""}},
		"name is not set":                  {[]string{""}, []string{"x", "0"}},
		"name is ''":                       {[]string{""}, []string{"x"}},
		"name is 'it''s'":                  {[]string{"it's"}, []string{"its"}},
		"name begins Lob":                  {[]string{"Lobby"}, []string{"lobby", "x Lobby"}},
		"name begins with Lob":             {[]string{"Lobby"}, []string{"with Lob"}},
		"name starts with 'with '":         {[]string{"with milk"}, []string{"milk"}},
		"name not begins lob any case":     {[]string{"x"}, []string{"Lobby"}},
		"name ends with y":                 {[]string{"Lobby"}, []string{"LobbY"}},
		"name not ends y":                  {[]string{"LobbY", ""}, []string{"Lobby"}},
		"name contains obb":                {[]string{"Lobby"}, []string{"LOBBY"}},
		"name not contains OBB any case":   {[]string{""}, []string{"Lobby"}},
		"extension in 201, 202,'2,3'":      {[]string{"201", "202", "2,3"}, []string{"2", "3", ""}},
		"extension not in 201,202":         {[]string{"203", ""}, []string{"201", "202"}},
		"name in Joe,'any case' any case":  {[]string{"JOE", "ANY CASE"}, []string{"x"}},
		"name like L*b?y":                  {[]string{"Lobby", "Lxx\nbyy"}, []string{"lobby", "Lby", "xLobby", "Lobbyx"}},
		"name like [!a-c]*[]x] any case":   {[]string{"Lx", "d]"}, []string{"Ax", "L"}},
		`name like \*[`:                    {[]string{"*["}, []string{"x["}},
		"name not like L*":                 {[]string{"x"}, []string{"L"}},
		"name matches /^lob/i":             {[]string{"Lobby"}, []string{"x lobby"}},
		"name matches ^Lob.*y$":            {[]string{"Lobby"}, []string{"lobby"}},
		"name matches /a b any case/":      {[]string{"a b any case"}, []string{"A B ANY CASE", "a b"}},
		"name matches /a b/ any case":      {[]string{"A B"}, []string{"ab"}},
		"name matches '^a  b$'":            {[]string{"a  b"}, []string{"a b"}},
		"name not matches /x/":             {[]string{"y"}, []string{"x"}},
		"extension >= 300":                 {[]string{"300", "1000", "0300", "300.5", "lobby"}, []string{"299", "-300", ""}},
		"extension>300":                    {[]string{"301"}, []string{"300", "0300", ""}},
		"extension < 300":                  {[]string{"0299", "-1"}, []string{"300", "1000", ""}},
		"extension <= 300":                 {[]string{"300"}, []string{"301"}},
		"extension > 10000000000000000001": {[]string{"10000000000000000002"}, []string{"10000000000000000001", "10000000000000000000"}},
		"name > Lobby":                     {[]string{"Lobby 2", "lobby"}, []string{"Lobby", "A", ""}},
		"order = 007":                      {[]string{"7"}, []string{"8", ""}},
		"order in 1,2":                     {[]string{"2"}, []string{"3"}},
		"order is not 7":                   {[]string{"8", ""}, []string{"7"}},
		"order < 10":                       {[]string{"9"}, []string{"10", ""}},
		"recorded is yes":                  {[]string{"1"}, []string{"0"}},
		"recorded is not TRUE":             {[]string{"0"}, []string{"1"}},
		"recorded = 0":                     {[]string{"0"}, []string{"1"}},
		"updated after 2026-01-31":         {[]string{"2026-02-01 00:00:00"}, []string{"2026-01-31 23:59:59", ""}},
		"updated > 2026-01-31":             {[]string{"2026-02-01 00:00:00"}, []string{"2026-01-31 23:59:59", ""}},
		"updated >= 2026-01-31":            {[]string{"2026-01-31 00:00:00"}, []string{"2026-01-30 23:59:59", ""}},
		"updated before 2026-01-31":        {[]string{"2026-01-30 23:59:59"}, []string{"2026-01-31 00:00:00", ""}},
		"updated <= 2026-01-31":            {[]string{"2026-01-31 23:59:59"}, []string{"2026-02-01 00:00:00", ""}},
		"updated is 2026-01-31":            {[]string{"2026-01-31 12:00:00"}, []string{"2026-02-01 00:00:00", ""}},
		"updated is not 2026-01-31":        {[]string{"2026-02-01 00:00:00", ""}, []string{"2026-01-31 12:00:00"}},
		"updated is 2026-01-31 14:30":      {[]string{"2026-01-31 14:30:00"}, []string{"2026-01-31 14:30:01"}},
		"updated > '2026-01-31 14:30:05'":  {[]string{"2026-01-31 14:30:06"}, []string{"2026-01-31 14:30:05"}},
		"updated < 2026-01-31T14:30+01:00": {nil, nil},
		"updated < 2026-01-31T14:30:00Z":   {[]string{"2026-01-31 14:29:59"}, []string{"2026-01-31 14:30:00"}},
		"updated before 90 days ago":       {[]string{"2026-01-01 11:59:59"}, []string{"2026-01-01 12:00:00", ""}},
		"updated after 1 week ago":         {[]string{"2026-03-25 12:00:01"}, []string{"2026-03-25 12:00:00"}},
		"updated after 36 hours ago":       {[]string{"2026-03-31 00:00:01"}, []string{"2026-03-31 00:00:00"}},
		"updated is not set":               {[]string{""}, []string{"2026-03-31 00:00:00"}},
		"network is 192.0.2.0/24":          {[]string{"192.0.2.0/24"}, []string{"192.0.2.1/24", ""}},
		"network is 2001:DB8:0::/32":       {[]string{"2001:db8::/32"}, nil},
		"network within 192.0.2.7/24":      {[]string{"192.0.2.0/24", "192.0.2.8/29", "192.0.2.200"}, []string{"192.0.0.0/16", "198.51.100.0/24", ""}},
		"network not within 10.0.0.0/8":    {[]string{"192.0.2.0/24", ""}, []string{"10.1.0.0/16"}},
		"network > 10.0.0.0/8":             {[]string{"192.0.2.0/24", "10.0.0.0/9"}, []string{"9.0.0.0/8", "10.0.0.0/8", ""}},
		"network begins 192.":              {[]string{"192.0.2.0/24"}, []string{"10.0.0.0/8"}},
	} {
		if test.yes == nil && test.no == nil {
			_, err := where.Parse(text, fields(), now())
			require.Error(t, err, text)
			continue
		}
		c := parse(t, text)
		for _, value := range test.yes {
			require.True(t, c.Match(value), "%s: %q", text, value)
		}
		for _, value := range test.no {
			require.False(t, c.Match(value), "%s: %q", text, value)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // the text, up to the place, and the problem
		"":                              "|a condition begins with the name of a field",
		"= x":                           "|a condition begins with the name of a field",
		"nam is x":                      `|there is no field "nam" (did you mean "name"?)`,
		"colour is x":                   `|there is no field "colour"`,
		"name":                          "name|an operator is missing",
		"name beginz L":                 `name |there is no operator "beginz" (did you mean "begins"?)`,
		"name not":                      "name not|an operator is missing",
		"name not is x":                 "name not |not does not go before is",
		"name begins":                   "name begins|a value is missing",
		"name begins with":              "name begins with|a value is missing",
		"name is":                       "name is|a value is missing",
		"name is 'x":                    "name is |this quote is not closed",
		"name is 'x' y":                 "name is 'x' |something follows the value",
		"name in a,":                    "name in a,|a value is missing",
		"name in a,,b":                  "name in a,|a value is missing",
		"name is like L*":               `name is |"like" is an operator of its own`,
		"extension is in 201,202":       `extension is |"in" is an operator of its own`,
		"extension is not in 201,202":   `extension is not |"in" is an operator of its own`,
		"name matches /^(J/":            "name matches /|this is not a regular expression: missing closing )",
		"name matches '^(J'":            "name matches |this is not a regular expression: missing closing )",
		"name matches a[":               "name matches a|this is not a regular expression: missing closing ]",
		"name matches /a":               "name matches |the second slash is missing",
		"name matches /a/x":             "name matches /a/|behind the expression only the flags i, m and s may follow",
		"name matches /a(?=b)/":         "name matches /a|this is not a regular expression: invalid or unsupported Perl syntax",
		"name like [z-a]":               "name like |this is not a pattern",
		"order is ten":                  "order is |this is not a whole number",
		"order in 1, two":               "order in 1, |this is not a whole number",
		"order begins 1":                "order |a number takes is, in, <, <=, >, >= and is set",
		"order is 1 any case":           "order is 1 |only a text has a case",
		"recorded is maybe":             "recorded is |this is neither true nor false",
		"recorded > 0":                  "recorded |a flag is true or false: the operators are is and is not",
		"recorded is set":               "recorded is |a flag is always set",
		"updated after yesterday":       "updated after |this is not a date",
		"updated after -1 days ago":     "updated after |this is not a date",
		"updated after 3 blue ago":      "updated after |this is not a date",
		"updated in 2026-01-31":         "updated |a date takes is, before, after, <, <=, >, >= and is set",
		"network is 192.0.2.0":          "network is |this is not a network in CIDR notation",
		"network within here":           "network within |this is not a network in CIDR notation",
		"updated after 999999 days ago": "updated after |this is not a date",
	} {
		_, err := where.Parse(text, fields(), now())
		wrong := new(where.Error)
		require.ErrorAs(t, err, &wrong, text)
		require.Equal(t, text, wrong.Text)
		require.Equal(t, want, text[:wrong.At]+"|"+err.Error(), text)
	}
	_, err := where.Parse("extension is not in 201,202", fields(), now())
	require.Equal(t, "Write extension not in 201,202, or, if it is a text, extension is not 'in 201,202'.", err.(*where.Error).Hint)
}

// TestAsTheAPIDoes compares each operator with the operand of the API that it stands
// for, on a server that knows them, over many texts.
func TestAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	texts := []string{"", "0", "1", "7", "07", "10", "-5", "300", "1000", "3.5", "Lobby", "lobby", "LOBBY 2", "Lobby 2", "x Lobby", "a,b", "[x]", "]", "a-b", `a\b`, "*", "Zoë", "ZOË", "192.0.2.7", "192.0.2.0/28", "192.0.0.0/16", "2001:db8::1", "2026-01-31 12:00:00", "e3"}
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	for i, text := range texts {
		srv.AddDevice(domain, infinitysip.Device{MACAddress: fmt.Sprintf("10:20:30:40:50:%02x", i), Name: text})
	}
	client, field := srv.InProcessClient(), infinitysip.DeviceFields.Name
	compare := func(condition string, filter infinitysip.Filter[infinitysip.Device]) {
		t.Helper()
		c := parse(t, condition)
		rows, err := infinitysip.Collect(client.Devices.All(context.Background(), domain, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(filter)}))
		require.NoError(t, err)
		var want, got []string
		for _, row := range rows {
			want = append(want, row.Name)
		}
		for _, text := range texts {
			if c.Match(text) {
				got = append(got, text)
			}
		}
		require.Equal(t, want, got, condition)
	}
	quoted := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
	for _, text := range texts {
		q := quoted(text)
		compare("name is "+q, field.Eq(text))
		compare("name is not "+q, field.Ne(text))
		compare("name is "+q+" any case", field.EqFold(text))
		compare("name is not "+q+" any case", field.NeFold(text))
		compare("name contains "+q, field.Contains(text))
		compare("name not contains "+q, field.NotContains(text))
		compare("name contains "+q+" any case", field.ContainsFold(text))
		compare("name not contains "+q+" any case", field.NotContainsFold(text))
		compare("name begins "+q, field.Begins(text))
		compare("name not begins "+q, field.NotBegins(text))
		compare("name begins "+q+" any case", field.BeginsFold(text))
		compare("name not begins "+q+" any case", field.NotBeginsFold(text))
		compare("name ends "+q, field.Ends(text))
		compare("name ends "+q+" any case", field.EndsFold(text))
		if text != "" && !strings.Contains(text, ",") {
			compare("name in "+q+",Lobby", field.In(text, "Lobby"))
			compare("name not in "+q+",Lobby", field.NotIn(text, "Lobby"))
			compare("name in "+q+",lobby any case", field.InFold(text, "lobby"))
			compare("name not in "+q+",lobby any case", field.NotInFold(text, "lobby"))
		}
	}
	// An empty text is nothing here, and less than everything there: see filters.
	for _, text := range []string{"300", "7", "3.5", "Lobby", "a"} {
		compare("name > "+text, field.Gt(text))
		compare("name >= "+text, field.Ge(text))
	}
	compare("name is set", field.IsSet(true))
	compare("name is not set", field.IsSet(false))
	for _, pattern := range []string{"Lob*", "*obb?", "*", "?", "[0-9]*", "[!0-9]*", `\*`, "[]]", "[[]x]", "*-*", "Lobby", `a\\b`} {
		compare("name like "+quoted(pattern), field.Glob(pattern))
	}
	for _, expression := range []string{"/^lob/i", "^[0-9]+$", "/obby 2$/", "o+"} {
		compare("name matches "+quoted(expression), field.Matches(expression))
		compare("name not matches "+quoted(expression), field.NotMatches(expression))
	}
	for _, network := range []string{"192.0.2.0/24", "192.0.0.0/16", "2001:db8::/32", "0.0.0.0/0"} {
		compare("name within "+network, field.InNetwork(netip.MustParsePrefix(network)))
	}
}

// FuzzParse checks that no text makes it panic, and that what is wrong is in the text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"name is x", "name begins with 'L''y' any case", "extension in 1,2", "updated after 90 days ago", "name matches /^(/i", "network within 10.0.0.0/8", "name like [a", "recorded is", "é", "name\x00is", "name is \xff"} {
		f.Add(text, "value")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		c, err := where.Parse(text, fields(), now())
		if err != nil {
			wrong := new(where.Error)
			require.ErrorAs(t, err, &wrong)
			require.GreaterOrEqual(t, wrong.At, 0)
			require.LessOrEqual(t, wrong.At, len(text))
			return
		}
		require.Equal(t, c.Match(value), c.Match(value))
	})
}
