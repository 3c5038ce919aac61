package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// recordLook is one record of the log, decoded.
type recordLook struct {
	Position uint64 `json:"position"`
	Bytes    uint64 `json:"bytes"`
	Kind     string `json:"kind"`
	At       string `json:"at,omitempty"`

	Generation uint64 `json:"generation,omitempty"`
	Bucket     string `json:"bucket,omitempty"`
	Restart    bool   `json:"restart,omitempty"`
	From       uint64 `json:"from,omitempty"`
	Units      uint64 `json:"units,omitempty"`

	Lane        *uint32           `json:"lane,omitempty"`
	Definitions []definitionLook  `json:"definitions,omitempty"`
	Values      []valueLook       `json:"values,omitempty"`
	Events      []eventLook       `json:"events,omitempty"`
	Rejected    map[string]uint64 `json:"rejected,omitempty"`
	Shed        map[string]uint64 `json:"shed,omitempty"`
	Duplicates  uint64            `json:"duplicates,omitempty"`
	Lost        uint64            `json:"lost,omitempty"`
	Producer    string            `json:"producer,omitempty"`
	Epoch       uint64            `json:"epoch,omitempty"`
	Seq         uint64            `json:"seq,omitempty"`
	Claim       string            `json:"idempotency_key_hash,omitempty"`
}

type definitionLook struct {
	Reference uint32  `json:"reference"`
	Series    string  `json:"series"`
	Type      string  `json:"type"`
	Rate      float64 `json:"rate"`
}

type valueLook struct {
	Reference uint32   `json:"reference"`
	Series    string   `json:"series,omitempty"`
	Value     anyFloat `json:"value"`
	Delta     bool     `json:"delta,omitempty"`
	Ordered   bool     `json:"ordered,omitempty"`
	Time      string   `json:"time,omitempty"`
	Rate      float64  `json:"rate,omitempty"`
	Member    string   `json:"member_hash,omitempty"`
	Histogram bool     `json:"histogram,omitempty"` // a raw sample that is no number
}

// anyFloat is a float that may have no place among JSON's numbers.
type anyFloat float64

func (f anyFloat) String() string { return strconv.FormatFloat(float64(f), 'g', -1, 64) }

// MarshalJSON writes what is no number of JSON as a string.
func (f anyFloat) MarshalJSON() ([]byte, error) {
	if v := float64(f); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(f.String())
	}
	return json.Marshal(float64(f))
}

// batch describes a batch whose references the census knows.
func (r *recordLook) batch(census *replay.Census, b *record.Batch) {
	lane := b.Lane
	r.Kind, r.At, r.Lane = "batch", instant(b.At), &lane
	for i, d := range b.Defs {
		r.Definitions = append(r.Definitions, lookAtDefinition(b.FirstRef+uint32(i), d))
	}
	for _, s := range b.Samples {
		r.Values = append(r.Values, lookAtValue(census, lane, s.Ref, s.Value))
	}
	for _, o := range b.Ordered {
		v := lookAtValue(census, lane, o.Ref, o.Value)
		v.Ordered, v.Delta = true, o.Delta
		r.Values = append(r.Values, v)
	}
	for _, s := range b.Timed {
		v := lookAtValue(census, lane, s.Ref, s.Value)
		v.Time, v.Rate = instant(s.Time), s.Rate
		r.Values = append(r.Values, v)
	}
	for _, s := range b.Raw {
		v := lookAtValue(census, lane, s.Ref, s.Value)
		v.Time, v.Histogram = instant(s.Time), len(s.Hist) > 0
		r.Values = append(r.Values, v)
	}
	r.Events = lookAtEvents(&b.Events)
	counts := ledger.Counts{Shed: b.Shed}
	for i, n := range b.Rejected {
		counts.Rejected[i] = uint64(n)
	}
	r.Rejected, r.Shed, r.Duplicates, r.Lost = counts.RejectedByName(), counts.ShedByName(), b.Duplicates, b.Lost
	r.Producer, r.Epoch, r.Seq = string(b.Session.Producer), b.Session.Epoch, b.Session.Seq
	if b.Claim != (record.Claim{}) {
		r.Claim = fmt.Sprintf("%x", b.Claim.Hash)
	}
}

func lookAtDefinition(ref uint32, d record.Def) definitionLook {
	look := definitionLook{Reference: ref, Rate: d.Rate}
	k, err := series.Parse(d.Key)
	if err != nil {
		look.Series = fmt.Sprintf("%q", d.Key)
		return look
	}
	look.Series, look.Type = k.String(), k.Type.String()
	return look
}

func lookAtValue(census *replay.Census, lane, ref uint32, v float64) valueLook {
	look := valueLook{Reference: ref, Value: anyFloat(v)}
	s := census.Series(lane, ref)
	if s == nil {
		return look
	}
	if k, err := series.Parse([]byte(s.Key)); err == nil {
		look.Series = k.String()
	}
	if s.Type == protocol.Set {
		look.Value, look.Member = 1, fmt.Sprintf("%016x", math.Float64bits(v))
	}
	return look
}

func recordTable(list []recordLook) *table {
	t := &table{head: []string{"POSITION", "BYTES", "KIND", "AT", "CONTENT"}}
	for _, r := range list {
		t.add(strconv.FormatUint(r.Position, 10), strconv.FormatUint(r.Bytes, 10), r.Kind, r.At, r.content())
	}
	return t
}

// shownValues bounds the values that a line of the table names.
const shownValues = 8

func (r *recordLook) content() string {
	switch r.Kind {
	case "mark":
		text := fmt.Sprintf("generation %d, bucket %s", r.Generation, r.Bucket)
		if r.Restart {
			text += ", restart"
		}
		return text
	case "cut":
		return fmt.Sprintf("generation %d; positions from %d on are lost, %d units of them could be read", r.Generation, r.From, r.Units)
	}
	return r.batchContent()
}

func (r *recordLook) batchContent() string {
	parts := []string{fmt.Sprintf("lane %d", *r.Lane)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if n := len(r.Definitions); n > 0 {
		add("defines %d", n)
	}
	for i, v := range r.Values {
		if i == shownValues {
			add("and %d values more", len(r.Values)-i)
			break
		}
		add("%s", v)
	}
	for _, e := range r.Events[:min(len(r.Events), shownValues)] {
		add("%s %s %q", e.Kind, e.Status, e.Title)
	}
	if n := len(r.Events) - shownValues; n > 0 {
		add("and %d events more", n)
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Rejected)) {
		add("%d rejected as %s", r.Rejected[reason], reason)
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Shed)) {
		add("%d shed as %s", r.Shed[reason], reason)
	}
	if r.Duplicates > 0 {
		add("%d duplicates", r.Duplicates)
	}
	if r.Lost > 0 {
		add("%d lost", r.Lost)
	}
	if r.Producer != "" {
		add("batch %d of %s, epoch %d", r.Seq, r.Producer, r.Epoch)
	}
	return strings.Join(parts, ", ")
}

func (v valueLook) String() string {
	name, value := v.Series, v.Value.String()
	if name == "" {
		name = fmt.Sprintf("reference %d", v.Reference)
	}
	if v.Delta && !strings.HasPrefix(value, "-") {
		value = "+" + value
	}
	if v.Member != "" {
		value = v.Member
	}
	if v.Histogram {
		value = "histogram"
	}
	return name + "=" + value
}
