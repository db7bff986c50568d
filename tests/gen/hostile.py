#!/usr/bin/env python3
"""Writes a bucket, as a directory, whose trees lie.

usage: hostile.py DIR
       hostile.py --indexes DIR

Makes a tree DIR/<case>/K for each case, by man/assetfs-format.5 and with none
of our code: sealed with the right SHA-256, so that only the rule that
is broken can be what a reader minds. "good" breaks none. Prints a line for each
case: its name, and what a reader has to do with it:
  refuse  the tree cannot be read at all
  file    the tree can, some of its content cannot
  void    it can, but for entries that stand where none can
  read    all of it can
With --indexes each DIR/<case> is a bucket with an index that lies, but for
"good", to be pushed into. Needs zstd(1).
"""
import functools
import hashlib
import os
import struct
import subprocess
import sys
import time

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


def tree(content, kind=1, length=None, stored=None, pool=b"", table=b""):
    packed = compress(content) if stored is None else stored
    out = b"ASFSTREE" + struct.pack(
        "<IBBHQ16sqQQ", 1, kind, 0, len(pool), 1, b"commit" + bytes(10),
        1000000000, len(content) if length is None else length, len(packed))
    out += pool + packed + table
    return out + hashlib.sha256(out).digest()


def shard(catalog):
    return (b"ASFSSHRD" + struct.pack("<IIQ", 1, 0, len(catalog)) +
            compress(catalog))


def blob(content):
    """As of a large file with one block, raw: content, table, footer."""
    t = b"ASFSPTOC" + struct.pack("<6I", 1, 0, 1, 1, 1, 0)
    t += hashlib.sha256(content).digest()
    t += bytes(6) + len(content).to_bytes(3, "little")
    t += bytes(11) + 2 * len(content).to_bytes(3, "little") + BLOB
    packed = zstd(t)
    packed += hashlib.sha256(packed).digest()
    footer = b"ASFSPEND" + BLOB + struct.pack(
        "<QIII", len(content) + 8, len(packed), len(t), 1)
    footer += hashlib.sha256(footer).digest()[:20]
    return (content + struct.pack("<II", 0x184D2A5B, len(packed)) + packed +
            struct.pack("<II", 0x184D2A5C, 64) + footer)


class Bucket:
    """One case in the bucket that all share."""

    def __init__(self, root, name):
        self.root, self.name = root, name
        self.put(".assetfs/blob/" + BLOB.hex(), blob(CONTENT))

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


def sharded(bucket, catalogs, change=None, length=None, stored=None,
            count=None):
    """The first of them in the tree object, the others as shards."""
    rows, keys = [], b""
    for i, c in enumerate(catalogs[1:]):
        data = shard(c.bytes())
        name = bucket.id(i)
        bucket.put(".assetfs/shard/" + name.hex(), data)
        rows.append(dict(id=name, sha=hashlib.sha256(data).digest(),
                         len=len(data), raw=len(c.bytes()),
                         entries=len(c.entries),
                         dir=c.dirs[0][0],
                         name=c.entries[0].name))
    if change:
        change(rows)
    table = struct.pack("<I", len(rows) if count is None else count)
    for r in rows:
        table += r["id"] + r["sha"] + struct.pack(
            "<IQIHB", r["len"], r["raw"], r["entries"], len(r["dir"]),
            len(r["name"]))
        keys += r["dir"] + r["name"]
    table += keys
    bucket.tree(tree(
        catalogs[0].bytes(), kind=2,
        table=struct.pack("<Q", len(table) if length is None else length) +
        (compress(table) if stored is None else stored)))


@case("read")
def shards_good(bucket):
    sharded(bucket, parts())


def shards(name, verdict, change):
    CASES.append((name, verdict,
                  lambda bucket: sharded(bucket, parts(), change)))


shards("shard-loop", "refuse", lambda r: r.append(dict(r[0])))
shards("shard-unsorted", "refuse", lambda r: r.insert(0, dict(r[0], name=b"z")))
shards("shard-none", "refuse", lambda r: r.clear())
shards("shard-key-of-root", "refuse", lambda r: r[0].update(dir=b"", name=b""))
shards("shard-before-the-tree", "refuse",
       lambda r: r[0].update(dir=b"", name=b"a"))
shards("shard-same-twice", "file", lambda r: r.append(dict(r[0], name=b"z")))
shards("shard-missing", "file", lambda r: r[0].update(id=bytes(16)))
shards("shard-other-hash", "file", lambda r: r[0].update(sha=bytes(32)))
shards("shard-length-huge", "file", lambda r: r[0].update(len=0xffffffff))
shards("shard-raw-huge", "refuse", lambda r: r[0].update(raw=1 << 60))
shards("shard-entries-other", "file", lambda r: r[0].update(entries=1 << 31))
shards("shard-key-up", "refuse", lambda r: r[0].update(dir=b"d/../.."))



@case("refuse")
def table_told_huge(bucket):
    sharded(bucket, parts(), length=1 << 60)


@case("refuse")
def table_bomb(bucket):
    sharded(bucket, parts(), length=1 << 28, stored=bomb())


@case("refuse")
def table_count_huge(bucket):
    sharded(bucket, parts(), count=0xffffffff)


@case("refuse")
def table_missing(bucket):
    bucket.tree(tree(parts()[0].bytes(), kind=2))


@case("file")
def shard_outside_range(bucket):
    a, b = parts()
    b.dirs = [(b"..", 1)]
    sharded(bucket, (a, b), lambda r: r[0].update(dir=b"d", name=b"a"))


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
    name = bucket.id(0)

    def change(rows):
        rows[0].update(sha=hashlib.sha256(data).digest(), len=len(data))
    sharded(bucket, (a, b), change)
    bucket.put(".assetfs/shard/" + name.hex(), data)


# ---- indexes ---------------------------------------------------------------

def index(**lies):
    """One that has the content's block; what is set is written instead."""
    v = dict(magic=b"ASFSINDX", version=1, count=None, frame_count=None,
             blob_count=None, hashes=[hashlib.sha256(CONTENT).digest()],
             blocks=[(0, 0, len(CONTENT))],
             frames=[(0, 0, 0, len(CONTENT), len(CONTENT))], blobs=[BLOB],
             tail=b"", seal=None)
    v.update(lies)
    out = v["magic"] + struct.pack(
        "<4I", v["version"],
        len(v["hashes"]) if v["count"] is None else v["count"],
        len(v["frames"]) if v["frame_count"] is None else v["frame_count"],
        len(v["blobs"]) if v["blob_count"] is None else v["blob_count"])
    out += b"".join(v["hashes"])
    for block in v["blocks"]:
        out += b"".join(n.to_bytes(3, "little") for n in block)
    for blob, codec, off, stored, plain in v["frames"]:
        out += (struct.pack("<IB", blob, codec) + off.to_bytes(6, "little") +
                stored.to_bytes(3, "little") + plain.to_bytes(3, "little"))
    out += b"".join(v["blobs"]) + v["tail"]
    return out + (v["seal"] or hashlib.sha256(out).digest())


N = len(CONTENT)
TWO = dict(blocks=[(0, 0, N), (0, 0, N)])
HASH = hashlib.sha256(CONTENT).digest()
INDEXES = {
    "good": index(),
    "nothing": b"",
    "short": index()[:40],
    "seal": index(seal=bytes(32)),
    "magic": index(magic=b"ASFSGCLS"),
    "version": index(version=9),
    "longer": index(tail=b"x"),
    "count": index(count=0xffffffff),
    "count-frames": index(frame_count=0xffffffff),
    "count-blobs": index(blob_count=0xffffffff),
    "count-none": index(count=0, frame_count=0, blob_count=0),
    "twice": index(hashes=[HASH, HASH], **TWO),
    "unsorted": index(hashes=[bytes([255] * 32), HASH], **TWO),
    "frame": index(blocks=[(7, 0, N)]),
    "outside": index(blocks=[(0, 1, N)]),
    "block-empty": index(blocks=[(0, 0, 0)]),
    "codec": index(frames=[(0, 9, 0, N, N)]),
    "blob": index(frames=[(5, 0, 0, N, N)]),
    "too-large": index(frames=[(0, 1, 0, N, 0xffffff)]),
    "plain-differs": index(frames=[(0, 0, 0, N, N + 1)]),
    "frame-empty": index(frames=[(0, 0, 0, 0, 0)]),
    "unused-frame": index(frames=[(0, 0, 0, N, N), (0, 0, N, N, N)]),
    "unused-blob": index(blobs=[BLOB, bytes(16)]),
}


def indexes(root):
    """A bucket for each, with the blob, and last pushed to by nobody."""
    for name, data in INDEXES.items():
        bucket = Bucket(os.path.join(root, name), name)
        bucket.put(".assetfs/index/%016x-%s" % (int(time.time()),
                                                BLOB.hex()), data)
        print(name, "good" if name == "good" else "void")


def main():
    if sys.argv[1] == "--indexes":
        indexes(sys.argv[2])
        return
    for name, verdict, make in CASES:
        make(Bucket(sys.argv[1], name))
        print(name, verdict)


if __name__ == "__main__":
    main()
