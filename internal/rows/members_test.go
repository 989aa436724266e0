package rows

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Members and Text read what encoding/json reads.
func TestMembers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, " {\n} ", `{"a":1}`, "{\n \"a\" : [1, {\"b\": \"}\"}] ,\t\"b\":\"x\\\"y\", \"c\":null\n}\n", `{"a":1,"a":"2"}`, `{"\u0061\n":"\ud83d\ude00\/"}`, `{"":""}`,
		`[]`, `"x"`, `7`, `null`, ``, `{`, `{"a"}`, `{"a":1,}`, `{"a":1} {}`, `{"a":01}`,
	} {
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &want); err != nil || want == nil {
			require.Nil(t, Members([]byte(text)), text)
			continue
		}
		got := Members([]byte(text))
		require.Len(t, got, len(want), text)
		for name, value := range want {
			require.Equal(t, string(value), string(got[name]), text)
			var inside string
			isText := json.Unmarshal(value, &inside) == nil
			said, ok := Text(value)
			require.Equal(t, value[0] != '[' && value[0] != '{', ok, text)
			if isText {
				require.Equal(t, inside, said, text)
			}
		}
	}
	for _, text := range []string{"", `"`, `"x`, `"x" `, `"\x"`, "\"\xff\"", "[]", "{}", `"\ud83"`} {
		_, ok := Text([]byte(text))
		require.False(t, ok, text)
	}
	require.Nil(t, Members([]byte("{\"a\":\"\xff\"}")), "not UTF-8")
}
