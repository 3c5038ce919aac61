package report

import (
	"math"
	"strings"
)

// eighths are the blocks that fill a part of a cell.
var eighths = []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// bar draws what is left of a budget in so many cells, and dots for what is
// gone. It is empty only where nothing is left.
func bar(consumed *float64, cells int) string {
	if consumed == nil {
		return ""
	}
	left := max(0, min(1-*consumed, 1))
	parts := int(math.Floor(left * float64(8*cells)))
	if parts == 0 && left > 0 {
		parts = 1
	}
	drawn := strings.Repeat("█", parts/8) + eighths[parts%8]
	return drawn + strings.Repeat("·", cells-(parts+7)/8)
}
