package api

import (
	"crypto/sha256"
	"net/http"

	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol/api"
)

const (
	keyHeader    = "Idempotency-Key"
	replayHeader = "Idempotency-Replayed"
	maxKey       = 255
	// maxKeyed bounds a body that is taken whole or not at all, so that it,
	// with every series in it new, fits one frame of the log.
	maxKeyed = 4 << 20
)

// claim returns what a request's idempotency key says of its body; nil where
// it has none.
func claim(r *http.Request, body []byte) (*lane.Delivery, *api.Problem) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return nil, nil
	}
	if len(body) > maxKeyed {
		return nil, &api.Problem{Status: http.StatusRequestEntityTooLarge, Title: "Body too large for a key",
			Detail: "A request with an idempotency key is one record of the log, which holds no more.", Field: "body", Rule: "at most 4 MiB", Fix: "Send several smaller bodies, each under a key of its own."}
	}
	if key := values[0]; len(values) > 1 || len(key) == 0 || len(key) > maxKey {
		p := bad(keyHeader, "is not one key of 1 to 255 bytes", "Send one key, such as a UUID, and the same one when you try again.")
		return nil, &p
	}
	// The kind and the route are part of what the key stands for: the same
	// bytes mean something else as lines and as JSON.
	stands := append([]byte(r.URL.Path+"\x00"+r.Header.Get("Content-Type")+"\x00"), body...)
	return &lane.Delivery{Claim: delivery.Claim{Key: record.Claim{Hash: half([]byte(values[0])), Body: half(stands)}}}, nil
}

// half is the first half of a SHA-256: 128 bits that nobody can aim.
func half(b []byte) (h [16]byte) {
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}

// settled answers for a request with a key where it was not taken now: it was
// taken before, or the key stands for another body. It returns false where the
// request was taken.
func (s *Server) settled(w http.ResponseWriter, r *http.Request, d *lane.Delivery) bool {
	v := d.Verdict
	switch {
	case v.Conflict:
		s.problem(w, r, api.Problem{Status: http.StatusUnprocessableEntity, Title: "Key used for another body", Detail: keyHeader + " stood for another body within 24 hours.",
			Field: keyHeader, Rule: "one key, one body", Fix: "Send what the key stood for, or choose another key."})
	case v.Refusal != nil:
		s.problem(w, r, api.Problem{Status: http.StatusServiceUnavailable, Title: "Not taken", Detail: "Nothing of the request was taken.", Fix: "Send it again with the same key."})
	case v.Repeat:
		w.Header().Set(replayHeader, "true")
		s.answer(w, r, verdictStatus(int(v.Accepted), int(v.Rejected)), api.IngestResult{Accepted: int(v.Accepted), Rejected: []api.Rejection{}})
	default:
		return false
	}
	return true
}
