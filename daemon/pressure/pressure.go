// Package pressure decides what a daemon refuses where memory or disk runs out.
//
// The decision is pure: how much there is, against what limits, gives a level, and
// each level refuses one thing more than the level below. A Gauge holds the level
// for the doors, which ask it before they take anything. Alerts, audit and health
// ask nobody: they are never refused.
package pressure

// Level is how hard pressed a daemon is. Each refuses what stands there, and all
// that the levels below it refuse.
type Level uint8

// Levels.
const (
	None      Level = iota
	Debug           // questions about the daemon's own state, and lists for completion
	Reads           // reads that somebody makes by hand or by dashboard
	Text            // units that nobody gets an acknowledgement for
	Newcomers       // acknowledged units of producers that are not known
	All             // acknowledged units of those that are
	numLevels
)

var levelNames = [numLevels]string{"none", "debug", "reads", "text", "newcomers", "all"}

func (l Level) String() string { return levelNames[l] }

// Cause is what runs out.
type Cause uint8

// Causes. Of several the first that presses hardest counts.
const (
	Memory Cause = iota
	Disk
)

var causeNames = [...]string{"memory", "disk"}

func (c Cause) String() string { return causeNames[c] }

// Limits are where it gets tight, bytes; 0 is no limit.
type Limits struct {
	Memory  uint64 // that the process should take at most
	Reserve uint64 // of disk that should stay free
}

// Reading is how much there is, bytes. What could not be read is 0, and presses
// nobody.
type Reading struct {
	Memory   uint64 // that cannot be given back
	DiskFree uint64
}

// State is a level and its cause.
type State struct {
	Level Level
	Cause Cause
}

// thresholds are by level the share of its limit that memory has reached, and how
// many reserves the disk has left. Data are refused from the limit itself on.
var thresholds = [numLevels]struct{ memory, disk float64 }{
	Debug: {0.90, 2}, Reads: {0.95, 1.5}, Text: {1, 1}, Newcomers: {1.05, 0.5}, All: {1.10, 0.25},
}

// A level is left only when the reading is better by these factors than what led
// to it: else it would come and go with every collection of garbage.
const (
	memorySlack = 0.95
	diskSlack   = 1.1
)

// Decide returns the state that follows one, given a reading.
func Decide(before State, r Reading, l Limits) State {
	up := worse(State{memoryLevel(r, l, 1), Memory}, State{diskLevel(r, l, 1), Disk})
	held := worse(State{memoryLevel(r, l, memorySlack), Memory}, State{diskLevel(r, l, diskSlack), Disk})
	level := min(before.Level, held.Level)
	if up.Level >= level {
		return up
	}
	return State{level, held.Cause}
}

func worse(a, b State) State {
	if b.Level > a.Level {
		return b
	}
	return a
}

func memoryLevel(r Reading, l Limits, slack float64) (level Level) {
	if l.Memory == 0 || r.Memory == 0 {
		return None
	}
	for i := Debug; i < numLevels; i++ {
		if float64(r.Memory) >= thresholds[i].memory*slack*float64(l.Memory) {
			level = i
		}
	}
	return level
}

func diskLevel(r Reading, l Limits, slack float64) (level Level) {
	if l.Reserve == 0 || r.DiskFree == 0 {
		return None
	}
	for i := Debug; i < numLevels; i++ {
		if float64(r.DiskFree) <= thresholds[i].disk*slack*float64(l.Reserve) {
			level = i
		}
	}
	return level
}
