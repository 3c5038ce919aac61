package daemon

import (
	"fmt"

	"example.com/nexusctl/daemon/pressure"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/protocol/api"
)

// openPressure makes the gauge that the doors ask, and tells the runtime of the
// limit.
func (d *Daemon) openPressure() {
	d.pressure = pressure.NewGauge(d.pressureLimits, func() pressure.Reading {
		p := telemetry.ReadProcess(d.config.Server.DataDir)
		return pressure.Reading{Memory: pressure.InUse(p.Resident), DiskFree: p.DiskFree}
	}, d.component("pressure"))
	pressure.TellRuntime(d.pressureLimits().Memory)
}

func (d *Daemon) pressureLimits() pressure.Limits {
	c := d.Config().Server
	return pressure.Limits{Memory: pressure.MemoryLimit(uint64(c.MemoryLimit)), Reserve: uint64(c.DiskReserve)}
}

// pressed is why the daemon does not take all data; nothing where it does.
func (d *Daemon) pressed() (list []api.Reason) {
	s := d.pressure.State()
	if s.Level < pressure.Text {
		return nil
	}
	if s.Cause == pressure.Memory { // which of the two presses harder hides the other
		list = d.diskShort()
	}
	limit := "memory is at server.memory_limit"
	if s.Cause == pressure.Disk {
		limit = "the disk has no more free than server.disk_reserve"
	}
	what := map[pressure.Level]string{
		pressure.Text: "lines without acknowledgement are shed", pressure.Newcomers: "lines without acknowledgement are shed, new producers refused", pressure.All: "nothing is taken",
	}[s.Level]
	return append(list, api.Reason{Code: s.Cause.String() + "_pressure", Detail: fmt.Sprintf("%s: %s", limit, what)})
}

// diskShort is the reason of a disk that has no more free than it should keep.
func (d *Daemon) diskShort() []api.Reason {
	reserve, free := d.pressureLimits().Reserve, telemetry.ReadProcess(d.config.Server.DataDir).DiskFree
	if reserve == 0 || free == 0 || free > reserve {
		return nil
	}
	return []api.Reason{{Code: pressure.Disk.String() + "_pressure", Detail: "the disk has no more free than server.disk_reserve"}}
}

// squeeze names how hard the daemon is pressed, and what it refused for it.
func (d *Daemon) squeeze() []telemetry.Measure {
	list := []telemetry.Measure{
		telemetry.Gauge("nexus_pressure_level", "What is refused for want of memory or disk: 0 nothing, 1 debug questions, 2 reads, 3 lines without acknowledgement, 4 new producers, 5 everything.",
			func() float64 { return float64(d.pressure.State().Level) }),
		telemetry.Gauge("nexus_pressure_memory_bytes", "Memory that cannot be given back, as it is held against the limit.", func() float64 {
			return float64(pressure.InUse(telemetry.ReadProcess(d.config.Server.DataDir).Resident))
		}),
		telemetry.Gauge("nexus_pressure_memory_limit_bytes", "The limit that holds; 0 where there is none.", func() float64 { return float64(d.pressureLimits().Memory) }),
		telemetry.Counter("nexus_pressure_changes_total", "Changes of the level.", func() float64 { return float64(d.pressure.Stats().Changes) }),
	}
	for _, l := range pressure.Levels() {
		list = append(list, telemetry.Counter("nexus_pressure_refused_total", "Requests, chunks, batches and sessions refused, by the level that refuses such.",
			func() float64 { return float64(d.pressure.Stats().Refused[l]) }, telemetry.Label{Name: "level", Value: l.String()}))
	}
	return list
}
