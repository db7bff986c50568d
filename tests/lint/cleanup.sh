#!/usr/bin/env bash
# A variable that is cleaned up at the end of its scope has a value before the
# function can be left: compilers that clear memory hide where it has none.
set -eu

cd "$(dirname "$0")/../.."
find s3 cache fs tools -name '*.c' | sort | python3 -c '
import re, sys

DECLARED = re.compile(
    r"CLEANUP_?\w*(?:\(\w+\))?\s+(?:const\s+)?(?:struct\s+)?\w+\s*\**\s*(\w+);")
wrong = 0
for name in sys.stdin.read().split():
    text = open(name).read()
    for found in DECLARED.finditer(text):
        variable = found.group(1)
        body = text[found.end():text.find("\n}\n", found.end())]
        given = re.search(rf"_init\(&{variable}\b|\b{variable} = ", body)
        left = re.search(r"\breturn\b|\bgoto\b", body)
        if not given or (left and left.start() < given.start()):
            line = text.count("\n", 0, found.start()) + 1
            print(f"{name}:{line}: {variable} may be cleaned up without a value")
            wrong = 1
sys.exit(wrong)
'
