package torture

import "syscall"

// childAttributes keep a terminal's ctrl-C from the daemon, whose end is the
// experiment's to choose, and end it where this process is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
