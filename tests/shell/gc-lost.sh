#!/usr/bin/env bash
# A blob that another tool has deleted: what was in it cannot be read, gc says so,
# and whoever pushes the content again heals it.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" jq

# gc [ARGUMENT...]: the result as JSON
gc()
{
	"$ASSETCTL" gc --json "$@" "$SRC_URL" 2>"$TMP/err"
}

lost()
{
	test "$(jq .lost <<<"$1")" = "$2" || fail "$3: $1"
}

check()
{
	local t=$TMP/t.$STORE key
	mkdir "$t" "$t/large"
	for i in $(seq 20); do
		head -c 20000 /dev/urandom >"$t/$i"
	done
	head -c 20000000 /dev/urandom >"$t/large/one"
	push_tree "$t" "$SRC_URL/" -q
	store_keys .assetfs/blob/ >"$TMP/before"
	test "$(wc -l <"$TMP/before")" -ge 2 || fail "$(cat "$TMP/before")"
	result=$(gc)
	lost "$result" 0 "nothing is lost"

	while read -r key; do
		store_delete "$key"
	done <"$TMP/before"
	! "$ASSETCTL" verify -q "$SRC_URL" >/dev/null 2>"$TMP/verify" ||
		fail "verify finds nothing"
	result=$(gc --dry-run)
	lost "$result" "$(wc -l <"$TMP/before")" "a dry run"
	result=$(gc)
	lost "$result" "$(wc -l <"$TMP/before")" "all are lost"
	grep -q 'not in the bucket any more' "$TMP/err" ||
		fail "says $(cat "$TMP/err")"

	# Unchanged as far as the tree says, but it has to be sent.
	push_tree "$t" "$SRC_URL/" -q
	"$ASSETCTL" verify -q "$SRC_URL" || fail "not healed"
	push_tree "$t" "$SRC_URL/again/" -q
	"$ASSETCTL" pull -q "$SRC_URL/again" "$TMP/back.$STORE"
	test "$(digest "$TMP/back.$STORE/t.$STORE")" = "$(digest "$t")" ||
		fail "trees differ"

	# The old version still names them; they are in the way of nobody.
	result=$(gc)
	lost "$result" "$(wc -l <"$TMP/before")" "of the old version"
	push_tree "$t" "$SRC_URL/third/" --json >"$TMP/json"
	test "$(jq .requests.PUT "$TMP/json")" -le 2 ||
		fail "sent once more: $(cat "$TMP/json")"
}
for_each_store check

# A tree that was committed while the bucket was listed names blobs which that
# listing had passed: they are not lost.
use_store rgw
start_proxy
ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
mkdir "$TMP/m" "$TMP/z"
seq 1100 | (cd "$TMP/m" && split -l 1 -a 4 -d - n)
push_tree "$TMP/m" "$SRC_URL/" -q --plain
push_tree "$TMP/z" "$SRC_URL/z/" -q
head -c 300000 /dev/urandom >"$TMP/z/file"
# Of the first page, and of the request that races it when it is late.
set_faults 'LIST * 1-2 delay 4000'
gc >"$TMP/result" &
collector=$!
sleep 1
set_endpoint "$RGW_ENDPOINT"
ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX") \
	push_tree "$TMP/z" "$SRC_URL/z/" -q
wait "$collector" || fail "gc: $(cat "$TMP/err")"
lost "$(cat "$TMP/result")" 0 "uploaded meanwhile"
