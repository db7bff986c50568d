#!/usr/bin/env bash
# What each verb prints with --json is one value of JSON, and assetctl(1) names
# every field of it.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3 mandoc
use_store file
mkdir -p "$TMP/K/d"
echo 1 >"$TMP/K/d/f"
ln -s d/f "$TMP/K/l"
push_tree "$TMP/K" "$SRC_URL/" -q
cp "$TMP/K/d/f" "${SRC_URL#file://}/plain"
mandoc -T utf8 -O width=200 "$TOP/man/assetctl.1" | col -bx |
	grep -oE '[a-z][a-z0-9_]*' | sort -u >"$TMP/words"

# fields VERB...: those of its output, at any depth, that the page lacks
fields()
{
	local status=0
	"$ASSETCTL" "$1" --json "${@:2}" >"$TMP/json" 2>"$TMP/err" || status=$?
	python3 - "$TMP/json" "$TMP/words" <<'END_OF_PYTHON' ||
import json, sys
words = set(open(sys.argv[2]).read().split())
def look(value):
    if isinstance(value, list):
        for v in value:
            look(v)
    elif isinstance(value, dict):
        for name, v in value.items():
            if name not in words:
                sys.exit(f"'{name}' is not in the page")
            if name.endswith(("_ns", "_s", "_usd", "seconds", "bytes", "size")):
                assert type(v) in (int, float) or isinstance(v, dict), name
            if name != "requests": # by kind
                look(v)
with open(sys.argv[1]) as f:
    value = json.load(f)
assert isinstance(value, (list, dict)) and value
look(value)
END_OF_PYTHON
		fail "$*: exit $status: $(cat "$TMP/json" "$TMP/err")"
}

fields ls "$SRC_URL"
fields ls -l -R "$SRC_URL"
fields stat "$SRC_URL/K/d/f" "$SRC_URL/K/l" "$SRC_URL/K" "$SRC_URL/plain"
fields push "$TMP/K" "$SRC_URL/again/"
fields push -n "$TMP/K" "$SRC_URL/"
fields pull "$SRC_URL/K" "$TMP/back"
fields log "$SRC_URL/K"
fields log --restore 2 "$SRC_URL/K"
fields rm -r "$SRC_URL/again"
fields doctor "$SRC_URL"
fields gc "$SRC_URL"
fields verify "$SRC_URL"
find "${SRC_URL#file://}/.assetfs/blob" -type f -exec truncate -s 100 {} +
fields verify "$SRC_URL"
[ -s "$TMP/err" ] || fail "nothing is wrong with blobs that were cut off"
