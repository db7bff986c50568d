"""Tree objects, and their shards."""
import stat

from catalog import check_name, check_order, read_catalog
from wire import Bad, Reader, expand, need, sha256, unseal


class Version:
    """One version of a tree; entries are None where it says: removed."""

    def __init__(self, seq):
        self.seq, self.pool, self.entries, self.shards = seq, None, None, []

    def blobs(self):
        return {b for p in {e.places for e in self.entries or ()}
                for b in p.blobs}


class Shard:
    def __init__(self, r):
        self.id, self.hash = r.take(16), r.take(32)
        self.length, self.plain = r.number(4), r.number(8)
        self.entries = r.number(4)
        self.lengths = r.number(2), r.number(1)
        self.key = None
        need(self.entries >= 1, "a shard without entries")


def read_table(data):
    r = Reader(data)
    shards_n = r.number(4)
    need(1 <= shards_n <= 1 << 20, "number of shards")
    shards = [Shard(r) for _ in range(shards_n)]
    for s in shards:
        s.key = r.take(s.lengths[0]), r.take(s.lengths[1])
    r.end()
    check_order([s.key for s in shards], "first keys of shards")
    return shards


def read_shard(store, pool, shard):
    key = pool + b".assetfs/shard/" + shard.id.hex().encode()
    try:
        data = store.read(key)
        need(len(data) == shard.length, "it has another length")
        need(sha256(data) == shard.hash, "it has another SHA-256")
        r = Reader(data)
        r.magic(b"ASFSSHRD")
        need(r.number(4) == 0, "the bytes from 12 on are not 0")
        need(r.number(8) == shard.plain, "its catalog has another length")
        plain, end = expand(data[r.at:], shard.plain)
        need(r.at + end == len(data), "there is something behind its catalog")
        entries = read_catalog(plain)
        need(len(entries) == shard.entries, "another number of entries")
        need(entries[0].key == shard.key, "its first key is another")
        return entries
    except Bad as bad:
        raise Bad(f"shard {key.decode()}: {bad}") from None


def read_version(store, key, seq):
    version = Version(seq)
    data = store.read(key)
    if not data:
        return version
    need(len(data) <= 512 << 20, "a tree object over 512 MiB")
    r = Reader(unseal(data))
    r.magic(b"ASFSTREE")
    kind = r.number(1)
    need(kind in (1, 2), "another kind; a later assetfs may have written it")
    need(r.number(1) == 0, "byte 13 is not 0")
    pool_length = r.number(2)
    need(r.number(8) == seq, "another sequence number than in its key")
    r.take(16)
    r.number(8, signed=True)
    plain, stored = r.number(8), r.number(8)
    version.pool = r.take(pool_length)
    need(pool_length <= 511, "path of the pool is too long")
    if version.pool:
        need(version.pool.endswith(b"/"), "path of the pool without slash")
        for name in version.pool[:-1].split(b"/"):
            check_name(name, False)
    catalog, end = expand(r.take(stored), plain)
    need(end == stored, "there is something behind its catalog")
    parts = [read_catalog(catalog)]
    if kind == 2:
        plain = r.number(8)
        need(plain <= 256 << 20, "a table of shards over 256 MiB")
        rest = r.take(len(r.data) - r.at)
        table, end = expand(rest, plain)
        need(end == len(rest), "there is something behind the table of shards")
        version.shards = read_table(table)
        parts += [read_shard(store, version.pool, s) for s in version.shards]
    r.end()
    version.entries = [e for part in parts for e in part]
    check_order([e.key for e in version.entries], "keys")
    need(version.entries[0].key == (b"", b""), "the root has no entry")
    dirs = {e.path for e in version.entries if stat.S_ISDIR(e.mode)}
    need(all(e.directory in dirs for e in version.entries),
         "a directory has no entry")
    return version
