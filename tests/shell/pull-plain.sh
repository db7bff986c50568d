#!/usr/bin/env bash
# A tree of plain objects comes out as it went in: content, modes, times,
# links, names of any bytes. What is there already is left alone.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file

dir=${SRC_URL#file://}/K
mkdir -p "$dir/sub/deep" "$dir/empty-dir" "$TMP/out"
echo hello >"$dir/a.txt"
head -c 3500000 /dev/urandom >"$dir/sub/big.bin"
: >"$dir/empty"
echo x >"$dir/sub/deep/"$'no\377utf8'
echo y >"$dir/"$'new\nline'
echo z >"$dir/-rf"
ln -s a.txt "$dir/link"
ln -s /nowhere "$dir/sub/dangling"
chmod 751 "$dir/sub"
chmod 4755 "$dir/a.txt"
touch -d '2001-02-03 04:05:06.123456789' "$dir/sub/big.bin" "$dir/sub"
touch -d '1965-01-01 00:00:00.5' "$dir/empty"

"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out" >"$TMP/log"
grep -q '^pulled 6 files, 3.5 MB, 2 symlinks in ' "$TMP/log" ||
	fail "summary: $(cat "$TMP/log")"
grep -q '\$' "$TMP/log" && fail "a plain directory has a price"
diff <(digest "$dir") <(digest "$TMP/out/K") || fail "trees differ"
test "$(stat -c '%a %Y' "$dir/sub")" = "$(stat -c '%a %Y' "$TMP/out/K/sub")" ||
	fail "the directory's attributes"

inode=$(stat -c %i "$TMP/out/K/sub/big.bin")
echo changed >"$TMP/out/K/a.txt"
rm "$TMP/out/K/empty"
chmod 600 "$TMP/out/K/-rf"
"$ASSETCTL" pull --json "$SRC_URL/K" "$TMP/out/" >"$TMP/json"
python3 - "$TMP/json" <<'END' || fail "json: $(cat "$TMP/json")"
import json, sys
o = json.load(open(sys.argv[1]))
assert o["verb"] == "pull" and o["files"] == 3 and o["unchanged"] == 5
assert o["bytes"] == 6 and o["price_usd"] == 0
assert sum(o["requests"].values()) == o["requests_total"] > 0
END
diff <(digest "$dir") <(digest "$TMP/out/K") || fail "trees differ again"
test "$(stat -c %i "$TMP/out/K/sub/big.bin")" = "$inode" ||
	fail "an unchanged file was written anew"

test -z "$("$ASSETCTL" pull -q "$SRC_URL/K" "$TMP/out/" 2>&1)" || fail "not quiet"
"$ASSETCTL" pull -n "$SRC_URL/K" "$TMP/dry/" | grep -q '^dry run: would' ||
	fail "dry run"
test ! -e "$TMP/dry" || fail "a dry run made something"

# Where it goes, as cp has it.
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/renamed" >/dev/null
diff <(digest "$dir") <(digest "$TMP/renamed") || fail "under another name"
"$ASSETCTL" pull "$SRC_URL/K/a.txt" "$TMP/one" >/dev/null
cmp "$dir/a.txt" "$TMP/one" || fail "a file under another name"
"$ASSETCTL" pull "$SRC_URL/K/sub/big.bin" "$TMP/made/" >/dev/null
cmp "$dir/sub/big.bin" "$TMP/made/big.bin" || fail "a file into a directory"
"$ASSETCTL" pull "$SRC_URL" "$TMP/whole" >/dev/null
diff <(digest "$dir") <(digest "$TMP/whole/K") || fail "the whole bucket"
