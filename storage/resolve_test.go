package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// TestTagsJSON holds the quick way of writing tags to the encoder's.
func TestTagsJSON(t *testing.T) {
	for _, tags := range [][]series.Tag{
		nil,
		{{Key: "a", Value: "b"}},
		{{Key: "env", Value: "prod"}, {Key: "host", Value: "web-1"}, {Key: "zone", Value: ""}},
		{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}},
		{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}},
		{{Key: "quote", Value: `"`}}, {{Key: "back", Value: `\`}}, {{Key: "html", Value: "<a&b>"}}, {{Key: "line", Value: "\n\u2028"}},
		{{Key: "del", Value: "\x7f"}}, {{Key: "größe", Value: "ü"}}, {{Key: "bad", Value: "\xff"}}, {{Key: "\"", Value: "x"}},
	} {
		want, err := marshalTags(tags)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tagsJSON(tags); err != nil || got != want {
			t.Errorf("%v is written as %s, %v; want %s", tags, got, err, want)
		}
	}
}

// TestResolveTriesAgain rolls a naming back and lets another daemon name the same
// series before it is tried again: what the first try gave out must not be kept.
// A key that stands in the list twice has one id.
func TestResolveTriesAgain(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:nexus.db", "postgres": pgtest.DSN(t)} {
		t.Run(name, func(t *testing.T) {
			s := migrated(t, url)
			var keys [][]byte
			for i := range 40 {
				keys = append(keys, series.Key{Name: fmt.Sprint("n", i%20), Type: protocol.Counter}.Append(nil))
			}
			r := newResolution(s, keys)
			if err := s.read(t.Context(), "look", r.look); err != nil {
				t.Fatal(err)
			}
			stop := errors.New("stop")
			err := s.write(t.Context(), "add", func(ctx context.Context, tx *sql.Tx) error { return errors.Join(r.add(ctx, tx), stop) })
			if !errors.Is(err, stop) {
				t.Fatal(err)
			}
			other, err := s.Resolve(t.Context(), [][]byte{keys[13], keys[7]})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.write(t.Context(), "add", r.add); err != nil {
				t.Fatal(err)
			}
			if r.ids[13] != other[0] || r.ids[7] != other[1] || !slices.Equal(r.ids[:20], r.ids[20:]) {
				t.Errorf("the second try gave %v, another gave %v", r.ids, other)
			}
			if stored, err := s.Lookup(t.Context(), keys); err != nil || !slices.Equal(stored, r.ids) || slices.Contains(stored, 0) {
				t.Errorf("the store has %v, %v; given were %v", stored, err, r.ids)
			}
			if len(r.made) != 18 {
				t.Errorf("%d series were made, want 18", len(r.made))
			}
		})
	}
}
