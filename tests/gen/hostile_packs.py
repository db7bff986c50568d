#!/usr/bin/env python3
"""Makes the table of contents of a blob lie, and runs assetctl on it.

usage: hostile_packs.py ASSETCTL BUCKET DIR MEMORY

BUCKET, a directory, has a tree K with a file K/L and one blob, a pack or that of
a large file, and DIR/K is that tree. For each case the blob's table is written
anew by man/assetfs-format.5, with the right SHA-256s, so that only the rule that
is broken can be what a reader minds:
  verify  says so, with 1
  pull    needs no table, and gives K back
  push    of L with a byte changed, from a machine that knows nothing, succeeds;
          what it took from the table is what L has, or is refused when read
MEMORY is what a process may have, in kB; 0: anything. Prints what is wrong; exit
1 then.
"""
import filecmp
import hashlib
import os
import shutil
import struct
import subprocess
import sys

from hostile import bomb, zstd

ASSETCTL, BUCKET, DIR, MEMORY = sys.argv[1:4] + [int(sys.argv[4])]
SKIP_TOC, SKIP_FOOTER = 0x184D2A5B, 0x184D2A5C
MOST = (1 << 32) - 1


def le(value, n):
    return value.to_bytes(n, "little")


def unzstd(data):
    return subprocess.run(["zstd", "-dcq"], input=data,
                          stdout=subprocess.PIPE, check=True).stdout


class Table:
    """Of a blob, as it stands; what is set is written, true or not."""

    def __init__(self, data):
        at, stored = struct.unpack("<QI", data[-40:-28])
        self.content = data[:at - 8]
        self.blob = data[-56:-40]
        t = unzstd(data[at:at + stored - 32])
        self.counts = list(struct.unpack("<5I", t[12:32]))
        members, blocks, frames, blobs, _ = self.counts
        pos = 32

        def rows(count, *widths):
            nonlocal pos
            out = []
            for _ in range(count):
                row = []
                for w in widths:
                    row.append(int.from_bytes(t[pos:pos + w], "little"))
                    pos += w
                out.append(row)
            return out
        self.members = rows(members, 4, 2, 2, 4, 4, 8, 4, 4)
        self.hashes = [t[pos + 32 * i:][:32] for i in range(blocks)]
        pos += 32 * blocks
        self.blocks = rows(blocks, 3, 3, 3)
        self.frames = rows(frames, 4, 1, 6, 3, 3)
        self.blobs = [t[pos + 16 * i:][:16] for i in range(blobs)]
        self.strings = t[pos + 16 * blobs:]
        self.behind = b""
        self.packed = self.plain = None
        self.footer = {}
        self.sum = None
        self.cut = 0

    def bytes(self):
        t = b"ASFSPTOC" + struct.pack("<6I", 1, *self.counts)
        for row in self.members:
            t += b"".join(map(le, row, (4, 2, 2, 4, 4, 8, 4, 4)))
        t += b"".join(self.hashes)
        for row in self.blocks:
            t += b"".join(map(le, row, (3, 3, 3)))
        for row in self.frames:
            t += b"".join(map(le, row, (4, 1, 6, 3, 3)))
        t += b"".join(self.blobs) + self.strings + self.behind
        packed = zstd(t) if self.packed is None else self.packed
        packed += hashlib.sha256(packed).digest()
        f = dict(id=self.blob, at=len(self.content) + 8, stored=len(packed),
                 plain=len(t) if self.plain is None else self.plain,
                 version=1)
        f.update(self.footer)
        footer = b"ASFSPEND" + f["id"] + struct.pack(
            "<QIII", f["at"], f["stored"], f["plain"], f["version"])
        footer += self.sum or hashlib.sha256(footer).digest()[:20]
        out = self.content + struct.pack("<II", SKIP_TOC, len(packed))
        out += packed + struct.pack("<II", SKIP_FOOTER, 64) + footer
        return out[:len(out) - self.cut]


def setter(path, value):
    """A case that sets e.g. "frames.1.2": of frame 1 the offset."""
    *way, last = path.split(".")

    def change(t):
        at = t
        for step in way:
            at = at[int(step)] if step.isdigit() else getattr(at, step)
        if isinstance(at, dict):
            at[last] = value
        elif last.isdigit():
            at[int(last)] = value
        else:
            setattr(at, last, value)
    return change


def all_at_the_start(t):
    for frame in t.frames:
        frame[2] = 0


def rotate(t):
    t.hashes.append(t.hashes.pop(0))


def swap_ends(t):
    t.frames[0][2], t.frames[-1][2] = t.frames[-1][2], t.frames[0][2]


CASES = [
    *((f"{MOST} {what}", setter(f"counts.{i}", MOST)) for i, what in
      enumerate(("members", "blocks", "frames", "blobs", "strings"))),
    ("no blocks", setter("counts.1", 0)),
    ("no blobs", setter("counts.3", 0)),
    ("a block of no frame", setter("blocks.1.0", 0xFFFFFF)),
    ("a block behind its frame", setter("blocks.1.1", 0xFFFFFF)),
    ("a block of no bytes", setter("blocks.1.2", 0)),
    ("a block of 16 MiB", setter("blocks.1.2", 0xFFFFFF)),
    ("a frame of no blob", setter("frames.0.0", 7)),
    ("a codec to come", setter("frames.0.1", 9)),
    ("a frame at 2^48", setter("frames.0.2", (1 << 48) - 1)),
    ("a frame one on", lambda t: setter("frames.0.2", t.frames[0][2] + 1)(t)),
    ("a frame in the table",
     lambda t: setter("frames.0.2", len(t.content))(t)),
    ("a frame of no stored bytes", setter("frames.0.3", 0)),
    ("a frame of 16 MiB stored", setter("frames.0.3", 0xFFFFFF)),
    ("a frame one shorter",
     lambda t: setter("frames.0.3", t.frames[0][3] - 1)(t)),
    ("a frame of no plain bytes", setter("frames.0.4", 0)),
    ("a frame of 16 MiB plain", setter("frames.0.4", 0xFFFFFF)),
    ("all frames one over the other", all_at_the_start),
    ("first and last frame exchanged", swap_ends),
    ("another's blob", setter("blobs.0", bytes(range(16)))),
    ("hashes exchanged", rotate),
    ("something behind it", setter("behind", bytes(100))),
    ("something in front", lambda t: setter("counts.4", t.counts[4] + 1)(t)),
    ("another id", setter("footer.id", bytes(range(16)))),
    ("at the start", setter("footer.at", 8)),
    ("at 0", setter("footer.at", 0)),
    ("at 2^64", setter("footer.at", (1 << 64) - 8)),
    ("no length", setter("footer.stored", 0)),
    ("a hash alone", setter("footer.stored", 32)),
    ("4 GiB stored", setter("footer.stored", MOST)),
    ("4 GiB plain", setter("footer.plain", MOST)),
    ("one byte plain", setter("plain", 1)),
    ("another version", setter("footer.version", 2)),
    ("another sum", setter("sum", bytes(20))),
    ("cut off", setter("cut", 10)),
    ("no zstd", setter("packed", b"no zstd at all")),
    ("a cut frame", setter("packed", zstd(bytes(range(256)))[:-20])),
    ("a bomb", lambda t: (setter("packed", bomb())(t),
                          setter("plain", 1 << 24)(t))),
    ("an honest bomb", lambda t: (setter("packed", bomb())(t),
                                  setter("plain", 1 << 30)(t))),
    ("a small bomb", lambda t: (setter("packed", zstd(bytes(1 << 24)))(t),
                                setter("plain", 1 << 24)(t))),
]
PACK_CASES = [
    ("a path with a gap", setter("members.1.0", 1000)),
    ("a path at 2^32", setter("members.1.0", MOST)),
    ("no path", setter("members.1.1", 0)),
    ("a path of 64 kB", setter("members.1.1", 0xFFFF)),
    ("a directory", setter("members.1.2", 0o040755)),
    ("an empty member", setter("members.1.6", 0)),
    ("a member of 4 GiB", setter("members.1.6", MOST)),
    ("a member's block 2^32", setter("members.1.7", MOST)),
]


def run(*args):
    """Its exit status, what it said, and a complaint or None."""
    with open(DIR + "/log", "w+b") as log:
        child = subprocess.Popen([ASSETCTL, *args], stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read().decode(errors="replace")
    wrong = None
    if child.returncode not in (0, 1):
        wrong = f"{args[0]}: exit {child.returncode}: {text[-600:]}"
    elif MEMORY and used.ru_maxrss > MEMORY:
        wrong = f"{args[0]}: {used.ru_maxrss} kB"
    return child.returncode, text, wrong


def look(url):
    """All that is wrong with one bucket."""
    status, text, wrong = run("verify", "-q", url)
    if wrong or status != 1 or "assetctl: error: " not in text:
        return wrong or f"verify: {status}: {text}"
    status, text, wrong = run("pull", "-q", url + "/K", DIR + "/out/")
    if wrong or status or subprocess.call(
            ["diff", "-r", DIR + "/K", DIR + "/out/K"]):
        return wrong or f"pull: {status}: {text}"
    status, text, wrong = run("push", "-q", DIR + "/changed", url + "/M/")
    if wrong or status:
        return wrong or f"push: {status}: {text}"
    status, text, wrong = run("pull", "-q", url + "/M/changed", DIR + "/out/")
    if not wrong and status == 0 and not filecmp.cmp(
            DIR + "/changed/L", DIR + "/out/changed/L", False):
        wrong = "other content"
    return wrong


def examine(name, blob, change):
    bucket = DIR + "/bucket"
    for path in (bucket, DIR + "/out"):
        shutil.rmtree(path, ignore_errors=True)
    subprocess.check_call(["cp", "-al", BUCKET, bucket])
    os.mkdir(DIR + "/out")
    path = f"{bucket}/.assetfs/blob/{blob}"
    with open(path, "rb") as f:
        table = Table(f.read())
    change(table)
    os.unlink(path)
    with open(path, "wb") as f:
        f.write(table.bytes())
    wrong = look("file://" + bucket)
    return f"{name}: {wrong}" if wrong else None


def main():
    blob, = os.listdir(BUCKET + "/.assetfs/blob")
    with open(f"{BUCKET}/.assetfs/blob/{blob}", "rb") as f:
        data = f.read()
    table = Table(data)
    if table.bytes()[:len(table.content)] != data[:len(table.content)]:
        sys.exit("cannot read a table")
    os.mkdir(DIR + "/changed")
    with open(DIR + "/K/L", "rb") as f:
        data = bytearray(f.read())
    data[len(data) // 2] ^= 1
    with open(DIR + "/changed/L", "wb") as f:
        f.write(data)
    wrong = [examine(name, blob, change)
             for name, change in CASES + (PACK_CASES if table.members else [])]
    wrong = [w for w in wrong if w]
    print("\n".join(wrong))
    sys.exit(bool(wrong))


main()
