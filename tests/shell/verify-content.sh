#!/usr/bin/env bash
# verify reads all content from the store in few requests, and names what is
# damaged, missing or contradicts; --list-only sees what is missing.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3

# run STATUS [ARGUMENT...]: of verify --json; the answer in $TMP/json
run()
{
	local want=$1 status=0
	shift
	"$ASSETCTL" verify --json "$@" >"$TMP/json" 2>"$TMP/log" || status=$?
	test "$status" = "$want" || fail "exit $status: $(cat "$TMP/log")"
}

# value EXPRESSION: of the object in $TMP/json, which is `o`
value()
{
	python3 -c 'import json, sys
o = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$TMP/json" "$1"
}

# bad: names of bad files
bad()
{
	value "' '.join(sorted({b['path'] for b in o['bad']}))"
}

# ---- a healthy tree, few requests, none of them from the cache
start_proxy
new_bucket
make_k "$TMP/K"
head -c 20000000 /dev/urandom >"$TMP/K/large"
push_tree "$TMP/K" "s3://$BUCKET/" >/dev/null
echo plain >"$TMP/plain"
s3_put K/plain "$TMP/plain"
log_mark
run 0 "s3://$BUCKET/K"
test "$(value "o['files']")" = 244 || fail "files: $(cat "$TMP/json")"
test "$(value "o['plain'], o['unproven']")" = "(1, 0)" || fail "plain"
blobs=$(value "o['blobs']")
# Tree, index, plain object; the large file's blob by a part or two.
test "$(count_requests GET)" -le $((blobs + 7)) || fail "$(log_lines)"
test "$(value "o['bytes_in']")" -gt 20000000 || fail "not from the store"
log_mark
run 0 --list-only "s3://$BUCKET/K"
test "$(count_requests GET .assetfs/)" = 0 || fail "read content"

# ---- a server that cuts and lies
use_store file
dir=${SRC_URL#file://}
mkdir -p "$TMP/T/sub"
for i in 1 2 3; do
	head -c 700000 /dev/urandom >"$TMP/T/sub/$i"
done
head -c 20000000 /dev/urandom >"$TMP/T/large"
echo plain >"$dir/plain"
"$ASSETCTL" push -q "$TMP/T" "$SRC_URL/"
run 0 "$SRC_URL"
test "$(value "o['indexes'], o['plain']")" = "(1, 1)" || fail "$(cat "$TMP/json")"

# blob_of PATH [BLOCK]: sets blob, off, sha
blob_of()
{
	"$ASSETCTL" stat --json "$SRC_URL/T/$1" >"$TMP/json"
	blob=$dir/$(value "o[0]['blocks'][${2:-0}]['blob']")
	off=$(value "o[0]['blocks'][${2:-0}]['frame_offset']")
	sha=$(value "o[0]['blocks'][${2:-0}]['sha256']")
}

# flip FILE OFFSET
flip()
{
	python3 - "$@" <<'END'
import os, sys
os.chmod(sys.argv[1], 0o644)
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([b[0] ^ 1]))
END
}

blob_of large 7
flip "$blob" $((off + 5000))
run 1 "$SRC_URL/T"
test "$(bad)" = large || fail "one block: $(cat "$TMP/json")"
test "$(value "o['bad'][0]['sha256']")" = "$sha" || fail "another block"
grep -q "'large': blob .assetfs/blob/.*, block $sha: " "$TMP/log" ||
	fail "not told: $(cat "$TMP/log")"
run 0 "$SRC_URL/T/sub"
run 0 --list-only "$SRC_URL/T"
flip "$blob" $((off + 5000))
run 0 "$SRC_URL/T"

# A pack: content, its table, its end.
blob_of sub/2
flip "$blob" $((off + 300000))
run 1 "$SRC_URL/T"
grep -q "'sub/2'" "$TMP/log" || fail "content: $(cat "$TMP/log")"
flip "$blob" $((off + 300000))
flip "$blob" $(($(stat -c %s "$blob") - 100))
run 1 "$SRC_URL/T"
test "$(bad)" = "$(cd "$TMP/T" && echo sub/?)" ||
	fail "table: $(cat "$TMP/json")"
flip "$blob" $(($(stat -c %s "$blob") - 100))
cp -p "$blob" "$TMP/save"
truncate -s $((off + 1000)) "$blob"
run 1 "$SRC_URL/T/sub/2"
run 1 --list-only "$SRC_URL/T/sub"
rm "$blob"
run 1 "$SRC_URL/T"
grep -q "'sub/1': blob .* there is no such blob" "$TMP/log" ||
	fail "missing: $(cat "$TMP/log")"
grep -q "names a place that is not there" "$TMP/log" ||
	fail "index: $(cat "$TMP/log")"
cp -p "$TMP/save" "$blob"

# A sound pack of the same length in the place of another.
cp -a "$dir" "$TMP/other"
rm -r "$TMP/other/.assetfs" "$TMP/other/T"
for i in 1 2 3; do
	head -c 700000 /dev/urandom >"$TMP/T/sub/$i"
done
"$ASSETCTL" push -q "$TMP/T/sub/" "file://$TMP/other"
cp "$(find "$TMP/other/.assetfs/blob" -type f)" "$blob"
run 1 "$SRC_URL/T/sub"
test "$(bad)" = "1 2 3" || fail "another pack: $(cat "$TMP/json")"
cp -p "$TMP/save" "$blob"

for index in "$dir"/.assetfs/index/*; do break; done
flip "$index" 40
run 1 "$SRC_URL/T"
test "$(bad)" = "${index#"$dir"/}" || fail "index: $(cat "$TMP/json")"
flip "$index" 40
run 0 "$SRC_URL/T"

status=0
"$ASSETCTL" verify "$SRC_URL/none" 2>/dev/null || status=$?
test "$status" = 1 || fail "no source: exit $status"
