package daemon

import (
	"context"

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/protocol/api"
)

// ReplayDeadLetters sends the named dead letters, or all, to the store again.
func (d *Daemon) ReplayDeadLetters(ctx context.Context, files []string) (api.Settlement, error) {
	return d.settleLetters(ctx, deadletter.Replay, files)
}

// DropDeadLetters gives the named dead letters, or all, up: their units are
// shed from then on.
func (d *Daemon) DropDeadLetters(ctx context.Context, files []string) (api.Settlement, error) {
	return d.settleLetters(ctx, deadletter.Drop, files)
}

// settleLetters closes the open generation at once, so that a flush takes the
// letters along without waiting for its turn.
func (d *Daemon) settleLetters(ctx context.Context, action deadletter.Action, files []string) (api.Settlement, error) {
	r := d.loop.Flusher.Request(action, files)
	if err := d.lanes.Mark(); err != nil {
		return api.Settlement{}, err
	}
	s, err := r.Wait(ctx)
	if err == nil && s.Letters > 0 {
		d.component("flush").Info("dead letters were settled", "action", string(action), "letters", s.Letters, "units", s.Units, "refused", s.Refused)
	}
	return api.Settlement{Letters: s.Letters, Units: s.Units, Refused: s.Refused}, err
}
