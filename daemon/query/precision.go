package query

import (
	"fmt"
	"strconv"

	"github.com/prometheus/prometheus/promql/parser"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"example.com/nexusctl/protocol/histogram"
)

// source is the engine's source for one expression.
type source struct {
	engine    *Engine
	quantiles bool
}

// source holds the expression to the limits first.
func (e *Engine) source(expr string) (source, error) {
	parsed, err := e.check(expr)
	return source{e, err == nil && takesQuantiles(parsed)}, err
}

func (s source) Querier(mint, maxt int64) (promstorage.Querier, error) {
	return &querier{reader: s.engine.reader, mint: mint, maxt: maxt, quantiles: s.quantiles}, nil
}

// takesQuantiles reports an expression whose answer depends on where in a bucket
// a value is taken to be.
func takesQuantiles(expr parser.Expr) (found bool) {
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if call, ok := n.(*parser.Call); ok {
			switch call.Func.Name {
			case "histogram_quantile", "histogram_quantiles", "histogram_fraction":
				found = true
			}
		}
		return nil
	})
	return found
}

// precision gathers how exact the samples of a metric are. An answer that is an
// estimate says so, and within what.
type precision struct {
	quantiles    bool
	distribution bool
	schema       int     // the coarsest
	members      float64 // the greatest standard error of a set's members
}

func (p *precision) look(samples []Sample) {
	for i := range samples {
		s := &samples[i]
		p.members = max(p.members, s.Error)
		if s.Hist != nil && p.quantiles {
			if schema := s.Hist.Schema(); !p.distribution || schema < p.schema {
				p.schema = schema
			}
			p.distribution = true
		}
	}
}

// tell adds what was found of the metric to the answer's notes, and forgets it.
func (p *precision) tell(notes *annotations.Annotations, name string) {
	if p.distribution {
		notes.Add(fmt.Errorf("%w: quantiles of %q lie within %s of the true ones (histogram schema %d)",
			annotations.PromQLInfo, name, percent(histogram.Width(p.schema)), p.schema))
	}
	if p.members > 0 {
		notes.Add(fmt.Errorf("%w: the members of %q are estimated, with a standard error of %s", annotations.PromQLInfo, name, percent(p.members)))
	}
	p.distribution, p.members = false, 0
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'g', 3, 64) + " %" }
