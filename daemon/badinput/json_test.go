package badinput_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

func jsonRows() map[string]row {
	now := time.Now()
	stamp := func(v any) string { return fmt.Sprintf(`{"name":"a$","value":1,"timestamp":%v}`+"\n", v) }
	return map[string]row{
		"J01": {"{\n" + `{"name":"a","value":1` + "\n" + `{"name":"a","value":1,}` + "\n" + `{"name":null,"value":1}` + "\n" + `{"name":"a","value":[1,}` + "\n",
			verdict{0, rejected("json_syntax", 3, "json_type", 2)}, nil},
		"J02": {"{}\n" + `{"value":1}` + "\n" + `{"name":"a"}` + "\n" + `{"name":"","value":1}` + "\n", verdict{0, rejected("empty_name", 3, "empty_value", 1)}, nil},
		"J04": {`{"name":"a","value":1,"value":2}` + "\n" + `{"name":"a","value":1,"n\u0061me":"b"}` + "\n", verdict{0, rejected("duplicate_key", 2)}, nil},
		"J05": {`{"Name":"b","name":"a","value":1}` + "\n" + `{"name":"a","Value":1}` + "\n" + `{"name":"a","value":1,"TAGS":{}}` + "\n",
			verdict{0, rejected("duplicate_key", 3)}, nil},
		"J07": {`{"name":"a","value":1,"timestamp_ms":12345678901234567890}` + "\n" + `{"name":"a","value":1,"tags":{"id":12345678901234567890}}` + "\n" +
			`{"name":"a$","value":1,"tags":{"id":"12345678901234567890"}}` + "\n", verdict{1, rejected("future", 1, "tag_type", 1)}, nil},
		"J08": {`{"name":"a","value":"1"}` + "\n" + `{"name":"a","value":true}` + "\n" + `{"name":"a","value":1,"rate":"0.5"}` + "\n", verdict{0, rejected("json_type", 3)}, nil},
		"J13": {`{"name":"a","value":1,"tags":{"k":"\ud800"}}` + "\n" + `{"name":"a","value":1,"tags":{"k":"\u0000"}}` + "\n" +
			`{"name":"a","value":1,"tags":{"k":"` + "\x01" + `"}}` + "\n", verdict{0, rejected("utf8", 1, "control_char", 2)}, nil},
		"J14": {`{"name":"a","value":1,"tags":{"k":"` + "\xff" + `"}}` + "\n" + `{"name":"a","value":1,"tags":{"k":"` + "\xc0\xaf" + `"}}` + "\n", verdict{0, rejected("utf8", 2)}, nil},
		"J16": {`{"name":"a","value":1}{"name":"b","value":1}` + "\n" + `{"name":"a","value":1} x` + "\n", verdict{0, rejected("json_syntax", 2)}, nil},
		"J17": {"\n\n" + `{"name":"a$","value":1}` + "\r\n\r\n" + `{"name":"a$","value":2}` + "\n\n", verdict{accepted: 2}, lasts(map[string]float64{"a": 2})},
		"J19": {`{"name":"a","value":1,"tags":null}` + "\n" + `{"name":"a","value":1,"tags":{"k":{"l":"m"}}}` + "\n" + `{"name":"a","value":1,"tags":{"k":1}}` + "\n" +
			`{"name":"a","value":1,"tags":{"k":null}}` + "\n" + `{"name":"a","value":1,"tags":[1]}` + "\n" + `{"name":"a$","value":1,"tags":["k:v"]}` + "\n",
			verdict{1, rejected("tag_type", 5)}, nil},
		"J20": {stamp(now.Unix()) + stamp(now.UnixMilli()) + stamp(now.UnixMicro()) + stamp(now.UnixNano()) + stamp(`"`+now.Format(time.RFC3339)+`"`) +
			stamp(`"10000-01-01T00:00:00Z"`) + stamp(`"2026-02-30T00:00:00Z"`) + stamp(`"2016-12-31T23:59:60Z"`) + stamp(`"now"`) +
			fmt.Sprintf(`{"name":"a$","value":1,"timestamp_ms":%d}`+"\n", now.UnixMilli()),
			verdict{3, rejected("future", 3, "timestamp", 3, "too_old", 1)}, nil},
	}
}

// TestJSON sends every row through every door that takes JSON, twice, between
// neighbours.
func TestJSON(t *testing.T) {
	s := start(t)
	for id, r := range jsonRows() {
		t.Run(id, func(t *testing.T) {
			for _, d := range append(append([]door(nil), doors...), httpJSON) {
				t.Run(d.name, func(t *testing.T) { s.jsonRow(t, id, r, d) })
			}
		})
	}
}

func (s *system) jsonRow(t *testing.T, id string, r row, d door) {
	suffix := "." + id + "." + d.name
	for again := range 2 {
		suffix += fmt.Sprint(".", again)
		before := s.ledger()
		d.send(t, s, `{"name":"before`+suffix+`","value":1}`+"\n"+strings.ReplaceAll(r.lines, "$", suffix)+`{"name":"after`+suffix+`","value":2}`+"\n")
		s.comes(t, before, verdict{r.accepted + 2, r.rejected})
		lasts(map[string]float64{"before": 1, "after": 2})(t, s, suffix)
		if r.check != nil {
			r.check(t, s, suffix)
		}
	}
}

// TestJSONBodies has the rows that are about bodies, and about a line on which
// both languages meet.
func TestJSONBodies(t *testing.T) {
	s := start(t, "ingest.max_body", "4MiB")
	body := func(t *testing.T, sent string, status int, want verdict) string {
		t.Helper()
		before := s.ledger()
		got, answer := s.post(t, "application/json", sent)
		if got != status {
			t.Errorf("%.40q: %d %.200s, want %d", sent, got, answer, status)
		}
		s.comes(t, before, want)
		return answer
	}
	t.Run("J01", func(t *testing.T) {
		for sent, reason := range map[string]string{`""`: "json_type", "null": "json_type", "true": "json_type", "1": "json_type", "{": "json_syntax", "x": "json_syntax"} {
			if answer := body(t, sent, http.StatusUnprocessableEntity, verdict{0, rejected(reason, 1)}); !strings.Contains(answer, "byte ") {
				t.Errorf("%s: no place in %s", sent, answer)
			}
		}
		body(t, "[1,", http.StatusUnprocessableEntity, verdict{0, rejected("json_type", 1, "json_syntax", 1)})
		body(t, `[{"name":"a.j01","value":1},`, http.StatusOK, verdict{1, rejected("json_syntax", 1)})
	})
	t.Run("J10", func(t *testing.T) {
		answer := body(t, `{"name":"`+long("a", 50<<20)+`","value":1}`, http.StatusRequestEntityTooLarge, verdict{})
		if !strings.Contains(answer, "ingest.max_body") {
			t.Errorf("the limit is not named: %s", answer)
		}
	})
	t.Run("J11", func(t *testing.T) {
		answer := body(t, "["+long("1,", 1_000_000)+"1]", http.StatusRequestEntityTooLarge, verdict{})
		if !strings.Contains(answer, "500000") {
			t.Errorf("the limit is not named: %s", answer)
		}
		body(t, `[{"name":"a.j11","value":1,"tags":["`+long("k,", 1)+`"]}]`, http.StatusAccepted, verdict{accepted: 1})
	})
	t.Run("J16", func(t *testing.T) {
		body(t, `{"name":"a.j16","value":1}{"name":"b","value":1}`, http.StatusUnprocessableEntity, verdict{0, rejected("json_syntax", 1)})
		body(t, `{"name":"a.j16","value":1} x`, http.StatusUnprocessableEntity, verdict{0, rejected("json_syntax", 1)})
		body(t, `[{"name":"a.j16","value":1}] x`, http.StatusOK, verdict{1, rejected("json_syntax", 1)})
		body(t, "{\"name\":\"a.j16\",\"value\":1}\n{\"name\":\"b.j16\",\"value\":1}", http.StatusAccepted, verdict{accepted: 2})
	})
	t.Run("J22", func(t *testing.T) {
		before := s.ledger()
		pour(t, "tcp", s.addr, `{"name":"a.j22","value":1}`+"\nb.j22:2|c\n"+` {"name":"c.j22","value":3}`+"\n{a.j22:1|c\nd.j22:4|g\n")
		s.comes(t, before, verdict{4, rejected("json_syntax", 1)})
		lasts(map[string]float64{"a": 1, "b": 2, "c": 3, "d": 4})(t, s, ".j22")
	})
	t.Run("J23", func(t *testing.T) {
		before := s.ledger()
		pour(t, "tcp", s.addr, `{"name":"a.j23","value":1}`+"\n"+long(" ", 16<<20)+"\n"+`{"name":"a.j23",`+long(" ", 70_000)+`"value":1}`+"\n"+`{"name":"a.j23","value":2}`+"\n")
		s.comes(t, before, verdict{2, rejected("line_too_long", 2)})
		if got := get[api.MetricDetail](t, s, "/api/v1/metrics/a.j23"); len(got.Series) != 1 {
			t.Errorf("%+v", got)
		}
	})
}
