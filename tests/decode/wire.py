"""Bytes, columns of numbers, and zstd frames."""
import hashlib
import subprocess

SKIPPABLE = range(0x184D2A50, 0x184D2A60)


class Bad(Exception):
    """What is read breaks a rule of the page."""


def need(truth, what):
    if not truth:
        raise Bad(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def number(data, at, length, signed=False):
    return int.from_bytes(data[at:at + length], "little", signed=signed)


class Reader:
    """Takes bytes one behind the other."""

    def __init__(self, data):
        self.data = memoryview(data)
        self.at = 0

    def take(self, n):
        need(self.at + n <= len(self.data), "it is cut off")
        self.at += n
        return bytes(self.data[self.at - n:self.at])

    def number(self, n, signed=False):
        return int.from_bytes(self.take(n), "little", signed=signed)

    def column(self, n, count):
        """count numbers of n bytes: all lowest bytes come first."""
        planes = [self.take(count) for _ in range(n)]
        return [int.from_bytes(row, "little") for row in zip(*planes)]

    def magic(self, name):
        need(self.take(8) == name, "the magic is another")
        need(self.number(4) == 1,
             "another version; a later assetfs may have written it")

    def end(self):
        need(self.at == len(self.data), "there are bytes behind its end")


def unseal(data):
    """What comes before the SHA-256 at the end."""
    need(len(data) > 32 and sha256(data[:-32]) == data[-32:],
         "the SHA-256 at its end is not that of its bytes")
    return data[:-32]


class Frame:
    """One zstd frame as it stands in data: where it ends, its content size."""

    def __init__(self, data, at=0):
        need(number(data, at, 4) == 0xFD2FB528, f"no zstd frame at {at}")
        flags = data[at + 4]
        single = flags >> 5 & 1
        self.checksum = flags >> 2 & 1
        need(flags & 8 == 0, "a zstd frame with a reserved bit")
        size_length = (single, 2, 4, 8)[flags >> 6]
        need(size_length, "a zstd frame that does not bear its size")
        at += 5 + (not single) + (0, 1, 2, 4)[flags & 3]
        self.size = number(data, at, size_length)
        self.size += 256 if size_length == 2 else 0
        at += size_length
        last = 0
        while not last:
            need(at + 3 <= len(data), "a zstd frame is cut off")
            head = number(data, at, 3)
            last = head & 1
            at += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)
        self.end = at + 4 * self.checksum
        need(self.end <= len(data), "a zstd frame is cut off")


def unzstd(data, size):
    """Plain bytes of zstd frames with size bytes in all."""
    done = subprocess.run(["zstd", "-q", "-d", "-c"], input=data,
                          capture_output=True, check=False)
    need(done.returncode == 0, "zstd: " + done.stderr.decode().strip())
    need(len(done.stdout) == size, "a frame has another plain length")
    return done.stdout


def one_frame(data, size):
    """Plain bytes of data, which has to be exactly one frame."""
    frame = Frame(data)
    need(frame.end == len(data), "there is something behind a zstd frame")
    need(frame.size == size, "a zstd frame bears another size")
    return unzstd(data, size)


def expand(data, size, part=4 << 20):
    """A catalog or table that was compressed in parts; and where it ends."""
    at = 0
    for begin in range(0, size, part):
        frame = Frame(data, at)
        need(frame.size == min(part, size - begin), "a part has another size")
        at = frame.end
    return unzstd(data[:at], size), at
