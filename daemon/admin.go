package daemon

import (
	"example.com/nexusctl/daemon/admin"
	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/protocol/api"
)

// openAdmin opens the door for the daemon's own user. A daemon without it
// works; its operator has signals and the file.
func (d *Daemon) openAdmin() {
	s, err := admin.Listen(d.config.Server.DataDir, d)
	if err != nil {
		d.logger.Warn("no admin socket: `nexusctl config reload` will not reach this daemon; SIGHUP does", "error", err)
		return
	}
	d.closers.add("admin socket", s.Close)
}

// Settings returns the settings in force, secrets hidden.
func (d *Daemon) Settings() []api.Setting { return d.settings.Load().Settings() }

// SetLogLevel changes what is logged until the next reload or start.
func (d *Daemon) SetLogLevel(level string) error {
	l, err := logs.ParseLevels(level)
	if err != nil {
		return err
	}
	d.levels.SetLevels(l)
	d.component("config").Info("the log's levels were changed", "levels", l.String())
	return nil
}
