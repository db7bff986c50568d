"""Where blocks are: blocks in frames, frames in blobs."""
from typing import NamedTuple

from wire import need, one_frame, sha256

BLOCK = 1 << 20
FRAME = 1 << 21


class Block(NamedTuple):
    frame: int
    offset: int
    length: int


class Frame(NamedTuple):
    blob: int
    codec: int
    offset: int
    stored: int
    plain: int


class Places:
    def __init__(self, hashes, blocks, frames, blobs):
        self.hashes, self.blocks = hashes, blocks
        self.frames, self.blobs = frames, blobs
        self.check()

    @classmethod
    def read(cls, r, blocks, frames, blobs):
        """The four sections, as indexes and tables have them."""
        def rows(count, *widths):
            return [[r.number(w) for w in widths] for _ in range(count)]
        hashes = [r.take(32) for _ in range(blocks)]
        blocks = [Block(*row) for row in rows(blocks, 3, 3, 3)]
        frames = [Frame(*row) for row in rows(frames, 4, 1, 6, 3, 3)]
        return cls(hashes, blocks, frames, [r.take(16) for _ in range(blobs)])

    def check(self):
        seen = 0
        for b in self.blocks:
            need(b.frame <= seen, "frames are not in the order of first use")
            need(b.frame < len(self.frames), "a block is in no frame")
            seen = max(seen, b.frame + 1)
            need(1 <= b.length <= BLOCK, "length of a block")
            need(b.offset + b.length <= self.frames[b.frame].plain,
                 "a block does not lie within its frame")
        need(seen == len(self.frames), "a frame is unused")
        seen = 0
        for f in self.frames:
            need(f.blob <= seen, "blobs are not in the order of first use")
            need(f.blob < len(self.blobs), "a frame is in no blob")
            seen = max(seen, f.blob + 1)
            need(f.codec in (0, 1),
                 "another codec; a later assetfs may have written it")
            need(1 <= f.plain <= FRAME, "plain length of a frame")
            need(1 <= f.stored <= FRAME + 4096, "stored length of a frame")
            need(f.codec or f.stored == f.plain, "lengths of a plain frame")
        need(seen == len(self.blobs), "a blob is unused")
        need(len(set(self.blobs)) == len(self.blobs), "a blob is there twice")

    def where(self, i):
        """All that says where a block is, without any numbers of this."""
        b = self.blocks[i]
        f = self.frames[b.frame]
        return (self.blobs[f.blob], *f[1:], b.offset, b.length)


def cut(size):
    """Lengths of the blocks of a file, by cutting rule 1."""
    return [min(BLOCK, size - at) for at in range(0, size, BLOCK)]


def decode(frame, data):
    """Plain bytes of a frame of this codec that is stored as data."""
    need(len(data) == frame.stored, "a frame is cut off")
    return one_frame(data, frame.plain) if frame.codec else data


def check_block(data, name):
    need(sha256(data) == name, f"a block has not the hash {name.hex()}")
