package bench

import (
	"context"
	"time"
)

// batchings are the settings that Batching compares, as nexus.toml has them.
var batchings = []struct {
	name     string
	settings []string
}{
	{"adaptive", []string{"ingest.batching=adaptive"}},
	{"fixed-1", []string{"ingest.batching=fixed", "ingest.batch_units=1"}},
	{"fixed-10", []string{"ingest.batching=fixed", "ingest.batch_units=10"}},
	{"fixed-100", []string{"ingest.batching=fixed", "ingest.batch_units=100"}},
	{"fixed-1000", []string{"ingest.batching=fixed", "ingest.batch_units=1000"}},
	{"timed-1ms", []string{"ingest.batching=timed"}},
	{"timed-10ms", []string{"ingest.batching=timed", "ingest.batch_interval=10ms"}},
	{"memory-64KiB", []string{"ingest.batching=memory"}},
}

// batchingLoads are what they are compared under: writes of five lines over
// many connections, a usual service, and all that the daemon takes.
var batchingLoads = []struct {
	name string
	load load
}{
	{"trickle", load{at(20_000), 4000}},
	{"steady-200k", load{at(200_000), 64}},
	{"flood", load{flood, 64}},
}

// Batching measures a daemon with each way of gathering jobs into log records,
// each under three loads.
func Batching(c Child) (stages []Stage) {
	for _, l := range batchingLoads {
		for _, b := range batchings {
			child := c
			child.settings = b.settings
			stages = append(stages, Stage{"batching/" + l.name + "/" + b.name, fed(child, l.load)})
		}
	}
	return stages
}

// fed measures a daemon under a load of plain lines.
func fed(c Child, l load) func(context.Context, time.Duration) (Result, error) {
	return func(ctx context.Context, length time.Duration) (Result, error) {
		return measured(ctx, c, plain, l, length)
	}
}
