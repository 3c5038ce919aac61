package query

import (
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Limits bound what one PromQL question may cost.
type Limits struct {
	Timeout    time.Duration
	MaxSamples int // in memory at once
	MaxLength  int // bytes of an expression
	MaxDepth   int // operators and calls inside one another
}

// DefaultLimits returns the limits with which a daemon runs.
func DefaultLimits() Limits {
	return Limits{Timeout: 30 * time.Second, MaxSamples: 50_000_000, MaxLength: 16 << 10, MaxDepth: 100}
}

// check refuses an expression that is longer or deeper than permitted, before
// anything is read for it. The engine walks expressions by recursion.
func (e *Engine) check(expr string) (parser.Expr, error) {
	if len(expr) > e.limits.MaxLength {
		return nil, &ExprError{Err: fmt.Errorf("the expression is longer than %d bytes", e.limits.MaxLength)}
	}
	parsed, err := newParser().ParseExpr(expr)
	if err != nil {
		return nil, &ExprError{Err: err}
	}
	if depth(parsed) > e.limits.MaxDepth {
		return nil, &ExprError{Err: fmt.Errorf("the expression is nested more than %d deep", e.limits.MaxDepth)}
	}
	return parsed, nil
}

func depth(expr parser.Expr) (deepest int) {
	parser.Inspect(expr, func(_ parser.Node, path []parser.Node) error {
		deepest = max(deepest, len(path))
		return nil
	})
	return deepest
}

// Format renders an expression as Prometheus's formatter does.
func (e *Engine) Format(expr string) (string, error) {
	parsed, err := e.check(expr)
	if err != nil {
		return "", err
	}
	return parsed.Pretty(0), nil
}

// ParseMatchers reads selectors, as match[] gives them.
func (e *Engine) ParseMatchers(selectors []string) (list [][]*labels.Matcher, err error) {
	for _, s := range selectors {
		if len(s) > e.limits.MaxLength {
			return nil, &ExprError{Err: fmt.Errorf("a selector is longer than %d bytes", e.limits.MaxLength)}
		}
		ms, err := newParser().ParseMetricSelector(s)
		if err != nil {
			return nil, &ExprError{Err: err}
		}
		list = append(list, ms)
	}
	return list, nil
}
