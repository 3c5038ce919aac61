package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
)

// verdictOnLog is what verify finds.
type verdictOnLog struct {
	OK          bool             `json:"ok"`
	Log         string           `json:"log"`
	From        uint64           `json:"from"`
	To          uint64           `json:"to"`
	HighWater   uint64           `json:"high_water"`
	Records     uint64           `json:"records"`
	Units       uint64           `json:"units"`
	TornBytes   int64            `json:"torn_bytes"`
	Damage      *damageShown     `json:"damage,omitempty"`
	AffectedTo  uint64           `json:"affected_to,omitempty"`
	Checkpoints []checkpointLook `json:"checkpoints"`
	Strays      []string         `json:"strays,omitempty"`
	LeftOver    []string         `json:"left_over,omitempty"`
}

func verifyLog(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	l, err := lookAtLog(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	checkpoints, err := l.checkpoints() // first: a daemon that runs makes later ones
	if err != nil {
		return err
	}
	show, end := l.progress(c.App.ErrWriter)
	census, walked, err := l.walk(ctx, show, func(*replay.Census, []byte, wal.Span) error { return nil })
	end()
	if err != nil {
		return err
	}
	v := l.judge(census, walked, checkpoints)
	if err := emit(c.App.Writer, format, v, verifyTable(v)); err != nil {
		return err
	}
	if !v.OK {
		return errors.New("the log is damaged; `nexusctl log repair` says what can be done")
	}
	return nil
}

func (l *openedLog) judge(census *replay.Census, walked wal.Walked, checkpoints []checkpointLook) *verdictOnLog {
	v := &verdictOnLog{
		Log: l.survey.ID(), From: uint64(l.survey.Start()), To: uint64(walked.End), HighWater: uint64(l.survey.HighWater()),
		Records: census.Batches.Records + census.Marks.Records + census.Cuts.Records, Units: census.Units(),
		TornBytes: walked.Torn, Damage: showDamage(walked.Damage), Checkpoints: checkpoints,
		Strays: namesOf(l.survey.Strays()), LeftOver: namesOf(l.survey.Stale()),
	}
	l.checkEnds(v)
	v.OK = v.Damage == nil && len(v.Strays) == 0
	for _, p := range checkpoints {
		v.OK = v.OK && p.Fault == ""
	}
	if v.Damage != nil {
		v.AffectedTo = max(v.HighWater, v.Damage.Position)
	}
	return v
}

// checkEnds compares a log that is whole by itself with its checkpoints.
func (l *openedLog) checkEnds(v *verdictOnLog) {
	newest := uint64(0)
	for _, p := range v.Checkpoints {
		if p.Fault == "" {
			newest = p.Position
		}
	}
	switch {
	case v.Damage != nil:
	case newest > v.To:
		v.Damage = &damageShown{Position: v.To, Reason: fmt.Sprintf("the log ends here, and a checkpoint was made at %d", newest)}
	case newest < v.From:
		v.Damage = &damageShown{Position: v.From, Reason: "the log begins here, behind every checkpoint that can be read"}
	}
}

func namesOf(list []wal.SegmentFile) (names []string) {
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

func verifyTable(v *verdictOnLog) *table {
	t := &table{head: []string{"WHAT", "FOUND"}}
	t.add("log", v.Log)
	t.add("whole", fmt.Sprintf("positions %d to %d, %d records, %d units", v.From, v.To, v.Records, v.Units))
	t.add("high-water mark", strconv.FormatUint(v.HighWater, 10))
	if v.TornBytes > 0 {
		t.add("at its end", fmt.Sprintf("%d bytes that never became a record; nobody was told that they are kept", v.TornBytes))
	}
	if v.Damage != nil {
		t.add("damage", v.Damage.String())
		t.add("affected", fmt.Sprintf("positions %d to %d", v.Damage.Position, v.AffectedTo))
	}
	for _, p := range v.Checkpoints {
		t.add("checkpoint", p.String())
	}
	for _, name := range v.Strays {
		t.add("belongs elsewhere", name)
	}
	for _, name := range v.LeftOver {
		t.add("left over", name+", of a repair that did not come to its end; it is not read")
	}
	return t
}

// checkpointLook is one checkpoint.
type checkpointLook struct {
	Position uint64 `json:"position"`
	Bytes    int64  `json:"bytes"`
	Written  string `json:"written,omitempty"`
	Fault    string `json:"fault,omitempty"`
}

func (p checkpointLook) String() string {
	if p.Fault != "" {
		return fmt.Sprintf("at %d: %s", p.Position, p.Fault)
	}
	return fmt.Sprintf("at %d, %d bytes, written %s", p.Position, p.Bytes, p.Written)
}

func (l *openedLog) checkpoints() ([]checkpointLook, error) {
	positions, err := l.files.Positions()
	if err != nil {
		return nil, err
	}
	list := []checkpointLook{}
	for _, p := range positions {
		look := checkpointLook{Position: p}
		if info, err := l.files.Written(p); err == nil {
			look.Bytes, look.Written = info.Size(), info.ModTime().UTC().Format(time.RFC3339)
		}
		if _, err := l.files.Read(p); err != nil {
			look.Fault = err.Error()
		}
		list = append(list, look)
	}
	return list, nil
}
