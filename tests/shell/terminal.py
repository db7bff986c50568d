#!/usr/bin/env python3
"""Runs a program on a terminal of its own.

usage: terminal.py [--columns N] [--type-at REGEX] SCREEN PROGRAM [ARGUMENT...]

SCREEN gets the bytes that the terminal got, SCREEN.shown what is to be seen on
it in the end, a line each, without the blank ones at its end. N is its width,
80 by default, 0 for a terminal that does not tell. When REGEX has been found in
the bytes, Ctrl-C is typed. Exit: as the program; 128 and the signal that ended
it; 99 where it ran for a minute, or left a process on the terminal behind.
"""
import argparse
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time


def shown(data, columns):
    """What a terminal of that width shows; knows what progress uses."""
    lines, row, column = [[]], 0, 0
    for token in re.findall(rb"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x7f]|[\xc2-\xf4]"
                            rb"[\x80-\xbf]+|.", data, re.DOTALL):
        if token == b"\r":
            column = 0
        elif token == b"\n":
            row += 1
            if row == len(lines):
                lines.append([])
        elif token == b"\x1b[K":
            del lines[row][column:]
        elif token[:1] == b"\x1b" or token < b" ":
            raise SystemExit(f"the terminal got {token!r}")
        else:
            if columns and column == columns:
                row, column = row + 1, 0
                lines[row:row] = [[]]
            line = lines[row]
            line.extend([" "] * (column + 1 - len(line)))
            line[column] = token.decode(errors="replace")
            column += 1
    # A full line goes on in the next one.
    text = ["".join(line) if len(line) == columns else "".join(line).rstrip()
            for line in lines]
    while text and not text[-1]:
        text.pop()
    return text


def run(fd, regex):
    """All that it writes; None where it does not end."""
    seen, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:  # the last that had the terminal open has ended
            return seen
        seen += data
        if regex and regex.search(seen):
            os.write(fd, b"\x03")
            regex = None
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--type-at", type=lambda s: re.compile(s.encode()))
    parser.add_argument("screen")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    args = parser.parse_args()

    ready = os.pipe()
    pid, fd = pty.fork()
    if not pid:
        os.read(ready[0], 1)
        os.execvp(args.program[0], args.program)
    fcntl.ioctl(fd, termios.TIOCSWINSZ,
                struct.pack("HHHH", 24, args.columns, 0, 0))
    os.write(ready[1], b".")
    seen = run(fd, args.type_at)
    if seen is None:
        os.kill(pid, 9)
        sys.exit(99)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(args.screen, "wb") as f:
        f.write(seen)
    with open(args.screen + ".shown", "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line in shown(seen, args.columns))
    sys.exit(status if status >= 0 else 128 - status)


main()
