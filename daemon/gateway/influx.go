package gateway

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// writeInflux1 takes line protocol as InfluxDB 1 does: the precision is of
// nanoseconds where none is named.
func (g *Gateway) writeInflux1(w http.ResponseWriter, r *http.Request) {
	g.writeInflux(w, r, map[string]float64{"": 1e6, "n": 1e6, "ns": 1e6, "u": 1e3, "us": 1e3, "µ": 1e3, "ms": 1, "s": 1e-3, "m": 1e-3 / 60, "h": 1e-3 / 3600})
}

// writeInflux2 takes it as InfluxDB 2 does.
func (g *Gateway) writeInflux2(w http.ResponseWriter, r *http.Request) {
	g.writeInflux(w, r, map[string]float64{"": 1e6, "ns": 1e6, "us": 1e3, "ms": 1, "s": 1e-3})
}

// writeInflux takes lines whose times are divided by perMilli to be
// milliseconds.
func (g *Gateway) writeInflux(w http.ResponseWriter, r *http.Request, precisions map[string]float64) {
	g.stats.Requests[Influx].Add(1)
	perMilli, ok := precisions[r.URL.Query().Get("precision")]
	if !ok {
		g.refuseInflux(w, http.StatusBadRequest, "invalid", "precision is none that this route knows")
		return
	}
	data, err := g.read(w, r, false)
	if err != nil {
		g.refuseInflux(w, status(err), "invalid", err.Error())
		return
	}
	in := decodeInflux(data, perMilli, g.opts.Now().UnixMilli(), int(g.maxLine()))
	j, err := g.submit(r.Context(), in)
	switch {
	case err != nil:
		away(w)
		g.refuseInflux(w, http.StatusServiceUnavailable, "unavailable", "the points could not be logged; send them again")
	case j.outcome.Refused() > 0:
		answerInflux(w, http.StatusBadRequest, "invalid", "partial write: the others were taken: "+j.why())
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (g *Gateway) maxLine() int64 { return int64(protocol.DefaultLimits().MaxLine) }

func (g *Gateway) refuseInflux(w http.ResponseWriter, status int, code, text string) {
	g.stats.Refused[Influx].Add(1)
	answerInflux(w, status, code, text)
}

// answerInflux writes an error as both versions have it.
func answerInflux(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": text, "error": text})
}

// decodeInflux reads line protocol:
//
//	measurement[,tag=value…] field=value[,field=value…] [time]
//
// Each field is a series of its own, measurement_field, or measurement alone
// where the field is named value. A bad line, or a field that is no number, is
// counted, and the others are read on.
func decodeInflux(data []byte, perMilli float64, now int64, maxLine int) *intake {
	in := &intake{}
	for len(data) > 0 {
		var line []byte
		line, data = cutInflux(data, maxLine)
		line = []byte(strings.TrimRight(string(line), "\r"))
		text := strings.TrimLeft(string(line), " \t")
		switch {
		case text == "" || text[0] == '#':
		case len(text) > maxLine:
			in.refuse(protocol.LineTooLong, 1)
		default:
			if why := influxLine(in, text, perMilli, now); why != protocol.Accepted {
				in.refuse(why, 1)
			}
		}
	}
	return in
}

// cutInflux cuts a line at the first LF that no string holds. Quotes mean
// strings among the fields alone, which begin behind the first space. A string
// that does not end within maxLine is none: it must not eat the lines behind it.
func cutInflux(data []byte, maxLine int) (line, rest []byte) {
	quoted, fields, first := false, false, -1
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\\' && i+1 < len(data) && data[i+1] != '\n':
			i++
		case c == '"' && fields:
			quoted = !quoted
		case c == ' ':
			fields = true
		case c == '\n' && !quoted:
			return data[:i], data[i+1:]
		case c == '\n' && first < 0:
			first = i
		}
		if first >= 0 && quoted && i > maxLine {
			break
		}
	}
	if first >= 0 && quoted {
		return data[:first], data[first+1:]
	}
	return data, nil
}

func influxLine(in *intake, line string, perMilli float64, now int64) protocol.Reason {
	head, rest := cutEscaped(line, ' ', false)
	fields, stamp := cutEscaped(strings.TrimLeft(rest, " "), ' ', true)
	if fields == "" {
		return protocol.EmptyValue
	}
	at := now
	if stamp = strings.Trim(stamp, " "); stamp != "" {
		n, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			return protocol.Timestamp
		}
		at = int64(math.Floor(float64(n) / perMilli))
		if perMilli >= 1 { // exact, where a float is not
			at = floorDiv(n, int64(perMilli))
		}
	}
	measurement, tags := cutEscaped(head, ',', false)
	key, why := influxTags(tags)
	if why != protocol.Accepted {
		return why
	}
	if measurement == "" {
		return protocol.EmptyName
	}
	influxFields(in, unescape(measurement), key, fields, at)
	return protocol.Accepted
}

func floorDiv(n, d int64) int64 {
	q := n / d
	if n%d < 0 {
		q--
	}
	return q
}

func influxTags(list string) (tags []series.Tag, why protocol.Reason) {
	for list != "" {
		var one string
		one, list = cutEscaped(list, ',', false)
		k, v := cutEscaped(one, '=', false)
		if k == "" || v == "" {
			return nil, protocol.Syntax
		}
		tags = append(tags, series.Tag{Key: unescape(k), Value: unescape(v)})
	}
	slices.SortFunc(tags, func(a, b series.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return tags, protocol.Accepted
}

func influxFields(in *intake, measurement string, tags []series.Tag, list string, at int64) {
	for list != "" {
		var one string
		one, list = cutEscaped(list, ',', true)
		k, v := cutEscaped(one, '=', false)
		number, why := influxNumber(v)
		if k == "" || why != protocol.Accepted {
			in.refuse(cmp.Or(why, protocol.Syntax), 1)
			continue
		}
		name := measurement
		if k = unescape(k); k != "value" {
			name += "_" + k
		}
		in.series = append(in.series, rawSeries{key: series.Key{Name: name, Tags: tags}, samples: []record.Raw{{Time: at, Value: number}}})
	}
}

// influxNumber reads a float, an integer (1i, 1u) or a boolean, as 1 and 0;
// strings are no values here.
func influxNumber(s string) (float64, protocol.Reason) {
	switch s {
	case "":
		return 0, protocol.EmptyValue
	case "t", "T", "true", "True", "TRUE":
		return 1, protocol.Accepted
	case "f", "F", "false", "False", "FALSE":
		return 0, protocol.Accepted
	}
	digits := s
	if last := s[len(s)-1]; last == 'i' || last == 'u' {
		digits = s[:len(s)-1]
		if strings.ContainsAny(digits, ".eE") {
			return 0, protocol.Number
		}
	}
	v, why := protocol.ParseNumber([]byte(digits))
	return v, why
}

// cutEscaped cuts at the first sep that no backslash precedes and, where
// strings may stand, that is in none.
func cutEscaped(s string, sep byte, stringsToo bool) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"' && stringsToo:
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unescape takes the backslash from before comma, space and equals sign; any
// other stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\,`, ",", `\ `, " ", `\=`, "=").Replace(s)
}
