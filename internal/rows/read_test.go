package rows

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestReadOne(t *testing.T) {
	t.Parallel()
	const one, two = `{"pbxDeviceId":"1","user":"joe"}`, `{"pbxDeviceId":"2"}`
	reset := errors.New("reset")
	for name, test := range map[string]struct {
		body string
		ends error  // after the body; nil: well
		want string // the error; empty: none
		cut  bool
	}{
		"a row":                         {body: one},
		"a row on a line":               {body: "\r\n" + one + "\r\n\r\n"},
		"an array of one":               {body: "[" + one + "]"},
		"nothing":                       {want: "no row"},
		"blanks":                        {body: "\n \n", want: "no row"},
		"an empty array":                {body: "[]", want: "no row"},
		"two rows":                      {body: one + "\n" + two, want: "more than one row"},
		"an array of two":               {body: "[" + one + "," + two + "]", want: "more than one row"},
		"a bad row":                     {body: `{"pbxDeviceId":"x"}`, want: `row 1: pbxDeviceId: "x" is not a whole number of 64 bits`},
		"a bad one after it":            {body: one + "\nnull", want: "row 2: not an object"},
		"text after the array":          {body: "[" + one + "] true", want: "row 2: something follows the array"},
		"half a row":                    {body: one[:20], want: "row 1: " + ErrCut.Error(), cut: true},
		"half an array":                 {body: "[" + one, want: "row 2: " + ErrCut.Error(), cut: true},
		"it breaks off":                 {body: one[:20], ends: reset, want: "row 1: " + ErrCut.Error() + ": reset", cut: true},
		"it breaks off after the row":   {body: one + "\n", ends: reset, want: "row 2: " + ErrCut.Error() + ": reset", cut: true},
		"it breaks off before the row":  {ends: reset, want: "row 1: " + ErrCut.Error() + ": reset", cut: true},
		"a row that is longer than can": {body: `{"user":"` + strings.Repeat("x", 1000) + `"}`, want: "row 1: too long: more than 100 bytes"},
	} {
		body := io.Reader(strings.NewReader(test.body))
		if test.ends != nil {
			body = io.MultiReader(body, iotest.ErrReader(test.ends))
		}
		row, err := ReadOne[Device](LayoutOf[Device](format), body, 100)
		require.Equal(t, test.cut, errors.Is(err, ErrCut), name)
		if test.want != "" {
			require.EqualError(t, err, test.want, name)
			require.Equal(t, test.ends != nil, errors.Is(err, reset), name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, Device{ID: 1, User: "joe"}, row, name)
	}
}

// However many rows there are, they come in their order, in a slice that fits them.
func TestLongLists(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, partRows - 1, partRows, partRows + 1, 3*partRows + 7} {
		var body strings.Builder
		for i := range n {
			fmt.Fprintf(&body, "{\"pbxDeviceId\":\"%d\"}\n", i+1)
		}
		all, err := ReadAll[Device](LayoutOf[Device](format), strings.NewReader(body.String()), 100)
		require.NoError(t, err)
		collected, err := Collect(func(yield func(Device, error) bool) {
			for _, device := range all {
				if !yield(device, nil) {
					return
				}
			}
		})
		require.NoError(t, err)
		require.Equal(t, all, collected)
		require.Len(t, all, n)
		for i, device := range all {
			require.EqualValues(t, i+1, device.ID)
		}
		if n > partRows {
			require.Less(t, cap(all), n+n/16)
		}
	}

	broken := errors.New("broken")
	all, err := Collect(func(yield func(Device, error) bool) { _ = yield(Device{ID: 1}, nil) && yield(Device{}, broken) })
	require.Equal(t, broken, err)
	require.Nil(t, all)
}

// A reader that has enough of the rows reads no further, so that what follows
// them does not count.
func TestReadEach(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		most int // rows that are wanted
		want []DeviceID
		err  string
	}{
		"all":                     {"[" + `{"pbxDeviceId":"1"},{"pbxDeviceId":"2"}]`, 9, []DeviceID{1, 2}, ""},
		"none are there":          {"[]", 9, nil, ""},
		"one is enough":           {`{"pbxDeviceId":"1"}` + "\n" + `{"pbxDeviceId":"2"}`, 1, []DeviceID{1}, ""},
		"two are, and one is bad": {`{"pbxDeviceId":"1"}` + "\n" + `{"pbxDeviceId":"2"}` + "\nbad", 2, []DeviceID{1, 2}, ""},
		"three, and one is bad":   {`{"pbxDeviceId":"1"}` + "\n" + `{"pbxDeviceId":"2"}` + "\nbad", 3, []DeviceID{1, 2}, "row 3: not an object"},
		"three, and one is cut":   {`{"pbxDeviceId":"1"}` + "\n" + `{"pbxDev`, 3, []DeviceID{1}, "row 2: " + ErrCut.Error()},
	} {
		var ids []DeviceID
		err := ReadEach(LayoutOf[Device](format), iotest.OneByteReader(strings.NewReader(test.body)), maxRow, func(d Device) bool {
			ids = append(ids, d.ID)
			return len(ids) < test.most
		})
		require.Equal(t, test.want, ids, name)
		if test.err != "" {
			require.EqualError(t, err, test.err, name)
			continue
		}
		require.NoError(t, err, name)
	}
	body := strings.NewReader(strings.Repeat(`{"pbxDeviceId":"1"}`+"\n", 100_000))
	size := body.Len()
	require.NoError(t, ReadEach(LayoutOf[Device](format), body, maxRow, func(Device) bool { return false }))
	require.LessOrEqual(t, size-body.Len(), rowBuffer, "one buffer of it is read")
}

// keeper keeps the buffers that it is read into.
type keeper struct {
	io.Reader
	buffers [][]byte
}

func (k *keeper) Read(p []byte) (int, error) {
	k.buffers = append(k.buffers, p)
	return k.Reader.Read(p)
}

// However the reading ends, nothing of the answer is left in the buffers.
func TestReadersWipeTheirBuffers(t *testing.T) {
	t.Parallel()
	const answer = `{"userId":"1","password":"hunter2"}` + "\n" + `{"userId":"2","password":"hunter2"}`
	layout := LayoutOf[User](&Format{Own: format.Own, Set: format.Set, Hidden: format.Hidden}) // whose readers nobody else has
	for name, read := range map[string]func(io.Reader){
		"all":        func(body io.Reader) { _, _ = ReadAll[User](layout, body, maxRow) },
		"one of two": func(body io.Reader) { _, _ = ReadOne[User](layout, body, maxRow) },
		"too long":   func(body io.Reader) { _, _ = ReadOne[User](layout, body, 10) },
		"enough":     func(body io.Reader) { _ = ReadEach(layout, body, maxRow, func(User) bool { return false }) },
		"a panic": func(body io.Reader) {
			defer func() { require.Equal(t, "in the loop", recover()) }()
			_ = ReadEach(layout, body, maxRow, func(User) bool { panic("in the loop") })
		},
	} {
		body := &keeper{Reader: strings.NewReader(answer)}
		read(body)
		require.NotEmpty(t, body.buffers, name)
		for _, buffer := range body.buffers {
			require.NotContains(t, string(buffer), "hunter", name)
		}
	}
}

// progress counts the rows that a body is told of.
type progress struct {
	io.Reader
	rows int
}

func (p *progress) Progress() { p.rows++ }

func TestProgress(t *testing.T) {
	t.Parallel()
	body := &progress{Reader: strings.NewReader("[" + `{"pbxDeviceId":"1"},{"pbxDeviceId":"2"},{"pbxDeviceId":"x"}]`)}
	_, err := ReadAll[Device](LayoutOf[Device](format), body, maxRow)
	require.Error(t, err)
	require.Equal(t, 2, body.rows, "a bad row is none")
}

// A row type is taken apart once for each format.
func TestLayoutOf(t *testing.T) {
	t.Parallel()
	layout := LayoutOf[TrustedNetwork](format)
	require.Same(t, layout, LayoutOf[TrustedNetwork](format))
	require.NotSame(t, layout, LayoutOf[TrustedNetwork](&Format{}))
	require.NotSame(t, layout, LayoutOf[Device](format))
	require.Equal(t, []string{"trustedNetworkId", "trustednetworkId", "trustedNetworksId", "sipTrustedNetworkId", "networkId", "id"}, layout.IDNames())
	require.Equal(t, []string{"pbxDeviceId"}, LayoutOf[Device](format).IDNames())
	require.EqualValues(t, 5, layout.ID(&TrustedNetwork{ID: 5}))
	require.EqualValues(t, 7, LayoutOf[Device](format).ID(&Device{ID: 7, DomainID: 2, UserID: 3}))
	require.Zero(t, layout.ID(&TrustedNetwork{}))
}

// A row type without an id of its own has none, and no names for it.
func TestALayoutWithoutAnID(t *testing.T) {
	t.Parallel()
	type row struct {
		UserID UserID                     `json:"userId"`
		Extra  map[string]json.RawMessage `json:"-"`
	}
	layout := LayoutOf[row](format)
	require.Empty(t, layout.IDNames())
	got, err := ReadOne[row](layout, strings.NewReader(`{"userId":"7","id":"3"}`), maxRow)
	require.NoError(t, err)
	require.Equal(t, row{7, map[string]json.RawMessage{"id": json.RawMessage(`"3"`)}}, got)
	require.Zero(t, layout.ID(&got))
	require.Zero(t, LayoutOf[Any](format).ID(&Any{}))

	got, err = ReadOne[row](layout, strings.NewReader(`{"userId":""}`), maxRow)
	require.NoError(t, err, "it may be empty, since it is not the row's own")
	require.Zero(t, got)
}
