//go:build race

package wal

// The race detector makes everything some ten times slower.
const powerCuts = 100
const damages = 200
