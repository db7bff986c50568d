#!/usr/bin/env python3
"""Runs assetctl on the trees of hostile.py, two at a time.

usage: hostile_run.py ASSETCTL URL DIR MEMORY <CASES

Pulls each tree into a directory of its own below DIR, in which something
precious stands where the tree would like to write, then lists or verifies it.
MEMORY is what a process may have, in kB; 0: anything. Prints what is wrong; exit
1 then.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import threading

ASSETCTL, URL, DIR, MEMORY = sys.argv[1:4] + [int(sys.argv[4])]


def run(want, *args):
    """Its complaint, or None."""
    with open(f"{DIR}/log.{threading.get_ident()}", "w+b") as log:
        child = subprocess.Popen([ASSETCTL, *args], stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL)
        timer = threading.Timer(60, child.kill)
        timer.start()
        _, status, used = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read().decode(errors="replace")
    if child.returncode != want:
        return f"{args[0]}: exit {child.returncode}: {text[-600:]}"
    if MEMORY and used.ru_maxrss > MEMORY:
        return f"{args[0]}: {used.ru_maxrss} kB"
    if want and "assetctl: error: " not in text:
        return f"{args[0]}: no word"
    return None


def precious(path):
    with open(path + "/victim", encoding="ascii") as f:
        return f.read() == "precious" and os.listdir(path) == ["victim"]


def look(box, verdict):
    """What pull has left; its complaint, or None."""
    out = box + "/out"
    if sorted(os.listdir(box)) != ["out", "outside"]:
        return f"wrote outside: {os.listdir(box)}"
    if set(os.listdir(out)) - {"K", "outside"}:
        return f"wrote beside the target: {os.listdir(out)}"
    if not precious(box + "/outside") or not precious(out + "/outside"):
        return "changed what is outside"
    for _, dirs, files in os.walk(out):
        if any(name.startswith(".assetctl-") for name in dirs + files):
            return "leftovers"
    if verdict == "read":
        with open(out + "/K/f", encoding="ascii") as f:
            if f.read() != "content of f\n":
                return "content"
        if os.readlink(out + "/K/d/l") != "../../..":
            return "link"
    return None


def examine(line):
    name, verdict = line.split()
    box = f"{DIR}/{name}"
    source = f"{URL}/{name}/K"
    bad = 0 if verdict in ("read", "void") else 1
    for path in (box + "/outside", box + "/out/outside"):
        os.makedirs(path)
        with open(path + "/victim", "w", encoding="ascii") as f:
            f.write("precious")
    wrong = (run(bad, "pull", "-q", source, box + "/out/") or
             look(box, verdict) or
             (run(1, "ls", "-R", source) if verdict == "refuse"
              else run(bad, "verify", "-q", source)))
    shutil.rmtree(box)
    return f"{name}: {wrong}" if wrong else None


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [w for w in pool.map(examine, sys.stdin) if w]
    print("\n".join(wrong))
    sys.exit(bool(wrong))


main()
