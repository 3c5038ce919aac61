package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzhttp"
	"github.com/zeebo/xxh3"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/csv"
)

// minCompressed is the smallest answer that is compressed, in bytes: below, the
// effort is larger than the gain.
const minCompressed = 2 << 10

// compressed has answers compressed with zstd or gzip, as the client accepts.
// Streams are left alone.
func compressed(h http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.EnableZstd(true), gzhttp.ExceptContentTypes([]string{"text/event-stream"}))
	if err != nil {
		panic("api: " + err.Error()) // the options are fixed
	}
	return wrap(h)
}

// steady answers with JSON that a client may keep, and ask for again by its ETag.
func (s *Server) steady(w http.ResponseWriter, r *http.Request, v any) {
	if a, ok := v.(api.Appender); ok {
		room := bodies.Get().(*[]byte)
		b := append(a.AppendJSON((*room)[:0]), '\n')
		s.tagged(w, r, mediaJSON.typ, b) // which has sent or copied it when it returns
		if cap(b) <= maxPooledBody {
			*room = b
			bodies.Put(room)
		}
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.tagged(w, r, mediaJSON.typ, append(b, '\n'))
}

// maxPooledBody is the largest answer whose room is used again, in bytes: one large
// answer must not be held for many small ones.
const maxPooledBody = 64 << 10

// bodies are rooms for answers that write themselves.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// data answers with data in the form that was asked for: whole as JSON, as rows
// of a table, or one object a line.
func (s *Server) data(w http.ResponseWriter, r *http.Request, form media, whole any, rows func() [][]string, lines func() []any) {
	w.Header().Add("Vary", "Accept")
	if form == mediaJSON {
		s.steady(w, r, whole)
		return
	}
	var out bytes.Buffer
	err := error(nil)
	switch form {
	case mediaCSV:
		err = table(&out, rows())
	case mediaNDJSON:
		err = objects(&out, lines())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.tagged(w, r, form.typ, out.Bytes())
}

func table(out *bytes.Buffer, rows [][]string) error {
	w := csv.NewWriter(out)
	for _, row := range rows {
		if err := w.Row(row...); err != nil {
			return err
		}
	}
	return w.Flush()
}

func objects(out *bytes.Buffer, lines []any) error {
	e := json.NewEncoder(out)
	for _, l := range lines {
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// tagged writes a body with the ETag of its bytes, or 304 where the client has
// it. The tag is weak: the same body may travel compressed.
func (s *Server) tagged(w http.ResponseWriter, r *http.Request, typ string, body []byte) {
	sum := xxh3.Hash128(body).Bytes()
	var room [40]byte
	tag := string(append(hex.AppendEncode(append(room[:0], `W/"`...), sum[:]), '"'))
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // keep it, and ask whether it still holds
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if typ == mediaCSV.typ {
		typ += "; charset=utf-8; header=present"
	}
	h.Set("Content-Type", typ)
	_, _ = w.Write(body) // the client is gone, or has it
}

// matches compares as RFC 9110 wants for If-None-Match: weakly.
func matches(values []string, tag string) bool {
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

func metricRows(list []api.Metric) [][]string {
	rows := [][]string{{"name", "type", "tags", "last", "updated_at"}}
	for _, m := range list {
		last := ""
		if m.Last != nil {
			last = decimal(*m.Last)
		}
		rows = append(rows, []string{m.Name, m.Type, tagText(m.Tags), last, decimal(m.UpdatedAt)})
	}
	return rows
}

func eachMetric(list []api.Metric) []any {
	lines := make([]any, len(list))
	for i := range list {
		lines[i] = list[i]
	}
	return lines
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// tagText writes tags as lines have them, by key.
func tagText(tags map[string]string) string {
	keys := make([]string, 0, len(tags))
	for k := range tags {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(k + ":" + tags[k])
	}
	return b.String()
}
