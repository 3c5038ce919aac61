package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/dustin/go-humanize"

	"example.com/nexusctl/storage"
)

// usageBody is what -o json prints besides, with --top.
type usageBody struct {
	Metrics []usageOf        `json:"metrics"`
	Largest []usageOf        `json:"largest_series"`
	Deleted map[string]int64 `json:"deleted_bytes"` // by tier; still to be removed
}

// usageOf is one metric or series.
type usageOf struct {
	Name   string           `json:"name"`
	Series int              `json:"series"`
	Bytes  int64            `json:"bytes"`
	Tiers  map[string]int64 `json:"tiers"` // bytes
}

func tierMap(b storage.TierBytes) map[string]int64 {
	m := map[string]int64{}
	for i, name := range storage.TierNames() {
		m[name] = b[i]
	}
	return m
}

// emitUsage prints the sizes, and who takes the space. CSV has the latter alone:
// it is one table.
func emitUsage(w io.Writer, format string, body sizesBody, sizes *table, u storage.Usage) error {
	body.usageBody = &usageBody{Metrics: []usageOf{}, Largest: []usageOf{}, Deleted: tierMap(u.Deleted)}
	t := &table{head: []string{"KIND", "NAME", "SERIES", "SIZE"}}
	for _, name := range storage.TierNames() {
		t.head = append(t.head, "BYTES IN "+name)
	}
	add := func(kind, name string, series int, b storage.TierBytes) {
		row := []string{kind, name, strconv.Itoa(series), humanize.IBytes(uint64(b.Total()))}
		for _, n := range b {
			row = append(row, strconv.FormatInt(n, 10))
		}
		t.add(row...)
	}
	for _, m := range u.Metrics {
		add("metric", m.Name, m.Series, m.Bytes)
		body.Metrics = append(body.Metrics, usageOf{m.Name, m.Series, m.Bytes.Total(), tierMap(m.Bytes)})
	}
	for _, s := range u.Series {
		add("series", s.Key.String(), 1, s.Bytes)
		body.Largest = append(body.Largest, usageOf{s.Key.String(), 1, s.Bytes.Total(), tierMap(s.Bytes)})
	}
	if u.Deleted.Total() > 0 {
		add("deleted", "", 0, u.Deleted)
	}
	if format != "table" {
		return emit(w, format, body, t)
	}
	if err := emit(w, format, body, sizes); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return emit(w, format, body, t)
}
