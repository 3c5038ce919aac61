// Package csv writes tables as RFC 4180 has them, safe to open: a cell that a
// spreadsheet would run as a formula gets a quote before it. Metrics' names and
// tags come from whoever sends them.
package csv

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// Writer writes rows.
type Writer struct{ w *csv.Writer }

// NewWriter returns a writer onto w. Flush ends it.
func NewWriter(w io.Writer) *Writer { return &Writer{csv.NewWriter(w)} }

// Row writes one row. An error is told by Flush too.
func (w *Writer) Row(cells ...string) error {
	safe := make([]string, len(cells))
	for i, c := range cells {
		safe[i] = Cell(c)
	}
	return w.w.Write(safe)
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	w.w.Flush()
	return w.w.Error()
}

// starters are the characters with which a formula begins; spreadsheets take
// the wide forms for the narrow ones, and look behind white space.
const starters = "=+-@\t\r\n＝＋－＠"

// Cell returns a cell's text as it is safe to write.
func Cell(s string) string {
	if s == "" || !strings.ContainsRune(starters, []rune(s[:min(len(s), 4)])[0]) && !leads(s) || number(s) {
		return s
	}
	return "'" + s
}

// leads reports a formula behind white space.
func leads(s string) bool {
	t := strings.TrimLeft(s, " \u00a0")
	return t != s && t != "" && strings.ContainsRune(starters, []rune(t[:min(len(t), 4)])[0])
}

func number(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
