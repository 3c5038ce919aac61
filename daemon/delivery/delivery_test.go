package delivery

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
)

var epoch = time.Unix(1_800_000_000, 0)

func open(t testing.TB, r *Registry, id string, n uint64, at time.Time) Opened {
	t.Helper()
	o, refusal := r.Open(protocol.Hello{Producer: id, Epoch: n}, at)
	if refusal != nil {
		t.Fatalf("HELLO of %s, epoch %d: %v", id, n, refusal)
	}
	return o
}

func code(v Verdict) string {
	switch {
	case v.Refusal != nil:
		return string(v.Refusal.Code)
	case v.Repeat:
		return "repeat"
	case v.Conflict:
		return "conflict"
	}
	return "apply"
}

// TestBatches walks one producer through its life.
func TestBatches(t *testing.T) {
	r := NewRegistry(DefaultLimits(), nil, nil)
	first := open(t, r, "p", 1, epoch)
	decide := func(o Opened, seq uint64) string {
		return code(r.Decide(&Claim{Session: o.Session, Seq: seq}, 10, 1, epoch))
	}
	for _, step := range []struct {
		seq  uint64
		want string
	}{{1, "apply"}, {1, "repeat"}, {3, "gap"}, {2, "apply"}, {1, "repeat"}, {0, "repeat"}, {4, "gap"}} {
		if got := decide(first, step.seq); got != step.want {
			t.Errorf("batch %d: %s, want %s", step.seq, got, step.want)
		}
	}
	// The same epoch again takes over from the connection before.
	second := open(t, r, "p", 1, epoch)
	if second.Last != 2 || second.Accepted != 20 || second.Rejected != 2 || second.New {
		t.Errorf("taken over: %+v", second)
	}
	if got := decide(first, 3); got != "fenced" {
		t.Errorf("the connection before is not fenced: %s", got)
	}
	// A newer epoch goes on where the older ended, and shuts it out.
	third := open(t, r, "p", 5, epoch)
	if third.Last != 2 || !third.New {
		t.Errorf("newer epoch: %+v", third)
	}
	if got := decide(third, 3); got != "apply" {
		t.Errorf("batch 3 of the newer epoch: %s", got)
	}
	if _, refusal := r.Open(protocol.Hello{Producer: "p", Epoch: 4}, epoch); refusal == nil || refusal.Code != protocol.ErrFenced {
		t.Errorf("an older epoch comes in: %v", refusal)
	}
}

// TestExpiry voids the history of a producer that was silent for too long, and
// lets it begin anew under a newer epoch.
func TestExpiry(t *testing.T) {
	l := DefaultLimits()
	l.Producers = 1
	r := NewRegistry(l, []record.Producer{{ID: "p", Epoch: 1, Seq: 9, Seen: epoch.UnixMilli()}}, nil)
	late := epoch.Add(l.Idle + time.Hour)
	if _, refusal := r.Open(protocol.Hello{Producer: "p", Epoch: 1}, late); refusal == nil || refusal.Code != protocol.ErrExpired {
		t.Errorf("%v", refusal)
	}
	if _, refusal := r.Open(protocol.Hello{Producer: "q", Epoch: 1}, late); refusal == nil || refusal.Code != protocol.ErrQuota {
		t.Errorf("one producer too many: %v", refusal)
	}
	if o := open(t, r, "q", 1, epoch.Add(2*l.Idle+time.Hour)); o.Last != 0 {
		t.Errorf("%+v", o)
	}
}

func claim(key, body byte) *Claim {
	return &Claim{Key: record.Claim{Hash: [16]byte{key}, Body: [16]byte{body}}}
}

// TestKeys repeats, contradicts and outlives a key.
func TestKeys(t *testing.T) {
	l := DefaultLimits()
	l.Keys = 3
	r := NewRegistry(l, nil, []record.Key{{Claim: claim(9, 1).Key, At: epoch.UnixMilli(), Accepted: 7, Rejected: 3}})
	if v := r.Decide(claim(9, 1), 0, 0, epoch); !v.Repeat || v.Accepted != 7 || v.Rejected != 3 {
		t.Errorf("a key of the log: %+v", v)
	}
	if v := r.Decide(claim(9, 2), 0, 0, epoch); !v.Conflict {
		t.Errorf("another body: %+v", v)
	}
	later := epoch.Add(l.KeyLife + time.Second)
	if v := r.Decide(claim(9, 2), 4, 0, later); !v.Apply() {
		t.Errorf("after its life: %+v", v)
	}
	if v := r.Decide(claim(9, 2), 0, 0, later); !v.Repeat || v.Accepted != 4 {
		t.Errorf("and again: %+v", v)
	}
	for k := range byte(3) {
		r.Decide(claim(k+1, 1), 1, 0, later)
	}
	if s := r.Stats(); s.Keys != 3 || s.Forgotten != 1 {
		t.Errorf("%+v", s)
	}
	if v := r.Decide(claim(9, 2), 0, 0, later); !v.Apply() {
		t.Errorf("a forgotten key: %+v", v)
	}
}

// TestExactlyOnce sends batches in any order, over connections that replace
// each other: each is applied once, in order, by whoever holds the session.
func TestExactlyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRegistry(DefaultLimits(), nil, nil)
		var sessions []*Session
		applied := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(sessions) == 0 || rapid.IntRange(0, 9).Draw(t, "hello") == 0 {
				o, refusal := r.Open(protocol.Hello{Producer: "p", Epoch: 1}, epoch)
				if refusal != nil || o.Last != applied {
					t.Fatalf("%+v, %v; %d were applied", o, refusal, applied)
				}
				sessions = append(sessions, o.Session)
			}
			s := rapid.SampledFrom(sessions).Draw(t, "session")
			seq := uint64(rapid.IntRange(max(0, int(applied)-2), int(applied)+3).Draw(t, "seq"))
			v := r.Decide(&Claim{Session: s, Seq: seq}, 1, 0, epoch)
			may := s == sessions[len(sessions)-1] && seq == applied+1
			if v.Apply() != may {
				t.Fatalf("batch %d after %d: %s", seq, applied, code(v))
			}
			if may {
				applied = seq
			}
		}
	})
}
