// Package powerfs is a file system in memory whose power can be cut: what was
// not synced is then lost, whole or in part, torn, or in another order than it
// was written in. On Linux it can be mounted through FUSE, so that a whole
// program, with its databases, its mappings and its locks, can be put through
// power cuts. It is for tests.
//
// # What is durable
//
// The model keeps what POSIX promises and no more, which is less than ext4 and
// XFS keep:
//
//   - A file's content and size, after fsync or fdatasync of the file.
//   - A name made, changed or removed, after fsync of its directory. ext4 and
//     XFS also keep a new file's name with the file's own fsync; this disk does
//     not. A rename is one change: the old name or the new one is there, never
//     both and never neither.
//   - A directory, after fsync of the one that it is in.
//
// # What a cut does to the rest
//
// Of a directory's unsynced changes none, all, the first few, as a journal
// keeps them, or any may have come to be; of a file's unsynced writes none, all,
// the first few with the last of them torn, or any blocks of them. Blocks are
// 512 or 4096 bytes and are written whole; a block is left as it was after any
// write since the last sync, so that of two writes the older one may be what is
// found. Sizes that were set, by truncate or fallocate, come to be in their
// order, and independently of the blocks; a block behind a file's end takes the
// end along, and what was never written before it reads as zeros: a journaling
// file system shows no stale blocks.
//
// Each file and directory fares on its own. Owner, mode and times are durable
// at once: nothing that nexusctl does hangs on them. A page that is written
// through a mapping is unsynced like any other once the kernel writes it back,
// and before that the cut loses it.
//
// Renames between directories, links and special files other than sockets are
// refused.
package powerfs

import (
	"path"
	"sync"
	"syscall"
	"time"
)

// Capacity bounds the bytes of all files; a write beyond it says that the disk
// is full.
const Capacity = 2 << 30

// maxPending bounds what is unsynced of one file, in bytes, and of one
// directory, in changes: the oldest reaches the platter by itself beyond that,
// as the kernel sees to with dirty pages.
const (
	maxPending = 32 << 20
	maxChanges = 4096
)

// power is the state of a disk.
type power int

const (
	on      power = iota
	failing       // whoever asks for anything waits
	off           // whoever asks for anything is refused
)

// Disk is a file system. Its methods may be called from several goroutines.
type Disk struct {
	mu     sync.Mutex
	turned sync.Cond // when power changes
	power  power
	lies   func(name string) bool
	root   *node
	inodes uint64
	used   int64 // bytes of files, names or not
	counts Counts
	trap   *trap
}

// Counts are what programs have asked a disk for since it was made.
type Counts struct{ Writes, Syncs, DirSyncs uint64 }

// New returns an empty disk that is on.
func New() *Disk {
	d := &Disk{}
	d.turned.L = &d.mu
	d.root = d.newDir(0o755)
	return d
}

// Lie makes the disk confirm syncs of some files and directories without doing
// them, as one does that has a volatile cache and no shame: of those whose name
// lies says yes to; the root's is empty. With nil it is honest again.
func (d *Disk) Lie(lies func(name string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = lies
}

// Counts returns the counts.
func (d *Disk) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Fail begins a power cut: from here on nothing changes on the disk, and no
// request is answered. Whoever is in the middle of one waits until Off, so a
// process that is killed in between can neither see nor tell what came after
// the cut.
func (d *Disk) Fail() { d.turn(failing) }

// Off ends what Fail began: every request that waits, or comes, fails.
func (d *Disk) Off() { d.turn(off) }

func (d *Disk) turn(to power) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.power = to
	d.turned.Broadcast()
}

// trap is a request at which the power fails.
type trap struct {
	pattern string
	left    int
	sprung  chan struct{}
}

// FailAt makes the power fail, as Fail does, at the n-th request, from 1 on,
// that writes to, resizes or syncs a file whose name matches the pattern, as in
// path.Match; that request does nothing any more. The channel is closed when it has come to that.
// A later FailAt takes the place of an earlier one, and so does Restore.
func (d *Disk) FailAt(pattern string, n int) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trap = &trap{pattern: pattern, left: n, sprung: make(chan struct{})}
	return d.trap.sprung
}

// change answers one request that changes a file or makes it durable.
func (d *Disk) change(n *node, request func() syscall.Errno) syscall.Errno {
	d.tread(n)
	return d.do(request)
}

func (d *Disk) tread(n *node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trap == nil || d.power != on || n.file == nil {
		return
	}
	if met, _ := path.Match(d.trap.pattern, n.name); !met {
		return
	}
	if d.trap.left--; d.trap.left > 0 {
		return
	}
	close(d.trap.sprung)
	d.trap, d.power = nil, failing
}

// do answers one request.
func (d *Disk) do(request func() syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.power == failing {
		d.turned.Wait()
	}
	if d.power == off {
		return syscall.EIO
	}
	return request()
}

// node is a file or a directory.
type node struct {
	ino     uint64
	name    string // the last one that it had
	mode    uint32 // permissions and S_IFREG or S_IFDIR
	changed time.Time

	dir  *directory
	file *file
}

func (d *Disk) newDir(mode uint32) *node {
	d.inodes++
	return &node{ino: d.inodes, mode: syscall.S_IFDIR | mode&0o7777, changed: time.Now(), dir: newDirectory()}
}

func (d *Disk) newFile(mode uint32) *node {
	d.inodes++
	return &node{ino: d.inodes, mode: syscall.S_IFREG | mode&0o7777, changed: time.Now(), file: new(file)}
}

// write puts bytes into a file.
func (d *Disk) write(n *node, b []byte, off int64) syscall.Errno {
	if len(b) == 0 {
		return 0
	}
	if errno := d.grow(n, off+int64(len(b))); errno != 0 {
		return errno
	}
	d.counts.Writes++
	n.changed = time.Now()
	n.file.do(write{off: off, data: append([]byte(nil), b...)})
	return 0
}

// resize sets a file's size.
func (d *Disk) resize(n *node, size int64) syscall.Errno {
	if size < 0 {
		return syscall.EINVAL
	}
	if errno := d.grow(n, size); errno != 0 {
		return errno
	}
	d.used -= max(n.file.size()-size, 0)
	n.changed = time.Now()
	n.file.do(write{off: size})
	return 0
}

// grow takes space for a file that is to be size bytes long at least.
func (d *Disk) grow(n *node, size int64) syscall.Errno {
	more := max(size-n.file.size(), 0)
	if d.used+more > Capacity {
		return syscall.ENOSPC
	}
	d.used += more
	return 0
}

// sync makes a file or a directory durable.
func (d *Disk) sync(n *node) syscall.Errno {
	switch {
	case d.lies != nil && d.lies(n.name):
	case n.dir != nil:
		n.dir.sync()
		d.counts.DirSyncs++
	default:
		n.file.sync()
		d.counts.Syncs++
	}
	return 0
}

// add puts a new node under a name that is free.
func (d *Disk) add(parent *node, name string, child *node) syscall.Errno {
	if parent.dir.seen[name] != nil {
		return syscall.EEXIST
	}
	parent.dir.do(change{to: name, node: child})
	child.name = name
	parent.changed = time.Now()
	return 0
}

// remove takes a name away.
func (d *Disk) remove(parent *node, name string) syscall.Errno {
	child := parent.dir.seen[name]
	switch {
	case child == nil:
		return syscall.ENOENT
	case child.dir != nil && len(child.dir.seen) > 0:
		return syscall.ENOTEMPTY
	}
	parent.dir.do(change{from: name, node: child})
	parent.changed = time.Now()
	return 0
}

// rename gives a node another name in the same directory.
func (d *Disk) rename(parent *node, from, to string) syscall.Errno {
	child, other := parent.dir.seen[from], parent.dir.seen[to]
	switch {
	case child == nil:
		return syscall.ENOENT
	case child == other:
		return 0
	case other != nil && other.dir != nil:
		return syscall.EISDIR
	}
	parent.dir.do(change{from: from, to: to, node: child})
	child.name = to
	parent.changed = time.Now()
	return 0
}
