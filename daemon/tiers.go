package daemon

import (
	"strings"
	"time"

	"example.com/nexusctl/daemon/maint"
	"example.com/nexusctl/storage"
)

// sqlMinutes is how long rows by the minute are kept for people.
const sqlMinutes = 48 * time.Hour

// tiers returns how long each resolution is kept, as the settings have it now.
func (d *Daemon) tiers() maint.Policy {
	c := d.Config()
	s := c.Storage
	return maint.Policy{
		Retention: storage.Retention{
			Points: time.Duration(s.Retention10s), Sketches: time.Duration(s.Retention10sHistograms),
			Minutes: time.Duration(s.Retention1m), Hours: time.Duration(s.Retention1h), SQL: sqlMinutes,
		},
		Chosen: storage.Chosen{Max: s.SQLSeries, Names: namesOf(s.SQLNames)},
		Past:   time.Duration(min(c.Ingest.Past, s.Retention1h)),
	}
}

func namesOf(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}
