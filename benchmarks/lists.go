package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

const (
	latency  = 20 * time.Millisecond
	pageRows = 1_000
)

// A listWay reads all pages, and says when it had the first row.
type listWay struct {
	name string
	read func() (rows int, first time.Duration, err error)
}

const (
	sequential = "collect page after page with encoding/json, by hand"
	readAhead  = "this SDK, All" // the way that the goals are about
)

func listWays(transport http.RoundTripper) []listWay {
	return []listWay{
		{sequential, func() (int, time.Duration, error) {
			start := time.Now()
			var all []stringDevice
			err := handPages(transport, func(page []stringDevice) { all = append(all, page...) })
			return len(all), time.Since(start), err
		}},
		{"stream page after page with encoding/json, by hand", func() (n int, first time.Duration, err error) {
			start := time.Now()
			err = handPages(transport, func(page []stringDevice) {
				if n == 0 {
					first = time.Since(start)
				}
				n += len(page)
			})
			return n, first, err
		}},
		sdkPages("this SDK, All, read-ahead off", transport, infinitysip.WithReadAhead(0)),
		sdkPages(readAhead, transport),
		sdkPages("this SDK, All, read-ahead 8", transport, infinitysip.WithReadAhead(8)),
	}
}

// handPages reads pages until one is empty, as the SDK does: a short page may
// only mean that the server has a limit of its own.
func handPages(transport http.RoundTripper, visit func(page []stringDevice)) error {
	for offset := 0; ; {
		page, err := collect[stringDevice](transport, fmt.Sprintf("%s?sort[]=pbxDeviceId-asc&limit=%d&offset=%d", devicesPath, pageRows, offset))
		if err != nil || len(page) == 0 {
			return err
		}
		visit(page)
		offset += len(page)
	}
}

func sdkPages(name string, transport http.RoundTripper, opts ...infinitysip.Option) listWay {
	client := bench.SDK(transport, opts...)
	return listWay{name, func() (n int, first time.Duration, err error) {
		start := time.Now()
		for _, err := range client.Devices.All(context.Background(), 1, &infinitysip.DeviceListOptions{PageSize: pageRows}) {
			if err != nil {
				return n, first, err
			}
			if n == 0 {
				first = time.Since(start)
			}
			n++
		}
		return n, first, nil
	}}
}

// lists prints the table on long lists.
func lists(w io.Writer, c config) error {
	total := c.pick(100_000, 20_000)
	transport := bench.DeviceRows(total).Memory()
	transport.Latency = latency
	ways := listWays(transport)
	took, first, peak := make([][]time.Duration, len(ways)), make([][]time.Duration, len(ways)), make([][]int64, len(ways))
	for range c.rounds(3) {
		for i, way := range ways {
			start := time.Now()
			bytes, err := bench.PeakHeap(func() error {
				start = time.Now()
				n, f, err := way.read()
				if err == nil && n != total {
					err = fmt.Errorf("%d rows of %d", n, total)
				}
				took[i], first[i] = append(took[i], time.Since(start)), append(first[i], f)
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			peak[i] = append(peak[i], bytes)
		}
	}
	table := &bench.Table{
		Title: fmt.Sprintf("Lists: %d devices in pages of %d, %v a page", total, pageRows, latency),
		Head:  []string{"way", "s", "against the first", "first row after ms", "peak heap MB"},
	}
	base := bench.Median(took[0]).Seconds()
	for i, way := range ways {
		seconds, millis, megabytes := bench.Median(took[i]).Seconds(), float64(bench.Median(first[i]).Microseconds())/1e3, float64(bench.Median(peak[i]))/1e6
		table.Add(way.name, bench.Number(seconds), bench.Ratio(seconds/base), bench.Number(millis), bench.Number(megabytes))
		if way.name == readAhead {
			table.Goals = []bench.Goal{
				bench.AtMost(0.30, " ×", "time against sequential", seconds/base),
				bench.AtMost(1.1, " ×", "first row, against one latency", millis*1e3/float64(latency.Microseconds())),
				bench.AtMost(8, " MB", "peak heap", megabytes),
			}
		}
	}
	table.Print(w)
	return nil
}
