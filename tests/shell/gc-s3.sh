#!/usr/bin/env bash
# gc on a server whose clock moves: what no tree names goes after two runs, in
# trees, versions and indexes nothing else does; faults while marking and kills
# at any moment do no harm.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" jq
use_store rgw
start_proxy

DAY=86400
SRC=$TMP/src

blobs()
{
	s3_keys .assetfs%2Fblob%2F | wc -l
}

# gc [ARGUMENT...]: the result as JSON
gc()
{
	"$ASSETCTL" gc --json "$@" "$SRC_URL"
}

# field FILTER JSON VALUE MESSAGE
field()
{
	test "$(jq -r "$1" <<<"$2")" = "$3" || fail "$4: $2"
}

pulled()
{
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$SRC_URL/$1" "$TMP/back" && digest "$TMP/back"
}

mkdir "$SRC"
echo "one" >"$SRC/file"
push_tree "$SRC/" "$SRC_URL/kept" -q
echo "two" >"$SRC/file"
push_tree "$SRC/" "$SRC_URL/kept" -q
want=$(digest "$SRC")
echo "three" >"$SRC/file"
push_tree "$SRC/" "$SRC_URL/lost" -q
test "$(blobs)" = 3 || fail "$(blobs) blobs"
# As another tool would.
for key in $(s3_keys lost%2F.assetfs-tree-); do
	s3_curl DELETE "/$BUCKET/$key"
done

result=$(gc)
field .condemned.objects "$result" 0 "a young bucket"
move_clock $((8 * DAY))
log_mark
result=$(gc)
field .condemned.objects "$result" 2 "a blob and its index"
field .deleted.objects "$result" 0 "the first run deletes nothing"
test "$(blobs)" = 3 || fail "the first run deleted"
result=$(gc)
field .deleted.objects "$result" 0 "nor does the next at once"

move_clock $((DAY + 60))
! gc >"$TMP/refused" 2>"$TMP/err" || fail "it asks for no --yes"
grep -q -- --yes "$TMP/err" || fail "says $(cat "$TMP/err")"
test "$(blobs)" = 3 || fail "deleted without --yes"

# A mark that fails deletes nothing, whatever failed.
for rule in 'LIST * 1 403' 'GET kept/.assetfs-tree- * 403' \
	'GET .assetfs/gc/ * 403' 'GET .assetfs/index/ * 403'; do
	set_faults "$rule"
	# The local cache must not help.
	if ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX") gc --yes \
		>"$TMP/out" 2>"$TMP/err"; then
		fail "$rule: $(cat "$TMP/out")"
	fi
	test "$(blobs)" = 3 || fail "$rule: something was deleted"
done

# Killed after any number of requests; the run after that does the rest.
killed=0
for requests in 4 8 10 12; do
	set_faults "* * $requests- stall"
	{
		timeout -s KILL 1 "$ASSETCTL" gc -q --yes "$SRC_URL" ||
			killed=$((killed + 1))
	} >"$TMP/out" 2>&1
	set_faults
	test "$(pulled kept)" = "$want" || fail "killed at $requests"
done
[ "$killed" -ge 2 ] || fail "only $killed were killed"
result=$(gc --yes)
test "$(blobs)" = 2 || fail "after two runs: $(blobs) blobs, $result"
test "$(pulled kept)" = "$want" || fail "the tree that was kept"

# A collector that another one has overtaken stops.
push_tree "$SRC/" "$SRC_URL/lost" -q
for key in $(s3_keys lost%2F.assetfs-tree-); do
	s3_curl DELETE "/$BUCKET/$key"
done
move_clock $((8 * DAY))
gc >/dev/null
move_clock $((DAY + 60))
set_faults 'LIST .assetfs%2Fgc 1 delay 4000'
gc --yes >"$TMP/slow" 2>"$TMP/err" &
slow=$!
sleep 1
set_endpoint "$RGW_ENDPOINT" # with a clock of its own: all is young to it
gc >"$TMP/fast"
set_endpoint "$PROXY_URL"
! wait "$slow" || fail "it did not stop: $(cat "$TMP/slow")"
grep -q 'another collector' "$TMP/err" || fail "says $(cat "$TMP/err")"
test "$(blobs)" = 3 || fail "it has deleted all the same"
set_faults
gc --yes >/dev/null
move_clock $((DAY + 60))
gc --yes >/dev/null
test "$(blobs)" = 2 || fail "$(blobs) blobs at the end"

# A push prunes where its listing shows much to be pruned: no listing more.
for i in $(seq 45); do
	echo "$i" >"$SRC/file"
	push_tree "$SRC/" "$SRC_URL/kept" -q
done
versions=$(s3_keys kept%2F.assetfs-tree- | wc -l)
move_clock $((8 * DAY))
echo "46" >"$SRC/file"
log_mark
push_tree "$SRC/" "$SRC_URL/kept" -q
test "$(count_requests DELETE_MANY)" = 1 || fail "no pruning"
test "$(s3_keys kept%2F.assetfs-tree- | wc -l)" = 11 ||
	fail "of $versions versions $(s3_keys kept%2F.assetfs-tree- | wc -l) stay"
test "$(pulled kept)" = "$(digest "$SRC")" || fail "the tree after pruning"

# What was in a tree before it was removed is kept for a week, then it goes.
"$ASSETCTL" rm -q -r "$SRC_URL/kept"
move_clock $((6 * DAY))
gc --yes >/dev/null
test "$(s3_keys kept%2F.assetfs-tree- | wc -l)" = 10 || fail "gone within a week"
move_clock $((DAY + 60))
gc --yes >/dev/null
test "$(s3_keys kept%2F.assetfs-tree- | wc -l)" = 1 || fail "more than the removal"
move_clock $((DAY + 60))
gc --yes >/dev/null
test "$(blobs)" = 0 || fail "$(blobs) blobs of a removed tree"
