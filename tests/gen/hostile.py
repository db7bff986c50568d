#!/usr/bin/env python3
"""Writes a bucket, as a directory, whose trees lie.

usage: hostile.py DIR

Makes a tree DIR/<case>/K for each case, by man/assetfs-format.5 and with none
of our code: sealed with the right SHA-256, so that only the rule that
is broken can be what a reader minds. "good" breaks none. Prints a line for each
case: its name, and what a reader has to do with it:
  refuse  the tree cannot be read at all
  file    the tree can, some of its content cannot
  void    it can, but for entries that stand where none can
  read    all of it can
Needs zstd(1).
"""
import functools
import hashlib
import os
import struct
import subprocess
import sys

DIR, REG, LNK = 0o040755, 0o100644, 0o120777
BLOB = bytes(range(16))
CONTENT = b"content of f\n"


def zstd(data):
    """One frame with its content size."""
    return subprocess.run(
        ["zstd", "-q", "-c", f"--stream-size={len(data)}"],
        input=data, stdout=subprocess.PIPE, check=True).stdout


@functools.cache
def bomb():
    """32 kB that become 1 GiB."""
    return zstd(bytes(1 << 30))


def column(n, values):
    rows = [(v % (1 << 8 * n)).to_bytes(n, "little") for v in values]
    return b"".join(bytes(r[i] for r in rows) for i in range(n))


class Entry:
    def __init__(self, name, mode=REG, size=None, target=b"", owner=0,
                 length=None):
        self.name, self.mode, self.owner = name, mode, owner
        self.target = target
        self.size = len(target) if size is None else size
        self.length = len(name) if length is None else length


class Catalog:
    """Sections as the page has them; what is set is written, true or not."""

    def __init__(self):
        f = Entry(b"f", size=len(CONTENT))
        self.dirs = [(b"", 2), (b"d", 1)]
        self.entries = [Entry(b"", DIR), Entry(b"d", DIR), f,
                        Entry(b"l", LNK, target=b"../../..")]
        self.blocks = [(1, 0, 0)]
        self.frames = [(0, 0, 0, len(CONTENT), len(CONTENT))]
        self.blobs = [BLOB]
        self.owners = [(0, 0)]
        self.hashes = [hashlib.sha256(CONTENT).digest()]
        self.root = 1
        self.header = {}

    def bytes(self):
        e = self.entries
        strings = b"".join(d[0] for d in self.dirs)
        strings += b"".join(x.name + x.target for x in e)
        h = dict(entries=len(e), dirs=len(self.dirs), blocks=len(self.blocks),
                 frames=len(self.frames), blobs=len(self.blobs),
                 owners=len(self.owners), strings=len(strings))
        h.update(self.header)
        out = b"ASFSCATL" + struct.pack(
            "<9I", 1, h["entries"], h["dirs"], h["blocks"], h["frames"],
            h["blobs"], h["owners"], h["strings"], self.root)
        out += column(2, [len(d[0]) for d in self.dirs])
        out += column(4, [d[1] for d in self.dirs])
        out += column(1, [x.length for x in e])
        out += column(2, [x.mode for x in e])
        out += column(2, [x.owner for x in e])
        out += column(6, [x.size for x in e])
        out += column(5, [1000000000 for x in e])
        out += column(4, [0 for x in e])
        out += column(4, [1 for x in e])
        frames = [b[1] for b in self.blocks]
        out += column(1, [b[0] for b in self.blocks])
        out += column(3, [f - (frames[i - 1] if i else 0)
                          for i, f in enumerate(frames)])
        out += column(3, [b[2] for b in self.blocks])
        blobs = [f[0] for f in self.frames]
        out += column(4, [b - (blobs[i - 1] if i else 0)
                          for i, b in enumerate(blobs)])
        out += column(1, [f[1] for f in self.frames])
        out += column(6, [f[2] for f in self.frames])
        out += column(3, [f[3] for f in self.frames])
        out += column(3, [f[4] for f in self.frames])
        out += b"".join(self.blobs)
        out += b"".join(struct.pack("<2I", *o) for o in self.owners)
        return out + strings + b"".join(self.hashes)


def compress(content):
    return b"".join(zstd(content[i:i + (4 << 20)])
                    for i in range(0, len(content), 4 << 20))


def tree(content, kind=1, length=None, stored=None, pool=b""):
    packed = compress(content) if stored is None else stored
    out = b"ASFSTREE" + struct.pack(
        "<IBBHQ16sqQQ", 1, kind, 0, len(pool), 1, b"commit" + bytes(10),
        1000000000, len(content) if length is None else length, len(packed))
    out += pool + packed
    return out + hashlib.sha256(out).digest()


def shard(catalog):
    return (b"ASFSSHRD" + struct.pack("<IIQ", 1, 0, len(catalog)) +
            compress(catalog))


class Bucket:
    """One case in the bucket that all share."""

    def __init__(self, root, name):
        self.root, self.name = root, name
        self.put(".assetfs/blob/" + BLOB.hex(), CONTENT)

    def id(self, number):
        """Of an object of this case."""
        return hashlib.md5(f"{self.name} {number}".encode()).digest()

    def put(self, key, data):
        path = os.path.join(self.root, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)

    def tree(self, data):
        self.put(self.name + "/K/.assetfs-tree-fffffffffffffffe", data)


CASES = []


def case(verdict):
    def add(function):
        CASES.append((function.__name__.replace("_", "-"), verdict, function))
        return function
    return add


def whole(change):
    """A small tree whose catalog `change` has altered."""
    def make(bucket):
        c = Catalog()
        change(c)
        bucket.tree(tree(c.bytes()))
    return make


def lie(name, verdict, change):
    CASES.append((name, verdict, whole(change)))


def rename(i, name, **more):
    def change(c):
        old = c.entries[i]
        c.entries[i] = Entry(name, old.mode, old.size, old.target, **more)
    return change


def setter(**values):
    def change(c):
        for key, value in values.items():
            setattr(c, key, value)
    return change


def entry(i, **values):
    def change(c):
        for key, value in values.items():
            setattr(c.entries[i], key, value)
    return change


lie("good", "read", lambda c: None)
for number, bad in enumerate([b"..", b".", b"", b"a/b", b"/etc", b"../../x",
                              b"a\0b"]):
    lie(f"name-{number}", "refuse", rename(2, bad))
    lie(f"dir-name-{number}", "refuse",
        lambda c, bad=bad: (rename(1, bad)(c),
                            setattr(c, "dirs", [(b"", 2), (bad, 1)])))
lie("dir-path-up", "refuse", setter(dirs=[(b"", 2), (b"../d", 1)]))
lie("dir-path-absolute", "refuse", setter(dirs=[(b"", 2), (b"/d", 1)]))
lie("dir-without-entry", "refuse", setter(dirs=[(b"", 2), (b"e", 1)]))
lie("dir-below-file", "refuse", setter(dirs=[(b"", 2), (b"f", 1)]))


def below_link(c):
    c.dirs = [(b"", 2), (b"d", 1)]
    c.entries = [Entry(b"", DIR), Entry(b"d", LNK, target=b"../outside"),
                 Entry(b"f", size=len(CONTENT)), Entry(b"victim", size=0)]


lie("dir-below-link", "refuse", below_link)
lie("twice", "refuse", lambda c: (rename(2, b"d")(c)))
lie("unsorted", "refuse", lambda c: (rename(1, b"g")(c), setattr(
    c, "dirs", [(b"", 2), (b"g", 1)])))
lie("dirs-twice", "refuse", setter(dirs=[(b"", 1), (b"", 2)]))
lie("runs-too-long", "refuse", setter(dirs=[(b"", 2), (b"d", 4000000000)]))
lie("no-root", "refuse", setter(root=0))
for what in ["entries", "dirs", "blocks", "frames", "blobs", "owners",
             "strings"]:
    lie(f"count-{what}", "refuse", setter(header={what: 0xffffffff}))
    lie(f"none-{what}", "refuse", setter(header={what: 0}))
lie("name-longer", "refuse", entry(2, length=255))
lie("size-huge", "refuse", entry(2, size=(1 << 48) - 1))
lie("size-more-blocks", "refuse", entry(2, size=5 << 20))
lie("size-zero", "refuse", entry(2, size=0))
lie("link-empty", "refuse", entry(3, target=b"", size=0))
lie("link-nul", "refuse", entry(3, target=b"a\0b", size=3))
lie("link-long", "refuse", entry(3, target=b"a" * 5000, size=5000))
lie("mode-device", "refuse", entry(2, mode=0o060644))
lie("mode-fifo", "refuse", entry(2, mode=0o010644))
lie("owner-none", "refuse", entry(2, owner=7))
lie("cut-unknown", "refuse", setter(blocks=[(9, 0, 0)]))
lie("block-frame", "refuse", setter(blocks=[(1, 5, 0)]))
lie("block-outside", "refuse", setter(blocks=[(1, 0, 1000)]))
lie("codec-unknown", "refuse", setter(frames=[(0, 9, 0, 13, 13)]))
lie("frame-blob", "refuse", setter(frames=[(5, 0, 0, 13, 13)]))
lie("frame-too-large", "refuse", setter(frames=[(0, 1, 0, 13, 0xffffff)]))
lie("frame-empty", "refuse", setter(frames=[(0, 0, 0, 0, 0)]))
# What only the content shows:
lie("frame-beyond-blob", "file", setter(frames=[(0, 0, 1 << 40, 13, 13)]))
lie("blob-missing", "file", setter(blobs=[bytes(15) + b"x"]))
lie("hash-other", "file", setter(hashes=[bytes(32)]))


@case("file")
def frame_bomb(bucket):
    bucket.put(".assetfs/blob/" + bucket.id(0).hex(), bomb())
    c = Catalog()
    c.blobs = [bucket.id(0)]
    c.frames = [(0, 1, 0, len(bomb()), len(CONTENT))]
    bucket.tree(tree(c.bytes()))


@case("refuse")
def bomb_told_short(bucket):
    bucket.tree(tree(b"", length=200, stored=bomb()))


@case("refuse")
def bomb_told_long(bucket):
    bucket.tree(tree(b"", length=1 << 30, stored=bomb()))


@case("refuse")
def bomb_of_parts(bucket):
    bucket.tree(tree(b"", length=1 << 28,
                     stored=zstd(bytes(4 << 20)) * 64))


@case("refuse")
def length_beyond_all(bucket):
    bucket.tree(tree(Catalog().bytes(), length=(1 << 63) - 1))


@case("refuse")
def length_short(bucket):
    bucket.tree(tree(Catalog().bytes(), length=50))


@case("refuse")
def kind_unknown(bucket):
    bucket.tree(tree(Catalog().bytes(), kind=7))


@case("refuse")
def pool_up(bucket):
    bucket.tree(tree(Catalog().bytes(), pool=b"../../"))


# ---- shards ----------------------------------------------------------------

def parts():
    """The good catalog in two: the root's directory, and what is in d."""
    a, b = Catalog(), Catalog()
    a.entries, a.dirs = a.entries[:3], [(b"", 2)]
    b.entries, b.dirs = b.entries[3:], [(b"d", 1)]
    b.blocks, b.frames, b.blobs, b.hashes, b.root = [], [], [], [], 0
    return a, b


def sharded(bucket, catalogs, change=None):
    rows, keys = [], b""
    for i, c in enumerate(catalogs):
        data = shard(c.bytes())
        name = bucket.id(i)
        bucket.put(".assetfs/shard/" + name.hex(), data)
        rows.append(dict(id=name, sha=hashlib.sha256(data).digest(),
                         len=len(data), raw=len(c.bytes()),
                         entries=len(c.entries),
                         dir=b"" if c.root else c.dirs[0][0],
                         name=c.entries[0].name))
    if change:
        change(rows)
    table = struct.pack("<I", len(rows))
    for r in rows:
        table += r["id"] + r["sha"] + struct.pack(
            "<IQIHB", r["len"], r["raw"], r["entries"], len(r["dir"]),
            len(r["name"]))
        keys += r["dir"] + r["name"]
    bucket.tree(tree(table + keys, kind=2))


@case("read")
def shards_good(bucket):
    sharded(bucket, parts())


def shards(name, verdict, change):
    CASES.append((name, verdict,
                  lambda bucket: sharded(bucket, parts(), change)))


shards("shard-loop", "refuse", lambda r: r.append(dict(r[0])))
shards("shard-unsorted", "refuse", lambda r: r.reverse())
shards("shard-first-not-root", "refuse", lambda r: r.pop(0))
shards("shard-same-twice", "file", lambda r: r[1].update(
    id=r[0]["id"], sha=r[0]["sha"], len=r[0]["len"], raw=r[0]["raw"],
    entries=r[0]["entries"]))
shards("shard-missing", "file", lambda r: r[1].update(id=bytes(16)))
shards("shard-other-hash", "file", lambda r: r[1].update(sha=bytes(32)))
shards("shard-length-huge", "file", lambda r: r[1].update(len=0xffffffff))
shards("shard-raw-huge", "refuse", lambda r: r[1].update(raw=1 << 60))
shards("shard-entries-other", "file", lambda r: r[1].update(entries=1 << 31))
shards("shard-key-up", "refuse", lambda r: r[1].update(dir=b"d/../.."))


@case("file")
def shard_outside_range(bucket):
    a, b = parts()
    b.dirs = [(b"..", 1)]
    sharded(bucket, (a, b), lambda r: r[1].update(dir=b"d", name=b"a"))


@case("void")
def shard_below_link(bucket):
    a, b = parts()
    a.entries[1] = Entry(b"d", LNK, target=b"../outside")
    b.entries = [Entry(b"victim", size=0)]
    sharded(bucket, (a, b))


@case("file")
def shard_bomb(bucket):
    a, b = parts()
    sharded(bucket, (a, b))
    data = (b"ASFSSHRD" + struct.pack("<IIQ", 1, 0, len(b.bytes())) +
            bomb())
    name = bucket.id(1)

    def change(rows):
        rows[1].update(sha=hashlib.sha256(data).digest(), len=len(data))
    sharded(bucket, (a, b), change)
    bucket.put(".assetfs/shard/" + name.hex(), data)


def main():
    for name, verdict, make in CASES:
        make(Bucket(sys.argv[1], name))
        print(name, verdict)


if __name__ == "__main__":
    main()
