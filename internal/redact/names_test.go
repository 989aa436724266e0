package redact

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSensitive(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"pin", "PIN", "userPIN", "SIPPin", "voicemailPin", "sip_pin", "SIP_PIN", "pin[]", "key", "KEY", "X-Api-Key", "apiKey", "APIKey", "apikey", "PWD",
		"password", "sipPasswd", "passPhrase", "tokenValue", "pbxdevicetoken", "Set-Cookie", "X-Auth", "X-Session", "sessionId",
	} {
		require.True(t, Sensitive(name), name)
	}
	for _, name := range []string{"", "shipping", "showPinned", "keyword", "X-Author", "monkey", "PINNED", "display", "passenger"} {
		require.False(t, Sensitive(name), name)
	}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"Bearer s3cr3t", "Bearer", "s3cr3t"}, Pieces("X-Auth-Token", "Bearer s3cr3t"))
	require.Equal(t, []string{"sid=s3cr3t; a=b", "s3cr3t"}, Pieces("Cookie", "sid=s3cr3t; a=b"))
	require.Empty(t, Pieces("pin", "123"), "it would be in every text")
	require.Empty(t, Pieces("display[]", "userId"))
}
