"""Indexes, lists of condemned objects, and blobs with their tables."""
import io
import stat
import tarfile
from typing import NamedTuple

from places import BLOCK, Places, check_block, cut, decode
from wire import SKIPPABLE, Bad, Frame, Reader, need, number, one_frame, \
    sha256, unseal, unzstd

PACK_MOST = 64 << 20


def read_index(data):
    need(len(data) <= 256 << 20, "an index over 256 MiB")
    r = Reader(unseal(data))
    r.magic(b"ASFSINDX")
    counts = [r.number(4) for _ in range(3)]
    places = Places.read(r, *counts)
    r.end()
    need(all(a < b for a, b in zip(places.hashes, places.hashes[1:])),
         "hashes are not strictly ascending")
    return places


def read_gc_list(data):
    """Its time and ids."""
    need(len(data) <= 256 << 20, "a list over 256 MiB")
    r = Reader(unseal(data))
    r.magic(b"ASFSGCLS")
    count = r.number(4)
    time = r.number(8, signed=True)
    ids = [r.take(16) for _ in range(count)]
    r.end()
    need(all(a < b for a, b in zip(ids, ids[1:])),
         "ids are not strictly ascending")
    return time, ids


class Member(NamedTuple):
    path: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    first_block: int


class Table:
    """Table of contents of a blob, by its footer."""

    def __init__(self, data, blob_id):
        footer = data[-64:]
        need(len(data) >= 144 and footer[:8] == b"ASFSPEND", "no footer")
        need(sha256(footer[:44])[:20] == footer[44:], "SHA-256 of the footer")
        need(number(footer, 40, 4) == 1,
             "another version; a later assetfs may have written it")
        need(footer[8:24] == blob_id, "the footer has another id")
        at, stored, plain = (number(footer, *p)
                             for p in ((24, 8), (32, 4), (36, 4)))
        need(plain <= 1 << 24, "a table over 2^24 bytes")
        need(at >= 8 and at + stored + 72 == len(data), "place of the table")
        need(number(data, at - 8, 4) == 0x184D2A5B
             and number(data, at - 4, 4) == stored
             and number(data, at + stored, 4) == 0x184D2A5C
             and number(data, at + stored + 4, 4) == 64, "skippable frames")
        need(stored > 32, "length of the table")
        table = unseal(data[at:at + stored])
        self.begin = at - 8
        self.read(one_frame(table, plain))
        need(self.places.blobs in ([], [blob_id]), "places in another blob")

    def read(self, table):
        r = Reader(table)
        r.magic(b"ASFSPTOC")
        members, blocks, frames, blobs, strings = (
            r.number(4) for _ in range(5))
        rows = [[r.number(4), r.number(2), r.number(2), r.number(4),
                 r.number(4), r.number(8, signed=True), r.number(4),
                 r.number(4)] for _ in range(members)]
        self.places = Places.read(r, blocks, frames, blobs)
        strings = Reader(r.take(strings))
        r.end()
        self.by_hash = {}
        for i, name in enumerate(self.places.hashes):
            self.by_hash.setdefault(name, []).append(self.places.where(i))
        self.members, block = [], 0
        for offset, length, *rest in rows:
            need(offset == strings.at and 1 <= length <= 4096,
                 "paths have gaps")
            m = Member(strings.take(length), *rest)
            need(stat.S_ISREG(m.mode) and 1 <= m.size <= 1 << 24
                 and m.first_block == block, f"member {m.path}")
            self.members.append(m)
            lengths = cut(m.size)
            blocks_of = self.places.blocks[block:block + len(lengths)]
            need([b.length for b in blocks_of] == lengths,
                 f"blocks of member {m.path}")
            block += len(lengths)
        strings.end()
        need(not members or block == blocks, "blocks without a member")


def check_blocks(table, data):
    """Every block in the blob is what its hash says."""
    number_of_plain, plain = None, b""
    for name, block in zip(table.places.hashes, table.places.blocks):
        if block.frame != number_of_plain:
            frame = table.places.frames[block.frame]
            plain = decode(
                frame, data[frame.offset:frame.offset + frame.stored])
            number_of_plain = block.frame
        check_block(plain[block.offset:block.offset + block.length], name)


def check_pack(table, data):
    """The archive has just what the table says."""
    need(len(data) <= PACK_MOST, "a pack over 64 MiB")
    starts, at, total = {}, 0, 0
    while number(data, at, 4) not in SKIPPABLE:
        frame = Frame(data, at)
        starts[at] = (total, frame)
        last = (at, frame)
        at, total = frame.end, total + frame.size
    need(at == table.begin, "the table is not behind the archive")
    need(last[1].size == 1024, "the last frame is not the end of the archive")
    archive = unzstd(data[:at], total)
    need(archive[-1024:] == bytes(1024), "no zeros at the end of the archive")
    for at, (_, frame) in starts.items():
        need(at == last[0] or frame.checksum, "a frame without checksum")
    for f in table.places.frames:
        need(f.codec == 1 and f.offset in starts, "a frame of the table")
        total, frame = starts[f.offset]
        need(frame.end == f.offset + f.stored and frame.size == f.plain,
             "lengths of a frame of the table")
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:",
                      encoding="utf-8", errors="surrogateescape") as tar:
        found = tar.getmembers()
    need(len(found) == len(table.members), "number of members")
    for m, info in zip(table.members, found):
        check_member(table, starts, m, info)


def tar_mtime_ns(info):
    text = info.pax_headers.get("mtime")
    if text is None:
        return int(info.mtime) * 10**9
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    return sign * (int(whole) * 10**9 + int((part + "0" * 9)[:9]))


def check_member(table, starts, m, info):
    name = info.name.encode("utf-8", "surrogateescape")
    need(info.isreg() and (name, info.mode, info.uid, info.gid, info.size)
         == (m.path, m.mode & 0o7777, m.uid, m.gid, m.size),
         f"header of member {m.path}")
    need(tar_mtime_ns(info) == m.mtime_ns, f"mtime of member {m.path}")
    for i in range(len(cut(m.size))):
        block = table.places.blocks[m.first_block + i]
        start = starts[table.places.frames[block.frame].offset][0]
        need(start + block.offset == info.offset_data + i * BLOCK,
             f"place of content of member {m.path}")


def check_large(table):
    """Blocks one behind the other, each a frame, and then the table."""
    end = 0
    need(1 <= len(table.places.blocks) <= 1024, "number of blocks")
    for i, block in enumerate(table.places.blocks):
        frame = table.places.frames[block.frame]
        need(block.frame == i and block.offset == 0
             and block.length == frame.plain and frame.offset == end,
             "blocks are not one behind the other")
        end += frame.stored
    need(end == table.begin, "the table is not right behind the blocks")


def check_blob(data, blob_id):
    table = Table(data, blob_id)
    if table.members:
        check_pack(table, data)
    else:
        check_large(table)
    check_blocks(table, data)
    return table


def check_index(index, tables):
    """What an index has of each blob is what the blob's table has."""
    has = {}
    for i, name in enumerate(index.hashes):
        has.setdefault(index.where(i)[0], {})[name] = index.where(i)
    for blob in index.blobs:
        if blob not in tables:
            raise Bad(f"it names blob {blob.hex()}, which is not there")
        table = tables[blob].places
        for name, where in has[blob].items():
            need(where in tables[blob].by_hash.get(name, ()),
                 f"a block that blob {blob.hex()} has not")
        wanted = set(table.hashes)
        if not tables[blob].members:
            wanted = {h for h in wanted if h[-1] & 63 == 0}
            wanted |= {table.hashes[0], table.hashes[-1]}
        need(wanted <= set(index.hashes), f"blocks of blob {blob.hex()} lack")
