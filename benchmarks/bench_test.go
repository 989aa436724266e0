package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// The benchmarks of go test -bench, which -compare runs too: a row, or a call,
// is an operation.

func BenchmarkUsers(b *testing.B) {
	rows := bench.UserRows(0)
	benchmark(b, ofRows(rows, userWays(rows.Memory())))
}

func BenchmarkDevices(b *testing.B) {
	rows := bench.DeviceRows(0)
	benchmark(b, ofRows(rows, deviceWays(rows.Memory())))
}

func BenchmarkEscapedUsers(b *testing.B) {
	rows := bench.EscapedUserRows(0)
	benchmark(b, ofRows(rows, streamWays(rows.Memory())))
}

func BenchmarkCreate(b *testing.B) {
	creates, _ := ofCalls(callers(bench.Fixed(http.StatusCreated, bench.Created(), bench.UserRow())))
	benchmark(b, creates)
}

func BenchmarkRead(b *testing.B) {
	_, reads := ofCalls(callers(bench.Fixed(http.StatusCreated, bench.Created(), bench.UserRow())))
	benchmark(b, reads)
}

func BenchmarkFirstCall(b *testing.B) {
	baseURL, stop, err := serveRow()
	require.NoError(b, err)
	defer stop()
	benchmark(b, firstCalls(baseURL))
}

func benchmark(b *testing.B, ways []bench.Way) {
	for _, way := range ways {
		b.Run(way.Name, func(b *testing.B) {
			b.ReportAllocs()
			require.NoError(b, way.Run(b.N))
		})
	}
}
