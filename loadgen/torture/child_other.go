//go:build !linux

package torture

import "syscall"

// childAttributes keep a terminal's ctrl-C from the daemon, whose end is the
// experiment's to choose.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
