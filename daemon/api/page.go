package api

import (
	"encoding/binary"
	"net/http"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol/api"
)

// question names what a cursor goes on with: the route and everything that says
// which elements it lists. How many a page has, and in what form, may change.
func question(r *http.Request) string {
	q := r.URL.Query()
	for _, k := range []string{"cursor", "limit", "format"} {
		q.Del(k)
	}
	return r.Pattern + "?" + q.Encode()
}

// openCursor returns what a request's cursor holds, nil where it has none.
func (s *Server) openCursor(r *http.Request) ([]byte, *api.Problem) {
	sealed := asked(r).Get("cursor")
	if sealed == "" {
		return nil, nil
	}
	payload, err := s.cursors.Open(question(r), sealed)
	if err != nil {
		p := badCursor(err)
		return nil, &p
	}
	return payload, nil
}

func badCursor(err error) api.Problem {
	return bad("cursor", err.Error(), "Leave it out to begin anew, or take what the last page of the same list gave.")
}

func linkNext(w http.ResponseWriter, r *http.Request, cursor string) {
	q := r.URL.Query()
	q.Set("cursor", cursor)
	w.Header().Set("Link", "<"+r.URL.Path+"?"+q.Encode()+`>; rel="next"`)
}

const placeSize = 8 + 1 + 4 + 8

func placeBytes(p query.Place) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, placeSize), p.Process)
	stored := byte(0)
	if p.Stored {
		stored = 1
	}
	b = binary.BigEndian.AppendUint32(append(b, stored), p.Known)
	return binary.BigEndian.AppendUint64(b, uint64(p.After))
}

func placeOf(b []byte) (query.Place, bool) {
	if len(b) != placeSize {
		return query.Place{}, false
	}
	return query.Place{
		Process: binary.BigEndian.Uint64(b), Stored: b[8] == 1, Known: binary.BigEndian.Uint32(b[9:]), After: int64(binary.BigEndian.Uint64(b[13:])),
	}, true
}
