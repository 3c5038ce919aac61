package ledger

import "golang.org/x/sys/unix"

// portableBootID uses the boot session's UUID, which macOS makes anew at boot.
func portableBootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil || len(id) != bootIDSize {
		return ""
	}
	return id
}
