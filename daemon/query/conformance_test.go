//go:build !race

package query

import (
	"testing"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	promstorage "github.com/prometheus/prometheus/storage"
)

var _ promstorage.Storage = (*rawStore)(nil)

// TestPrometheusSuite runs Prometheus's own tests of PromQL over raw series in
// our store. It is one client's queries, one after the other, and takes eight
// times as long under the race detector: it runs without.
func TestPrometheusSuite(t *testing.T) {
	engine := promql.NewEngine(suiteOptions())
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	files := 0
	promqltest.RunBuiltinTestsWithStorage(&parallel{t, &files}, engine, func(tb testing.TB) promstorage.Storage {
		return openRawStore(tb)
	})
	if files < 20 {
		t.Errorf("the suite has %d files only", files)
	}
}

// parallel runs the suite's files side by side.
type parallel struct {
	*testing.T
	files *int
}

func (p *parallel) Run(name string, f func(t *testing.T)) bool {
	*p.files++
	return p.T.Run(name, func(t *testing.T) { t.Parallel(); f(t) })
}
