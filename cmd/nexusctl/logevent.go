package main

import "example.com/nexusctl/daemon/record"

// eventLook is one event or service check of a record.
type eventLook struct {
	Kind   string            `json:"kind"`
	Status string            `json:"status"`
	Low    bool              `json:"low,omitempty"`
	Time   string            `json:"time,omitempty"`
	Title  string            `json:"title"`
	Text   string            `json:"text,omitempty"`
	Host   string            `json:"host,omitempty"`
	Key    string            `json:"key,omitempty"`
	Source string            `json:"source,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
}

func lookAtEvents(list *record.Events) (looks []eventLook) {
	list.Each(func(body []byte) {
		e, err := record.DecodeEvent(body)
		if err != nil {
			return // DecodeBatch has refused such a record
		}
		l := eventLook{
			Kind: e.Kind.String(), Status: e.Status.String(), Low: e.Low, Title: string(e.Title), Text: string(e.Text),
			Host: string(e.Host), Key: string(e.Key), Source: string(e.Source),
		}
		if e.Time != 0 {
			l.Time = instant(e.Time)
		}
		for _, t := range e.Tags {
			if l.Tags == nil {
				l.Tags = map[string]string{}
			}
			l.Tags[string(t.Key)] = string(t.Value)
		}
		looks = append(looks, l)
	})
	return looks
}
