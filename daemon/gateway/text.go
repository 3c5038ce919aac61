package gateway

import (
	"errors"
	"io"
	"net/http"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"example.com/nexusctl/daemon/record"
)

// writeText takes Prometheus's text format, or OpenMetrics by Content-Type.
func (g *Gateway) writeText(w http.ResponseWriter, r *http.Request) {
	g.stats.Requests[Text].Add(1)
	data, err := g.read(w, r, false)
	if err != nil {
		g.refuse(w, Text, status(err), err.Error())
		return
	}
	in, err := decodeText(data, r.Header.Get("Content-Type"), g.opts.Now().UnixMilli(), g.meta.Set)
	if err != nil {
		g.refuse(w, Text, http.StatusBadRequest, "nothing was taken: "+err.Error())
		return
	}
	g.finish(w, r, Text, in)
}

// finish hands an intake over and answers 204, or 400 where samples were
// refused; the others are kept.
func (g *Gateway) finish(w http.ResponseWriter, r *http.Request, d Door, in *intake) {
	j, err := g.submit(r.Context(), in)
	switch {
	case err != nil:
		away(w)
		g.refuse(w, d, http.StatusServiceUnavailable, "the samples could not be logged; send them again")
	case j.outcome.Refused() > 0:
		http.Error(w, "some samples were refused and the others taken: "+j.why(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// decodeText reads a whole exposition, or nothing of it. Samples without a time
// happened now.
func decodeText(data []byte, contentType string, now int64, about func(string, About)) (*intake, error) {
	p, err := textparse.New(data, contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if p == nil {
		return nil, err
	}
	in := &intake{}
	said := map[string]About{}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch entry {
		case textparse.EntrySeries:
			_, at, v := p.Series()
			var l labels.Labels
			p.Labels(&l)
			s := record.Raw{Time: now, Value: v, Start: p.StartTimestamp()}
			if at != nil {
				s.Time = *at
			}
			in.series = append(in.series, rawSeries{key: keyOf(l), samples: []record.Raw{s}})
		case textparse.EntryType:
			name, t := p.Type()
			a := said[string(name)]
			a.Type = string(t)
			said[string(name)] = a
		case textparse.EntryHelp:
			name, help := p.Help()
			a := said[string(name)]
			a.Help = string(help)
			said[string(name)] = a
		}
	}
	for name, a := range said {
		about(name, a)
	}
	return in, nil
}
