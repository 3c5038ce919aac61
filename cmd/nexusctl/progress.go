package main

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
)

// progressLine says how far long work is and when it will end: on a terminal
// in one line, once a second, and elsewhere in a line every ten.
type progressLine struct {
	w             io.Writer
	what          string
	terminal      bool
	began, last   time.Time
	every         time.Duration
	shown, silent bool
	now           func() time.Time
	widest        int
}

func newProgress(w io.Writer, what string, quiet bool) *progressLine {
	p := &progressLine{w: w, what: what, terminal: isTerminal(w), every: 10 * time.Second, silent: quiet, now: time.Now}
	if p.terminal {
		p.every = time.Second
	}
	p.began = p.now()
	p.last = p.began
	return p
}

// show takes how many bytes of about how many are done; 0 of what is not known.
func (p *progressLine) show(done, total int64) {
	now := p.now()
	if p.silent || now.Sub(p.last) < p.every {
		return
	}
	p.last, p.shown = now, true
	text := fmt.Sprintf("%s: %s", p.what, humanize.IBytes(uint64(done)))
	if took := now.Sub(p.began); took > 0 && total > 0 && done > 0 {
		share := min(float64(done)/float64(total), 1)
		left := time.Duration(float64(took) * (1 - share) / share).Round(time.Second)
		text = fmt.Sprintf("%s: %3.0f%% of about %s, %s left, %s/s", p.what, share*100, humanize.IBytes(uint64(total)), left, humanize.IBytes(uint64(float64(done)/took.Seconds())))
	}
	if !p.terminal {
		_, _ = fmt.Fprintln(p.w, text)
		return
	}
	p.widest = max(p.widest, len(text))
	_, _ = fmt.Fprintf(p.w, "\r%-*s", p.widest, text)
}

// end leaves the line.
func (p *progressLine) end() {
	if p.shown && p.terminal {
		_, _ = fmt.Fprintln(p.w)
	}
}
