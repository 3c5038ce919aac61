package torture

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/nexusctl/daemon/wal"
)

// busy fills segments quickly.
var busy = shape{producers: 2, batch: 400, streams: 2, lines: 400, posters: 1}

// wantSegments is how many segments a log has before it is damaged.
const wantSegments = 4

// fillWait bounds the wait for them.
const fillWait = time.Minute

// runFlips has a daemon write a log, stops it, and damages copies of the log.
// Whoever opens and reads such a copy must be told of the damage, or must read
// every frame as it was: never fewer in silence.
func runFlips(ctx context.Context, r *rig) error {
	if err := r.writeLog(ctx); err != nil {
		return err
	}
	whole, err := r.readLog()
	if err != nil {
		return err
	}
	copied := filepath.Join(r.dir, "copy")
	want, err := whole.read(copied)
	if err != nil {
		return broken("the log that a clean stop has left cannot be read: %v", err)
	}
	r.row.Sent = uint64(len(want))
	detected, harmless := map[string]int{}, map[string]int{}
	for range r.cycles(ctx) {
		d := drawDamage(r.rand, whole)
		told, err := d.trial(whole, want, copied)
		if err != nil {
			return err
		}
		if told {
			detected[d.kind]++
		} else {
			harmless[d.kind]++
		}
	}
	for _, kind := range damages {
		r.row.note("%s: %d detected, %d without effect", kind, detected[kind], harmless[kind])
	}
	return nil
}

// writeLog leaves a log of several segments behind, after a clean stop.
func (r *rig) writeLog(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	l, err := r.open(ctx, busy)
	if err != nil {
		return err
	}
	defer l.abandon()
	l.connect(ctx)
	began := time.Now()
	for {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		image, err := r.readLog()
		if err != nil {
			return err
		}
		if len(image.segments()) >= wantSegments {
			break
		}
		if time.Since(began) > fillWait {
			return fmt.Errorf("the log has %d segments after %s, wanted are %d", len(image.segments()), fillWait, wantSegments)
		}
	}
	sent := r.row.Sent
	if err := l.finish(ctx); err != nil {
		return err
	}
	r.row.Sent, r.row.Notes = sent, nil
	return r.daemon.stop()
}

// image is a log's files.
type image map[string][]byte

const (
	segmentSuffix = ".seg"
	markName      = "highwater"
)

// readLog reads the daemon's log, wherever below its data that is.
func (r *rig) readLog() (image, error) {
	marks, err := filepath.Glob(filepath.Join(r.data(), "log", "*", markName))
	if err != nil || len(marks) != 1 {
		return nil, fmt.Errorf("copy the log: there are %d below %s", len(marks), r.data())
	}
	return readImage(filepath.Dir(marks[0]))
}

func readImage(dir string) (image, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("copy the log: %w", err)
	}
	m := image{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), segmentSuffix) && e.Name() != markName {
			continue
		}
		if m[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, fmt.Errorf("copy the log: %w", err)
		}
	}
	return m, nil
}

func (m image) segments() (names []string) {
	for name := range m {
		if strings.HasSuffix(name, segmentSuffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// put makes dir hold the image and nothing else.
func (m image) put(dir string) error {
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return fmt.Errorf("copy the log: %w", err)
	}
	for name, b := range m {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return fmt.Errorf("copy the log: %w", err)
		}
	}
	return nil
}

// frame is one record's place and content.
type frame struct {
	at  wal.Span
	sum [sha256.Size]byte
}

// read puts the image into dir and reads it as a daemon would.
func (m image) read(dir string) ([]frame, error) {
	if err := m.put(dir); err != nil {
		return nil, err
	}
	log, err := wal.Open(dir, wal.Options{SegmentSize: 1 << 20})
	if err != nil {
		return nil, told{err}
	}
	frames, err := readFrames(log)
	if closed := log.Close(); err == nil && closed != nil {
		err = told{closed}
	}
	return frames, err
}

// told is what the log says about its damage.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

func readFrames(log *wal.Log) (frames []frame, err error) {
	reader, err := log.NewReader(log.Start())
	if err != nil {
		return nil, told{err}
	}
	defer reader.Close()
	for {
		payload, span, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return frames, told{err}
		}
		frames = append(frames, frame{span, sha256.Sum256(payload)})
	}
}

// damages are the kinds there are.
var damages = []string{"flip", "zero", "truncate", "remove", "swap"}

// damage is one thing that happens to a copy.
type damage struct {
	kind string
	text string
	do   func(m image)
}

// drawDamage draws a kind and a place. The oldest segment is not removed: a
// log drops it by itself when it is no longer needed, and the store's position
// tells whether it was.
func drawDamage(r *rand.Rand, m image) damage {
	d := damage{kind: damages[r.IntN(len(damages))]}
	names := m.segments()
	name := names[r.IntN(len(names))]
	if r.IntN(10) == 0 {
		name = markName
	}
	at := 0
	if n := len(m[name]); n > 0 {
		at = r.IntN(n)
	}
	switch d.kind {
	case "flip":
		bits := r.IntN(8) + 1
		places := make([]int, bits)
		for i := range places {
			places[i] = min(at*8+r.IntN(64), len(m[name])*8-1)
		}
		d.text = fmt.Sprintf("flip bits %v of %s", places, name)
		d.do = func(m image) { flip(m, name, places) }
	case "zero":
		n := r.IntN(8192) + 1
		d.text = fmt.Sprintf("zero %d bytes from %d on of %s", n, at, name)
		d.do = func(m image) { zero(m, name, at, n) }
	case "truncate":
		d.text = fmt.Sprintf("truncate %s to %d bytes", name, at)
		d.do = func(m image) { m[name] = m[name][:at] }
	case "remove":
		gone := names[1+r.IntN(len(names)-1)]
		d.text = "remove " + gone
		d.do = func(m image) { delete(m, gone) }
	case "swap":
		i := r.IntN(len(names))
		a, b := names[i], names[(i+1+r.IntN(len(names)-1))%len(names)]
		d.text = fmt.Sprintf("swap %s and %s", a, b)
		d.do = func(m image) { m[a], m[b] = m[b], m[a] }
	}
	return d
}

func flip(m image, name string, places []int) {
	b := bytes.Clone(m[name])
	for _, p := range places {
		if p >= 0 {
			b[p/8] ^= 1 << (p % 8)
		}
	}
	m[name] = b
}

func zero(m image, name string, at, n int) {
	b := bytes.Clone(m[name])
	clear(b[at:min(at+n, len(b))])
	m[name] = b
}

// trial damages a copy and reads it. detected says that the log told of it.
func (d damage) trial(whole image, want []frame, dir string) (detected bool, err error) {
	m := maps.Clone(whole)
	d.do(m)
	got, err := m.read(dir)
	var t told
	switch {
	case errors.As(err, &t):
		if !slices.Equal(got, want[:min(len(got), len(want))]) {
			return false, broken("%s: what the log gives before it tells of the damage is not what was written", d.text)
		}
		return true, nil
	case err != nil:
		return false, err
	case slices.Equal(got, want):
		return false, nil
	}
	return false, broken("%s: the log has %d frames of %d and says nothing", d.text, len(got), len(want))
}
