// Package quiet keeps every command silent on the terminal but `top`.
//
// Bubble Tea asks, in its init, which background the terminal has: it writes
// an escape sequence and waits up to five seconds for the answer, in every
// program that links it, whether it draws or not. `nexusctl version` on a
// serial line or in a CI log would write rubbish and hang. Lip Gloss does not
// ask where the background was set before.
//
// Go runs the inits of packages whose imports are ready in the order of their
// import paths. This package imports Lip Gloss alone, which Bubble Tea imports
// too, so it is ready no later; and example.com/nexusctl sorts before
// github.com/charmbracelet/bubbletea. Another import here, or a module path
// that sorts later, breaks that: TestBinary in cmd/nexusctl holds it.
package quiet

import "github.com/charmbracelet/lipgloss"

// The answer is of no use: no theme depends on the background.
func init() { lipgloss.SetHasDarkBackground(true) }
