package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/protocol/api"
)

// media is a form of an answer: its short name, for ?format=, and its type.
type media struct{ name, typ string }

var (
	mediaJSON   = media{"json", "application/json"}
	mediaCSV    = media{"csv", "text/csv"}
	mediaNDJSON = media{"ndjson", "application/x-ndjson"}
)

// dataMedia are the forms of lists of data, the default first.
var dataMedia = []media{mediaJSON, mediaCSV, mediaNDJSON}

// maxRanges bounds what is read of one Accept header.
const maxRanges = 32

// asked returns the parameters in a request's address, read once. What cannot be read
// of them is left out.
func asked(r *http.Request) url.Values {
	if r.Form == nil {
		_ = r.ParseForm() // a body of these routes is no form
	}
	return r.Form
}

// negotiate returns the form that a request asks for: by ?format=, else by
// Accept, else the first of known.
func negotiate(r *http.Request, known []media) (media, *api.Problem) {
	if name := asked(r).Get("format"); name != "" {
		i := slices.IndexFunc(known, func(m media) bool { return m.name == name })
		if i < 0 {
			p := bad("format", "is none of "+mediaNames(known), "Name one of them, or leave it out.")
			return media{}, &p
		}
		return known[i], nil
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return known[0], nil
	}
	best, found := 0.0, media{}
	for _, m := range known {
		if q := quality(accept, m.typ); q > best {
			best, found = q, m
		}
	}
	if best == 0 {
		return media{}, &api.Problem{Status: http.StatusNotAcceptable, Title: "Not acceptable", Detail: "The answer has no form that Accept permits.",
			Field: "Accept", Rule: "permits none of " + mediaNames(known), Fix: "Accept application/json, or name a form with ?format=."}
	}
	return found, nil
}

func mediaNames(list []media) string {
	var names []string
	for _, m := range list {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

// quality is the weight that an Accept header gives a media type, 0 for none: the
// most specific range that matches decides.
func quality(accept, typ string) (q float64) {
	family, _, _ := strings.Cut(typ, "/")
	specific := 0
	for i, part := range strings.SplitN(accept, ",", maxRanges+1) {
		if i == maxRanges {
			break
		}
		name, params, _ := strings.Cut(part, ";")
		rank := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case typ:
			rank = 3
		case family + "/*":
			rank = 2
		case "*/*":
			rank = 1
		}
		if rank > specific {
			specific, q = rank, weight(params)
		}
	}
	return q
}

// weight reads the q of a range's parameters; 1 where there is none that is one.
func weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			if q, err := strconv.ParseFloat(text, 64); err == nil && q >= 0 && q <= 1 {
				return q
			}
		}
	}
	return 1
}
