package attempt_test

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	type module = debug.Module
	other := &module{Path: "example.com/other", Version: "v9.9.9"}
	for name, test := range map[string]struct {
		built *debug.BuildInfo
		want  string
	}{
		"not told":                  {nil, ""},
		"another's program":         {&debug.BuildInfo{Main: *other}, ""},
		"a dependency":              {&debug.BuildInfo{Main: *other, Deps: []*module{other, {Path: "example.com/m", Version: "v1.2.3"}}}, "v1.2.3"},
		"a fork":                    {&debug.BuildInfo{Deps: []*module{{Path: "example.com/m", Version: "v1.2.3", Replace: &module{Path: "example.com/fork", Version: "v1.2.4"}}}}, "v1.2.4"},
		"a directory":               {&debug.BuildInfo{Deps: []*module{{Path: "example.com/m", Version: "v1.2.3", Replace: &module{Path: "../m", Version: "(devel)"}}}}, "devel"},
		"this module":               {&debug.BuildInfo{Main: module{Path: "example.com/m", Version: "(devel)"}}, "devel"},
		"this module at its commit": {&debug.BuildInfo{Main: module{Path: "example.com/m", Version: "v1.2.4-0.20260101000000-abcdefabcdef+dirty"}}, "v1.2.4-0.20260101000000-abcdefabcdef+dirty"},
		"without a version":         {&debug.BuildInfo{Main: module{Path: "example.com/m"}}, ""},
	} {
		require.Equal(t, test.want, attempt.Version(test.built, "example.com/m"), name)
	}
}
