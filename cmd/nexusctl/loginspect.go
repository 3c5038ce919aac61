package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
)

// inspection is what inspect finds.
type inspection struct {
	Log          string            `json:"log"`
	Directory    string            `json:"directory"`
	From         uint64            `json:"from"`
	To           uint64            `json:"to"`
	HighWater    uint64            `json:"high_water"`
	TornBytes    int64             `json:"torn_bytes"`
	Damage       *damageShown      `json:"damage,omitempty"`
	Segments     []segmentLook     `json:"segments"`
	Records      map[string]uint64 `json:"records"`
	Bytes        uint64            `json:"bytes"`
	Units        uint64            `json:"units"`
	BytesPerUnit float64           `json:"bytes_per_unit"`
	Accepted     uint64            `json:"accepted"`
	Rejected     map[string]uint64 `json:"rejected"`
	Shed         map[string]uint64 `json:"shed"`
	Lost         uint64            `json:"lost"`
	Duplicates   uint64            `json:"duplicates"`
	OwnValues    uint64            `json:"own_values"`
	Definitions  uint64            `json:"definitions"`
	Lanes        int               `json:"lanes"`
	Generations  [2]uint64         `json:"generations"`
	Restarts     uint64            `json:"restarts"`
	Logged       [2]string         `json:"logged"`
	Producers    []producerLook    `json:"producers"`
	Checkpoints  []checkpointLook  `json:"checkpoints"`
}

type segmentLook struct {
	Name  string `json:"name"`
	From  uint64 `json:"from"`
	After uint64 `json:"after,omitempty"` // where the one before it ends, where that is elsewhere
	Bytes int64  `json:"bytes"`
	Fault string `json:"fault,omitempty"`
}

type producerLook struct {
	ID       string `json:"id"`
	Epoch    uint64 `json:"epoch"`
	Seq      uint64 `json:"seq"`
	Accepted uint64 `json:"accepted"`
	Rejected uint64 `json:"rejected"`
	Seen     string `json:"seen"`
}

func inspectLog(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	if c.Int("limit") < 1 {
		return usage("--limit: %d is less than 1", c.Int("limit"))
	}
	l, err := lookAtLog(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	show, end := l.progress(c.App.ErrWriter)
	if c.Bool("records") {
		list, err := l.records(ctx, show, wal.Position(c.Uint64("from")), c.Int("limit"))
		end()
		if err != nil {
			return err
		}
		return emit(c.App.Writer, format, list, recordTable(list))
	}
	census, walked, err := l.walk(ctx, show, func(*replay.Census, []byte, wal.Span) error { return nil })
	end()
	if err != nil {
		return err
	}
	found, err := l.describe(census, walked)
	if err != nil {
		return err
	}
	return emit(c.App.Writer, format, found, inspectTable(found))
}

func (l *openedLog) describe(census *replay.Census, walked wal.Walked) (*inspection, error) {
	checkpoints, err := l.checkpoints()
	if err != nil {
		return nil, err
	}
	i := &inspection{
		Log: l.survey.ID(), Directory: l.dir, From: uint64(l.survey.Start()), To: uint64(walked.End),
		HighWater: uint64(l.survey.HighWater()), TornBytes: walked.Torn, Damage: showDamage(walked.Damage),
		Records: map[string]uint64{"batch": census.Batches.Records, "mark": census.Marks.Records, "cut": census.Cuts.Records},
		Bytes:   census.Bytes(), Units: census.Units(), Accepted: census.Accepted,
		Rejected: census.Counts.RejectedByName(), Shed: census.Counts.ShedByName(), Lost: census.Counts.Lost,
		Duplicates: census.Counts.Duplicates, OwnValues: census.Own, Definitions: census.Definitions, Lanes: len(census.Lanes()),
		Generations: [2]uint64{census.FirstGeneration, census.LastGeneration}, Restarts: census.Restarts,
		Logged: [2]string{instant(census.FirstAt), instant(census.LastAt)}, Checkpoints: checkpoints,
		Segments: []segmentLook{}, Producers: []producerLook{},
	}
	if values := census.Units() + census.Own; values > 0 {
		i.BytesPerUnit = math.Round(100*float64(census.Bytes())/float64(values)) / 100
	}
	for _, f := range l.survey.Segments() {
		s := segmentLook{Name: f.Name, From: uint64(f.Base), Bytes: f.Bytes, Fault: f.Fault}
		if f.After != f.Base {
			s.After = uint64(f.After)
		}
		i.Segments = append(i.Segments, s)
	}
	for _, p := range census.Producers() {
		i.Producers = append(i.Producers, producerLook{p.ID, p.Epoch, p.Seq, p.Accepted, p.Rejected, instant(p.Seen)})
	}
	return i, nil
}

// instant writes a time of the log, which is in milliseconds.
func instant(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func inspectTable(i *inspection) *table {
	t := &table{head: []string{"WHAT", "FOUND"}}
	t.add("log", i.Log)
	t.add("directory", i.Directory)
	t.add("positions", fmt.Sprintf("%d to %d, durable up to %d at least", i.From, i.To, i.HighWater))
	if i.Damage != nil {
		t.add("damage", i.Damage.String())
	}
	t.add("records", fmt.Sprintf("%d batches, %d marks, %d cuts", i.Records["batch"], i.Records["mark"], i.Records["cut"]))
	t.add("units", fmt.Sprintf("%d: %d accepted, %d rejected, %d shed, %d lost", i.Units, i.Accepted, total(i.Rejected), total(i.Shed), i.Lost))
	t.add("duplicates", strconv.FormatUint(i.Duplicates, 10))
	t.add("bytes", fmt.Sprintf("%d, %.2f a value; %d values are the daemon's own", i.Bytes, i.BytesPerUnit, i.OwnValues))
	t.add("definitions", fmt.Sprintf("%d, of %d lanes", i.Definitions, i.Lanes))
	t.add("generations", fmt.Sprintf("%d to %d, %d restarts", i.Generations[0], i.Generations[1], i.Restarts))
	t.add("logged", i.Logged[0]+" to "+i.Logged[1])
	for _, s := range i.Segments {
		t.add("segment", s.String())
	}
	for _, p := range i.Checkpoints {
		t.add("checkpoint", p.String())
	}
	for _, p := range i.Producers {
		t.add("producer", fmt.Sprintf("%s, epoch %d, last batch %d, %d accepted, %d rejected, seen %s", p.ID, p.Epoch, p.Seq, p.Accepted, p.Rejected, p.Seen))
	}
	return t
}

func (s segmentLook) String() string {
	text := fmt.Sprintf("%s, from %d, %d bytes", s.Name, s.From, s.Bytes)
	if s.After > 0 {
		text += fmt.Sprintf(", behind a cut at %d", s.After)
	}
	if s.Fault != "" {
		text += ": " + s.Fault
	}
	return text
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// errEnough ends a walk that has seen what it wanted.
var errEnough = errors.New("enough")

func (l *openedLog) records(ctx context.Context, show func(wal.Position), from wal.Position, limit int) ([]recordLook, error) {
	list := []recordLook{}
	_, walked, err := l.walk(ctx, show, func(census *replay.Census, payload []byte, at wal.Span) error {
		if at.From < from {
			return nil
		}
		if len(list) == limit {
			return errEnough
		}
		r, err := lookAtRecord(census, payload, at)
		list = append(list, r)
		return err
	})
	if errors.Is(err, errEnough) {
		return list, nil
	}
	if err == nil && walked.Damage != nil && len(list) < limit {
		err = walked.Damage
	}
	return list, err
}

func lookAtRecord(census *replay.Census, payload []byte, at wal.Span) (recordLook, error) {
	r := recordLook{Position: uint64(at.From), Bytes: uint64(at.To - at.From)}
	kind, err := record.KindOf(payload)
	if err != nil {
		return r, err
	}
	switch kind {
	case record.KindMark:
		m, err := record.DecodeMark(payload)
		r.Kind, r.At, r.Generation, r.Bucket, r.Restart = "mark", instant(m.At), m.Generation, instant(m.Bucket), m.Restart
		return r, err
	case record.KindCut:
		cut, err := record.DecodeCut(payload)
		r.Kind, r.At, r.Generation, r.From, r.Units = "cut", instant(cut.At), cut.Generation, cut.From, cut.Units
		return r, err
	}
	var b record.Batch
	if err := record.DecodeBatch(payload, &b); err != nil {
		return r, err
	}
	r.batch(census, &b)
	return r, nil
}
