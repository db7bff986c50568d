"""Entries of a tree to files, links and directories."""
import os
import stat

from places import Frame, check_block, decode
from wire import need


def restore(store, version, target, deeper):
    """Makes the directory target with all that the version has, but for what
    belongs to deeper trees, whose directories are given from target on."""
    os.makedirs(target, exist_ok=True)
    entries = [e for e in version.entries
               if not (e.path + b"/").startswith(tuple(deeper))]
    uses = make_names(entries, target)
    for blob in sorted(uses):
        key = version.pool + b".assetfs/blob/" + blob.hex().encode()
        with store.open(key) as f:
            fill(f, uses[blob], target)
    for e in reversed(entries):
        set_attributes(e, os.path.join(target, e.path))


def make_names(entries, target):
    """Returns, by blob and frame, the blocks and where they are to go."""
    uses = {}
    for e in entries:
        path = os.path.join(target, e.path)
        if stat.S_ISDIR(e.mode):
            os.makedirs(path, exist_ok=True)
        elif stat.S_ISLNK(e.mode):
            os.symlink(e.target, path)
        else:
            with open(path, "xb") as f:
                f.truncate(e.size)
            at = 0
            for name, (blob, *where) in e.blocks():
                frame, (offset, length) = tuple(where[:4]), where[4:]
                uses.setdefault(blob, {}).setdefault(frame, []).append(
                    (name, offset, length, e.path, at))
                at += length
    return uses


def fill(blob, frames, target):
    for where in sorted(frames, key=lambda frame: frame[1]):
        frame = Frame(0, *where)
        blob.seek(frame.offset)
        plain = decode(frame, blob.read(frame.stored))
        for name, offset, length, path, at in frames[where]:
            data = plain[offset:offset + length]
            need(len(data) == length, "a block does not lie within its frame")
            check_block(data, name)
            if data.count(0) != length:
                with open(os.path.join(target, path), "r+b") as f:
                    f.seek(at)
                    f.write(data)


def set_attributes(e, path):
    if os.geteuid() == 0:
        os.chown(path, e.uid, e.gid, follow_symlinks=False)
    if not stat.S_ISLNK(e.mode):
        os.chmod(path, stat.S_IMODE(e.mode))
    os.utime(path, ns=(e.mtime_ns, e.mtime_ns), follow_symlinks=False)
