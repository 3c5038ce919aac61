package record

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
)

func eventGen() *rapid.Generator[Event] {
	return rapid.Custom(func(t *rapid.T) Event {
		text := func(name string) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, name) }
		e := Event{
			Kind: rapid.SampledFrom([]protocol.NoticeKind{protocol.EventNotice, protocol.CheckNotice}).Draw(t, "kind"),
			Low:  rapid.Bool().Draw(t, "low"), Time: rapid.Int64().Draw(t, "time"),
			Status: protocol.Status(rapid.IntRange(0, protocol.NumStatuses-1).Draw(t, "status")),
			Title:  append([]byte("t"), text("title")...), Text: text("text"), Host: text("host"), Key: text("key"),
			Source: text("source"), Container: text("container"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "tags") {
			e.Tags = append(e.Tags, protocol.Tag{Key: text("tag"), Value: text("value")})
		}
		return e
	})
}

func TestEventRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := eventGen().Draw(t, "event")
		var list Events
		list.Append(&want)
		list.Append(&want)
		seen := 0
		list.Each(func(body []byte) {
			seen++
			got, err := DecodeEvent(body)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) || EventTime(body) != want.Time {
				t.Fatalf("%+v, want %+v", got, want)
			}
		})
		if seen != 2 {
			t.Fatalf("%d events", seen)
		}
	})
}

// TestEventsOfALine: what the log holds is what the line said.
func TestEventsOfALine(t *testing.T) {
	p := protocol.NewParser(protocol.DefaultLimits())
	p.Now = 1_700_000_000_000
	var list Events
	for _, line := range []string{"_e{1,4}:a|b\\nc|d:1700000000|p:low|t:error|#k:v,l", "_sc|db|2|h:web|m:slow"} {
		m, f := p.Line([]byte(line))
		if f.Reason != protocol.Accepted {
			t.Fatal(f)
		}
		list.Add(m)
	}
	var got []Event
	list.Each(func(body []byte) {
		e, err := DecodeEvent(body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	})
	first, second := got[0], got[1]
	if string(first.Text) != "b\nc" || first.Time != p.Now || !first.Low || first.Status != protocol.StatusError || len(first.Tags) != 2 {
		t.Errorf("%+v", first)
	}
	if second.Kind != protocol.CheckNotice || second.Time != 0 || second.Status != protocol.StatusCritical || string(second.Text) != "slow" || string(second.Host) != "web" {
		t.Errorf("%+v", second)
	}
}

// TestMalformedEvents: nothing of a record is applied whose events are not ours.
func TestMalformedEvents(t *testing.T) {
	var list Events
	list.Append(&Event{Kind: protocol.EventNotice, Title: []byte("t"), Text: []byte("x")})
	body := list.Bytes[1:]
	for n := range body {
		if _, err := DecodeEvent(body[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	for at, change := range map[int]byte{0: 9, 1: byte(protocol.NumStatuses), 2: 2, 4: 0} { // kind, status, flags, length of the title
		bad := bytes.Clone(body)
		bad[at] = change
		if _, err := DecodeEvent(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("byte %d as %d: %v", at, change, err)
		}
		record := AppendBatch(nil, &Batch{Events: Events{N: 1, Bytes: append([]byte{byte(len(bad))}, bad...)}})
		if err := DecodeBatch(record, new(Batch)); !errors.Is(err, ErrMalformed) {
			t.Errorf("a batch with byte %d as %d: %v", at, change, err)
		}
	}
	if err := DecodeBatch(append(AppendBatch(nil, &Batch{Events: list}), 0), new(Batch)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a byte too many: %v", err)
	}
}
