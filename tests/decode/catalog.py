"""Catalogs."""
import stat
from typing import NamedTuple

from places import Block, Frame, Places, cut
from wire import Reader, need


class Entry(NamedTuple):
    directory: bytes
    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    commit_time: int
    target: bytes
    first_block: int
    places: Places

    @property
    def key(self):
        return (self.directory, self.name)

    @property
    def path(self):
        return self.directory + b"/" * bool(self.directory) + self.name

    def blocks(self):
        """Hash and place of each block."""
        first = self.first_block
        for i in range(first, first + len(cut(self.size))):
            yield self.places.hashes[i], self.places.where(i)


def signed(value, n):
    return value - (1 << 8 * n) if value >> (8 * n - 1) else value


def read_blocks(r, count, lengths):
    rules, frames, offsets = (r.column(n, count) for n in (1, 3, 3))
    need(all(rule == 1 for rule in rules),
         "another cutting rule; a later assetfs may have written it")
    blocks, frame, end = [], 0, 0
    for i, length in enumerate(lengths):
        before, frame = frame, (frame + frames[i]) % (1 << 24)
        base = -(-end // 512) * 512 if i and frame == before else 0
        offset = (base + offsets[i]) % (1 << 24)
        end = offset + length
        blocks.append(Block(frame, offset, length))
    return blocks


def read_frames(r, count):
    columns = [r.column(n, count) for n in (4, 1, 6, 3, 3)]
    frames, blob, end = [], 0, 0
    for i, (diff, codec, offset, stored, plain) in enumerate(zip(*columns)):
        before, blob = blob, (blob + diff) % (1 << 32)
        base = end if i and blob == before else 0
        offset = (base + offset) % (1 << 48)
        end = offset + stored
        frames.append(Frame(blob, codec, offset, stored, plain))
    return frames


def check_name(name, top):
    if top:
        need(not name, "the root has a name")
        return
    need(1 <= len(name) <= 255 and name not in (b".", b"..")
         and not {0, 0x2F} & set(name), f"name {name}")


def check_order(keys, what):
    need(all(a < b for a, b in zip(keys, keys[1:])),
         f"{what} are not ascending")


def read_catalog(data):
    """Entries in order."""
    need(len(data) <= 1 << 28, "a catalog of more than 2^28 bytes")
    r = Reader(data)
    r.magic(b"ASFSCATL")
    (n_entries, n_dirs, n_blocks, n_frames, n_blobs, n_owners, n_strings,
     has_root) = (r.number(4) for _ in range(8))
    need(n_entries >= 1 and 1 <= n_owners <= 65536 and has_root <= 1,
         "counts of a catalog")
    need(len(data) + 14 * n_dirs + 32 * n_entries + 41 * n_blocks <= 1 << 28,
         "a catalog larger than 2^28 bytes")
    dir_lengths, dir_counts = (r.column(n, n_dirs) for n in (2, 4))
    need(all(dir_counts) and sum(dir_counts) + has_root == n_entries,
         "numbers of entries of directories")
    (name_lengths, modes, owner_of, sizes, seconds, nanoseconds,
     commit_times) = (r.column(n, n_entries) for n in (1, 2, 2, 6, 5, 4, 4))
    lengths = []
    for mode, size in zip(modes, sizes):
        if stat.S_ISREG(mode):
            lengths += cut(size)
        need(stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and size == 0)
             or (stat.S_ISLNK(mode) and 1 <= size <= 4095),
             f"an entry of mode {mode:o} and size {size}")
    need(len(lengths) == n_blocks, "number of blocks")
    blocks = read_blocks(r, n_blocks, lengths)
    frames = read_frames(r, n_frames)
    blobs = [r.take(16) for _ in range(n_blobs)]
    owners = [(r.number(4), r.number(4)) for _ in range(n_owners)]
    seen = 0
    for o in owner_of:
        need(o <= seen and o < n_owners, "owners are not in order of first use")
        seen = max(seen, o + 1)
    need(seen == n_owners and len(set(owners)) == n_owners,
         "an owner is unused, or there twice")
    strings = Reader(r.take(n_strings))
    hashes = [r.take(32) for _ in range(n_blocks)]
    r.end()
    places = Places(hashes, blocks, frames, blobs)

    dirs = [strings.take(n) for n in dir_lengths]
    check_order(dirs, "directories")
    of_dir = [b""] * has_root
    for path, count in zip(dirs, dir_counts):
        of_dir += [path] * count
    entries, block = [], 0
    for i, directory in enumerate(of_dir):
        name = strings.take(name_lengths[i])
        check_name(name, has_root and i == 0)
        is_link = stat.S_ISLNK(modes[i])
        target = strings.take(sizes[i]) if is_link else b""
        need(b"\0" not in target, "a target has a NUL")
        need(nanoseconds[i] < 10**9, "nanoseconds")
        mtime = signed(seconds[i], 5) * 10**9 + nanoseconds[i]
        need(-1 << 63 <= mtime < 1 << 63, "a mtime is out of range")
        e = Entry(directory, name, modes[i], *owners[owner_of[i]], sizes[i],
                  mtime, commit_times[i], target, block, places)
        need(len(e.path) <= 4096, "a path is too long")
        need(i or not has_root or stat.S_ISDIR(e.mode),
             "the root is no directory")
        entries.append(e)
        if stat.S_ISREG(e.mode):
            block += len(cut(e.size))
    strings.end()
    check_order([e.key for e in entries], "names")
    return entries
