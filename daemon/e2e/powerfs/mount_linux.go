package powerfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount is a disk that is mounted.
type Mount struct{ server *fuse.Server }

// ErrUnavailable reports a machine on which disks cannot be mounted.
var ErrUnavailable = errors.New("no FUSE here: it takes /dev/fuse and the right to mount")

// unavailable is how a kernel says it.
var unavailable = []error{fs.ErrNotExist, fs.ErrPermission, syscall.ENODEV, syscall.ENXIO}

// forever is how long the kernel may trust what it was told: everything that
// changes the disk comes through it, and a cut takes the mount away.
const forever = time.Hour

// Mount mounts the disk on an empty directory. Locks are the kernel's, as on a
// local file system, and shared mappings work.
func (d *Disk) Mount(dir string) (*Mount, error) {
	timeout := forever
	server, err := fusefs.Mount(dir, &entry{disk: d, node: d.root}, &fusefs.Options{
		EntryTimeout: &timeout, AttrTimeout: &timeout,
		RootStableAttr: &fusefs.StableAttr{Ino: d.root.ino},
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true, FsName: "powerfs", Name: "powerfs",
			DisableXAttrs: true, MaxWrite: 1 << 20,
		},
	})
	if slices.ContainsFunc(unavailable, func(e error) bool { return errors.Is(err, e) }) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("mount power disk: %w", err)
	}
	return &Mount{server}, nil
}

// Close unmounts the disk, and with it drops what the kernel had cached. It
// fails while a process has a file open.
func (m *Mount) Close() error {
	if err := m.server.Unmount(); err != nil {
		return fmt.Errorf("unmount power disk: %w", err)
	}
	m.server.Wait()
	return nil
}

// entry is a node as the kernel knows it.
type entry struct {
	fusefs.Inode
	disk *Disk
	node *node
}

var (
	_ fusefs.NodeLookuper  = (*entry)(nil)
	_ fusefs.NodeReaddirer = (*entry)(nil)
	_ fusefs.NodeGetattrer = (*entry)(nil)
	_ fusefs.NodeSetattrer = (*entry)(nil)
	_ fusefs.NodeCreater   = (*entry)(nil)
	_ fusefs.NodeMkdirer   = (*entry)(nil)
	_ fusefs.NodeMknoder   = (*entry)(nil)
	_ fusefs.NodeUnlinker  = (*entry)(nil)
	_ fusefs.NodeRmdirer   = (*entry)(nil)
	_ fusefs.NodeRenamer   = (*entry)(nil)
	_ fusefs.NodeOpener    = (*entry)(nil)
	_ fusefs.NodeReader    = (*entry)(nil)
	_ fusefs.NodeWriter    = (*entry)(nil)
	_ fusefs.NodeFsyncer   = (*entry)(nil)
	_ fusefs.NodeAllocater = (*entry)(nil)
	_ fusefs.NodeStatfser  = (*entry)(nil)
)

// attributes tells of a node.
func (n *node) attributes(out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink = n.ino, n.mode, 1
	out.Uid, out.Gid = uint32(os.Getuid()), uint32(os.Getgid())
	out.SetTimes(&n.changed, &n.changed, &n.changed)
	if n.file != nil {
		out.Size = uint64(n.file.size())
		out.Blocks = (out.Size + 511) / 512
	}
}

// known makes the kernel's inode of a node.
func (e *entry) known(ctx context.Context, n *node, out *fuse.EntryOut) *fusefs.Inode {
	n.attributes(&out.Attr)
	return e.NewInode(ctx, &entry{disk: e.disk, node: n}, fusefs.StableAttr{Mode: n.mode & syscall.S_IFMT, Ino: n.ino})
}

func (e *entry) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (child *fusefs.Inode, errno syscall.Errno) {
	errno = e.disk.do(func() syscall.Errno {
		n := e.node.dir.seen[name]
		if n == nil {
			return syscall.ENOENT
		}
		child = e.known(ctx, n, out)
		return 0
	})
	return child, errno
}

func (e *entry) Readdir(context.Context) (fusefs.DirStream, syscall.Errno) {
	var list []fuse.DirEntry
	errno := e.disk.do(func() syscall.Errno {
		for name, n := range e.node.dir.seen {
			list = append(list, fuse.DirEntry{Name: name, Mode: n.mode, Ino: n.ino})
		}
		return 0
	})
	return fusefs.NewListDirStream(list), errno
}

func (e *entry) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return e.disk.do(func() syscall.Errno {
		e.node.attributes(&out.Attr)
		return 0
	})
}

func (e *entry) Setattr(_ context.Context, _ fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return e.disk.change(e.node, func() syscall.Errno {
		if mode, ok := in.GetMode(); ok {
			e.node.mode = e.node.mode&syscall.S_IFMT | mode&0o7777
		}
		if at, ok := in.GetMTime(); ok {
			e.node.changed = at
		}
		if size, ok := in.GetSize(); ok {
			if e.node.file == nil {
				return syscall.EISDIR
			}
			if errno := e.disk.resize(e.node, int64(size)); errno != 0 {
				return errno
			}
		}
		e.node.attributes(&out.Attr)
		return 0
	})
}

func (e *entry) make(ctx context.Context, name string, n func() *node, out *fuse.EntryOut) (child *fusefs.Inode, errno syscall.Errno) {
	errno = e.disk.do(func() syscall.Errno {
		made := n()
		if errno := e.disk.add(e.node, name, made); errno != 0 {
			return errno
		}
		child = e.known(ctx, made, out)
		return 0
	})
	return child, errno
}

func (e *entry) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	child, errno := e.make(ctx, name, func() *node { return e.disk.newFile(mode) }, out)
	return child, nil, fuse.FOPEN_KEEP_CACHE, errno
}

func (e *entry) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return e.make(ctx, name, func() *node { return e.disk.newDir(mode) }, out)
}

// Mknod makes sockets, such as the daemon's admin socket; they are names and
// nothing else.
func (e *entry) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if mode&syscall.S_IFMT != syscall.S_IFSOCK {
		return nil, syscall.EPERM
	}
	return e.make(ctx, name, func() *node {
		n := e.disk.newFile(mode)
		n.mode = mode
		return n
	}, out)
}

func (e *entry) Unlink(_ context.Context, name string) syscall.Errno {
	return e.disk.do(func() syscall.Errno { return e.disk.remove(e.node, name) })
}

func (e *entry) Rmdir(_ context.Context, name string) syscall.Errno {
	return e.disk.do(func() syscall.Errno { return e.disk.remove(e.node, name) })
}

func (e *entry) Rename(_ context.Context, name string, to fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	other, ok := to.(*entry)
	switch {
	case !ok || other.node != e.node:
		return syscall.EXDEV
	case flags != 0:
		return syscall.EINVAL
	}
	return e.disk.do(func() syscall.Errno { return e.disk.rename(e.node, name, newName) })
}

func (e *entry) Open(_ context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	errno := e.disk.do(func() syscall.Errno {
		if flags&syscall.O_TRUNC != 0 {
			return e.disk.resize(e.node, 0)
		}
		return 0
	})
	return nil, fuse.FOPEN_KEEP_CACHE, errno
}

func (e *entry) Read(_ context.Context, _ fusefs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n := 0
	errno := e.disk.do(func() syscall.Errno {
		if f := e.node.file; off < f.size() {
			n = copy(dest, f.seen[off:])
		}
		return 0
	})
	return fuse.ReadResultData(dest[:n]), errno
}

func (e *entry) Write(_ context.Context, _ fusefs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	errno := e.disk.change(e.node, func() syscall.Errno { return e.disk.write(e.node, data, off) })
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

// Fsync is fsync and fdatasync, of files and of directories.
func (e *entry) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno {
	return e.disk.change(e.node, func() syscall.Errno { return e.disk.sync(e.node) })
}

func (e *entry) Allocate(_ context.Context, _ fusefs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	if mode != 0 {
		return syscall.EOPNOTSUPP
	}
	return e.disk.change(e.node, func() syscall.Errno {
		return e.disk.resize(e.node, max(e.node.file.size(), int64(off+size)))
	})
}

func (e *entry) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return e.disk.do(func() syscall.Errno {
		const block = 4096
		out.Bsize, out.Frsize, out.NameLen = block, block, 255
		out.Blocks = Capacity / block
		out.Bfree = uint64(Capacity-e.disk.used) / block
		out.Bavail = out.Bfree
		return 0
	})
}
