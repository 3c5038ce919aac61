// Package objective keeps the service level objectives of a running daemon:
// those that ship, about the daemon itself, and those of its settings. It
// counts their events in the daemon's store and holds how each stands.
//
// The mathematics is package slo's; here is where its counts come from.
package objective

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/slo"
)

// every is the time between two evaluations: a bucket of the default
// resolution, within which nothing new is stored.
const every = 10 * time.Second

// evaluateTimeout bounds one evaluation of one objective.
const evaluateTimeout = time.Minute

// ErrUnknown reports an objective that is not defined.
var ErrUnknown = errors.New("there is no such objective")

// Shipped returns the objectives about the daemon itself, which are always
// there: a definition of the settings with the same name takes one's place.
func Shipped() []slo.Definition {
	fast := slo.Selectors{telemetry.FastSignal}
	all := slo.Selectors{telemetry.RequestsSignal}
	failed := slo.Selectors{telemetry.RequestsSignal + `{class="5xx"}`}
	return []slo.Definition{
		{
			Name: "nexus-availability", Description: "requests to the daemon that it did not fail itself", Target: "99.9", Window: "30d",
			Ratio: &slo.Ratio{Bad: failed, Total: all},
		},
		{
			Name: "nexus-latency", Description: "requests to the daemon answered within " + telemetry.Fast.String(), Target: "95", Window: "30d",
			Ratio: &slo.Ratio{Good: fast, Total: all},
		},
	}
}

// Compile checks the definitions and puts them beside those that ship. Every
// fault of every definition is in the error.
func Compile(own []slo.Definition) ([]slo.Objective, error) {
	all := slices.Clone(own)
	for _, d := range Shipped() {
		if !slices.ContainsFunc(own, func(o slo.Definition) bool { return o.Name == d.Name }) {
			all = append(all, d)
		}
	}
	objectives, err := slo.CompileAll(all)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, o := range objectives {
		if _, err := terms(o); err != nil {
			errs = append(errs, err)
		}
	}
	return objectives, errors.Join(errs...)
}

// Keeper holds the objectives and how they stand. It is safe for concurrent
// use.
type Keeper struct {
	source     *Source
	now        func() time.Time
	logger     *slog.Logger
	objectives atomic.Pointer[[]slo.Objective]
	statuses   atomic.Pointer[[]api.SLO]
	changed    chan struct{}
}

// NewKeeper returns a keeper of the objectives, none of which is evaluated yet.
func NewKeeper(s *Source, list []slo.Objective, now func() time.Time, logger *slog.Logger) *Keeper {
	k := &Keeper{source: s, now: now, logger: logger, changed: make(chan struct{}, 1)}
	k.objectives.Store(&list)
	k.statuses.Store(&[]api.SLO{})
	return k
}

// Replace changes the objectives, as after a reload.
func (k *Keeper) Replace(list []slo.Objective) {
	k.objectives.Store(&list)
	k.again()
}

// ClockSet has everything counted anew: hours that were over are to come, or may have
// got what they had not.
func (k *Keeper) ClockSet() { k.again() }

func (k *Keeper) again() {
	k.source.Forget()
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Run evaluates the objectives until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		k.evaluate(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-k.changed:
		}
	}
}

// evaluate brings every status up to date. One that cannot be had now stays as
// it was, and its age shows.
func (k *Keeper) evaluate(ctx context.Context) {
	before := *k.statuses.Load()
	var list []api.SLO
	for _, o := range *k.objectives.Load() {
		s, err := k.status(ctx, o)
		if err == nil {
			list = append(list, Body(s))
			continue
		}
		if ctx.Err() == nil {
			k.logger.Warn("an objective could not be evaluated; its last status stands", "objective", o.Name, "error", err)
		}
		if i := slices.IndexFunc(before, func(b api.SLO) bool { return b.Name == o.Name }); i >= 0 {
			list = append(list, before[i])
		}
	}
	k.statuses.Store(&list)
}

func (k *Keeper) status(ctx context.Context, o slo.Objective) (slo.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, evaluateTimeout)
	defer cancel()
	return slo.Evaluate(ctx, k.source, o, k.now())
}

// Statuses returns how every objective stood at the last evaluation.
func (k *Keeper) Statuses() []api.SLO { return *k.statuses.Load() }

// Status evaluates one objective now.
func (k *Keeper) Status(ctx context.Context, name string) (slo.Status, error) {
	o, err := k.find(name)
	if err != nil {
		return slo.Status{}, err
	}
	return k.status(ctx, o)
}

// history is how many earlier months a report tells of.
const history = slo.MaxHistory

// Report makes the report of a calendar month, "2026-10", in the objective's
// time zone. An empty month is the one that now lies in.
func (k *Keeper) Report(ctx context.Context, name, month string) (slo.Report, error) {
	o, err := k.find(name)
	if err != nil {
		return slo.Report{}, err
	}
	now := k.now()
	if month == "" {
		month = now.In(o.Window.Zone()).Format("2006-01")
	}
	p, err := slo.ParseMonth(month, o.Window.Zone())
	if err != nil {
		return slo.Report{}, &MonthError{err}
	}
	return slo.Build(ctx, k.source, o, p, history, now)
}

// MonthError reports a month that cannot be read.
type MonthError struct{ Err error }

func (e *MonthError) Error() string { return e.Err.Error() }
func (e *MonthError) Unwrap() error { return e.Err }

func (k *Keeper) find(name string) (slo.Objective, error) {
	for _, o := range *k.objectives.Load() {
		if o.Name == name {
			return o, nil
		}
	}
	return slo.Objective{}, fmt.Errorf("%w: %q", ErrUnknown, name)
}
