#!/usr/bin/env bash
# stat tells where the bytes of a packed and of a plain file stand so that they
# can be read there by hand, what this machine has of them, and asks little.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" zstd

# value EXPRESSION: of the list in $TMP/json, which is `o`
value()
{
	python3 -c 'import json, sys
o = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$TMP/json" "$1"
}

# at_place NUMBER: the bytes of a block of the first file, past our own code
at_place()
{
	local b="o[0]['blocks'][$1]" raw off stored
	off=$(value "${b}['frame_offset']")
	stored=$(value "${b}['frame_stored']")
	s3_get "$(value "${b}['blob']")" >"$TMP/blob"
	tail -c +$((off + 1)) "$TMP/blob" >"$TMP/rest"
	head -c "$stored" "$TMP/rest" >"$TMP/frame"
	raw=$TMP/frame
	if [ "$(value "${b}['codec']")" = zstd ]; then
		zstd -dqcf "$TMP/frame" >"$TMP/raw"
		raw=$TMP/raw
	fi
	tail -c +$(($(value "${b}['offset']") + 1)) "$raw" >"$TMP/rest"
	head -c "$(value "${b}['len']")" "$TMP/rest"
}

start_proxy
new_bucket
SRC_URL=s3://$BUCKET
mkdir -p "$TMP/K/a/b"
head -c 2500000 /dev/urandom >"$TMP/K/a/b/f"
ln -s b/f "$TMP/K/a/l"
touch -d '2001-02-03 04:05:06.789' "$TMP/K/a/b/f"
push_tree "$TMP/K" "$SRC_URL/" >/dev/null
echo plain >"$TMP/plain"
s3_put a/plain "$TMP/plain" -H 'x-amz-meta-mode: 33184'

export ASSETFS_CACHE_DIR=$TMP/cache2
sleep 1.1 # listings are asked for once then, see count_in_time
log_mark
"$ASSETCTL" stat --json "$SRC_URL/K/a/b/f" >"$TMP/json"
test "$(count_requests)" -le 4 || fail "requests: $(log_lines)"
test "$(value "o[0]['mtime_ns']")" = 981173106789000000 || fail "mtime"
test "$(value "o[0]['tree'], o[0]['tree_version'] >= 1")" = "('K/', True)" ||
	fail tree
test "$(value "o[0]['cold_requests']")" = 1 || fail "cost"
test "$(value "any(b['cached'] for b in o[0]['blocks'])")" = False ||
	fail "what this machine has"
for i in 0 1 2; do
	at_place "$i" >"$TMP/block"
	test "$(sha256sum <"$TMP/block" | cut -d' ' -f1)" = \
		"$(value "o[0]['blocks'][$i]['sha256']")" || fail "block $i"
	cat "$TMP/block"
done | cmp - "$TMP/K/a/b/f" || fail "the blocks are not the file"

"$ASSETCTL" pull -q "$SRC_URL/K/a/b/f" "$TMP/f"
"$ASSETCTL" stat --json "$SRC_URL/K/a/b/f" "$SRC_URL/a/plain" \
	"$SRC_URL/K/a/l" "$SRC_URL/K/a" >"$TMP/json"
test "$(value "all(b['cached'] for b in o[0]['blocks'])")" = True ||
	fail "what this machine has now"
test "$(value "o[1]['packed'], o[1]['key'], o[1]['mode'], o[1]['etag']")" = \
	"(False, 'a/plain', '0640', '$(md5sum <"$TMP/plain" | cut -d' ' -f1)')" ||
	fail "plain: $(cat "$TMP/json")"
test "$(value "o[2]['type'], o[2]['target']")" = "('symlink', 'b/f')" ||
	fail "link"
test "$(value "o[3]['type'], 'blocks' in o[3]")" = "('dir', False)" ||
	fail "directory"

"$ASSETCTL" stat "$SRC_URL/K/a/b/f" >"$TMP/text"
grep -q '^blocks:   3, 3 of them in the cache$' "$TMP/text" || fail "text"
grep -q '^mtime:    2001-02-03T04:05:06.789000000$' "$TMP/text" || fail "time"

status=0
"$ASSETCTL" stat "$SRC_URL/K/none" "$SRC_URL/a/plain" >"$TMP/text" \
	2>"$TMP/log" || status=$?
test "$status" = 1 || fail "missing: exit $status"
grep -q "K/none' does not exist" "$TMP/log" || fail "missing: $(cat "$TMP/log")"
grep -q 'a/plain' "$TMP/text" || fail "the other was not told"
