// Package slo is the mathematics of service level objectives: targets, windows,
// budgets, burn rates, and the report of a month.
//
// Everything here is pure. It reads no clock and no store: the time is an
// argument, and counts of events come through Source, which the owner of the
// data implements. Numbers are exact rationals from the written target to the
// verdict, because a float can put 995 of 1000 on the wrong side of 99.5 %;
// floats appear only where something is shown.
//
// The package judges events. What an event is, and which series count it, is
// written in a Definition and understood by the Source.
package slo
