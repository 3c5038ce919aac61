package widget

// List is lines of which only the visible ones are ever drawn.
type List struct {
	Head  []string // stays
	Total int
	Line  func(i int) string
}

// Window draws the list as h lines at most, from line top on.
func (l List) Window(top, h int) []string {
	head := l.Head[:min(len(l.Head), max(h, 0))]
	rows := l.Rows(h)
	top = Clamp(top, l.Total-rows)
	out := append(make([]string, 0, len(head)+rows), head...)
	for i := top; i < min(top+rows, l.Total); i++ {
		out = append(out, l.Line(i))
	}
	return out
}

// Rows is the lines below the heading that h lines have room for.
func (l List) Rows(h int) int { return max(h-len(l.Head), 0) }

// Clamp brings i to 0 at least and high at most.
func Clamp(i, high int) int { return max(min(i, high), 0) }

// Follow moves the first visible line so that the cursor is in sight.
func Follow(top, cursor, rows, total int) int {
	if rows < 1 {
		return 0
	}
	return Clamp(min(max(top, cursor-rows+1), cursor), total-rows)
}
