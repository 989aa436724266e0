package siptest

import (
	"encoding"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		all   []encoding.TextMarshaler
		empty encoding.TextUnmarshaler
		words []string
		none  encoding.TextMarshaler
	}{
		{[]encoding.TextMarshaler{CreateBodyID, CreateBodyRow, CreateBodyNone}, new(CreateBody), createBodyWords, CreateBody(3)},
		{[]encoding.TextMarshaler{UndocumentedQueryIgnored, UndocumentedQueryHonoured, UndocumentedQueryRejected}, new(UndocumentedQuery), undocumentedQueryWords, UndocumentedQuery(-1)},
		{[]encoding.TextMarshaler{GroupUpdatesReject, GroupUpdatesKeep, GroupUpdatesClear}, new(GroupUpdates), groupUpdatesWords, GroupUpdates(3)},
		{[]encoding.TextMarshaler{PathsExact, PathsAnyCase}, new(Paths), pathsWords, Paths(2)},
		{[]encoding.TextMarshaler{ErrorBodyText, ErrorBodyJSONString, ErrorBodyJSONObject, ErrorBodyHTML}, new(ErrorBody), errorBodyWords, ErrorBody(4)},
		{[]encoding.TextMarshaler{FramingChunked, FramingLength, FramingClose}, new(Framing), framingWords, Framing(3)},
		{[]encoding.TextMarshaler{RetryAfterNone, RetryAfterSeconds, RetryAfterDate}, new(RetryAfter), retryAfterWords, RetryAfter(3)},
	} {
		require.Len(t, tt.all, len(tt.words))
		for i, value := range tt.all {
			text, err := value.MarshalText()
			require.NoError(t, err)
			require.Equal(t, tt.words[i], string(text))
			require.NoError(t, tt.empty.UnmarshalText(text))
			require.EqualValues(t, value, reflect.ValueOf(tt.empty).Elem().Interface())
		}
		err := tt.empty.UnmarshalText([]byte("Row"))
		require.ErrorContains(t, err, `"Row" is none of `+tt.words[0]+", "+tt.words[1])
		require.EqualValues(t, tt.all[len(tt.all)-1], reflect.ValueOf(tt.empty).Elem().Interface(), "an error changes nothing")
		_, err = tt.none.MarshalText()
		require.Error(t, err)
	}
}
