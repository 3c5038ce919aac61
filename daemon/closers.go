package daemon

import (
	"errors"
	"fmt"
	"log/slog"
)

// closers close what was opened, in reverse, each by name.
type closers struct{ list []closer }

type closer struct {
	name  string
	close func() error
}

func (c *closers) add(name string, f func() error) { c.list = append(c.list, closer{name, f}) }

func (c *closers) close(log *slog.Logger) error {
	var errs []error
	for len(c.list) > 0 {
		last := c.list[len(c.list)-1]
		c.list = c.list[:len(c.list)-1]
		log.Debug("closing", "what", last.name)
		if err := last.close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}
