"""Reads a bucket by man/assetfs-format.5 alone, with none of our code.

usage: decode BUCKET [TARGET]

BUCKET is a directory that has a file for each object, at its key. Checks all
that is there: every version of every tree with its shards, every blob with its
table, every index and list of condemned objects. With TARGET, a directory, it
also restores there the newest version of every tree, at the tree's directory;
plain objects are left alone.

Says on stderr, a line each, what breaks a rule; then the exit status is 1.
Needs zstd(1).
"""
import os
import re
import sys

from pool import check_blob, check_index, read_gc_list, read_index
from restore import restore
from tree import read_version
from wire import Bad, need

TREE = re.compile(rb"(|.*/)\.assetfs-tree-([0-9a-f]{16})", re.S)
POOL = re.compile(
    rb"(|.*/)\.assetfs/(?:(blob|shard)/([0-9a-f]{32})"
    rb"|(index)/([0-9a-f]{16}-[0-9a-f]{32})|(gc)/([0-9a-f]{16}))", re.S)


class Store:
    def __init__(self, top):
        self.top = os.fsencode(top)
        self.keys = sorted(
            os.path.relpath(os.path.join(path, name), self.top)
            for path, _, names in os.walk(self.top) for name in names)

    def open(self, key):
        try:
            return open(os.path.join(self.top, key), "rb")
        except FileNotFoundError:
            raise Bad(f"there is no object {os.fsdecode(key)}") from None

    def read(self, key):
        with self.open(key) as f:
            return f.read()


class Bucket:
    """All that was read; and what was wrong."""

    def __init__(self, store):
        self.store, self.wrong = store, 0
        self.trees = {}   # directory: its versions, newest first
        self.tables = {}  # (pool, id)
        self.indexes = {}  # (pool, rest of the key)
        self.shards, self.lists = set(), {}

    def attempt(self, what, do, *args):
        try:
            return do(*args)
        except Bad as bad:
            print(f"{os.fsdecode(what)}: {bad}", file=sys.stderr)
            self.wrong += 1
        return None

    def read_object(self, key):
        match = POOL.fullmatch(key)
        if not match:
            return
        pool, kind = match[1], match[2] or match[4] or match[6]
        if kind == b"shard":
            self.shards.add((pool, bytes.fromhex(match[3].decode())))
            return
        data = self.store.read(key)
        if kind == b"blob":
            blob = bytes.fromhex(match[3].decode())
            self.tables[pool, blob] = check_blob(data, blob)
        elif kind == b"index":
            self.indexes[key] = pool, read_index(data)
        else:
            self.lists[key] = read_gc_list(data)

    def read_tree(self, key):
        match = TREE.fullmatch(key)
        if match:
            seq = (1 << 64) - 1 - int(match[2], 16)
            need(seq >= 1, "sequence number 0")
            version = self.attempt(key, read_version, self.store, key, seq)
            self.trees.setdefault(match[1], []).append(version)

    def check_references(self, version):
        for blob in version.blobs():
            need((version.pool, blob) in self.tables,
                 f"blob {blob.hex()} is not there")
        for e in version.entries or ():
            for name, where in e.blocks():
                table = self.tables[version.pool, where[0]]
                need(where in table.by_hash.get(name, ()),
                     f"a block of {e.path} is not at its place")

    def read(self):
        for key in self.store.keys:
            self.attempt(key, self.read_object, key)
        for key in self.store.keys:
            self.attempt(key, self.read_tree, key)
        for key, (pool, index) in self.indexes.items():
            tables = {i: t for (p, i), t in self.tables.items() if p == pool}
            self.attempt(key, check_index, index, tables)
        for directory, versions in self.trees.items():
            for v in filter(None, versions):
                self.attempt(b"%s, version %d" % (directory, v.seq),
                             self.check_references, v)

    def restore(self, target):
        """Upper trees come last: they set times of the directories that
        deeper ones were put into."""
        newest = {d: v[0] for d, v in self.trees.items()
                  if v[0] and v[0].entries is not None}
        for directory in sorted(newest, reverse=True):
            deeper = [d[len(directory):] for d in newest
                      if d != directory and d.startswith(directory)]
            self.attempt(directory, restore, self.store, newest[directory],
                         os.path.join(target, directory), deeper)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    bucket = Bucket(Store(sys.argv[1]))
    bucket.read()
    print(f"{sum(map(len, bucket.trees.values()))} versions of "
          f"{len(bucket.trees)} trees, {len(bucket.shards)} shards, "
          f"{len(bucket.tables)} blobs, {len(bucket.indexes)} indexes, "
          f"{len(bucket.lists)} lists; {bucket.wrong} wrong")
    if len(sys.argv) == 3:
        bucket.restore(os.fsencode(sys.argv[2]))
    sys.exit(1 if bucket.wrong else 0)


main()
