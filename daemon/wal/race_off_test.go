//go:build !race

package wal

const powerCuts = 500
const damages = 1500
