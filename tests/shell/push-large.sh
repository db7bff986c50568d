#!/usr/bin/env bash
# Large files are reused block by block, by anybody, although an index has only
# some of their blocks; and no index larger than what is pushed is fetched.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
MIB=1048576

# from MACHINE ARGUMENT...: push --json with a cache of its own, into JSON
from()
{
	local cache=$TMP/cache.$STORE.$1
	shift
	mkdir -p "$cache"
	chmod 700 "$cache"
	ASSETFS_CACHE_DIR=$cache "$ASSETCTL" push --json "$@" >"$TMP/json" ||
		fail "push $*"
}

# number NAME: of the last push
number()
{
	grep -o "\"$1\":[0-9]*" "$TMP/json" | head -1 | cut -d: -f2
}

# same_as FILE SOURCE
same_as()
{
	rm -f "$TMP/back"
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.back.XXXXXX") \
		"$ASSETCTL" pull -q "$2" "$TMP/back"
	cmp "$1" "$TMP/back" || fail "$2 is not $1"
}

check()
{
	local f=$TMP/large.$STORE
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" "$SRC_URL/" -q # makes a store of it
	head -c $((90 * MIB + 12345)) /dev/urandom >"$f"
	from a "$f" "$SRC_URL/one/file"
	[ "$(number bytes_out)" -gt $((90 * MIB)) ] || fail "$(cat "$TMP/json")"
	same_as "$f" "$SRC_URL/one/file"

	# Another machine, another name: no content. List, tree, index, table.
	from b "$f" "$SRC_URL/two/file"
	[ "$(number bytes_out)" -lt $((64 << 10)) ] || fail "$(cat "$TMP/json")"
	[ "$(number requests_total)" -le 8 ] || fail "$(cat "$TMP/json")"
	same_as "$f" "$SRC_URL/two/file"

	# Three blocks are others, and there is one more: those go up.
	for i in 3 7 50; do
		printf x | dd of="$f" bs=1 seek=$((i * MIB + 99)) conv=notrunc \
			status=none
	done
	head -c $MIB /dev/urandom >>"$f"
	from c "$f" "$SRC_URL/three/file"
	[ "$(number bytes_out)" -lt $((6 * MIB)) ] || fail "$(cat "$TMP/json")"
	same_as "$f" "$SRC_URL/three/file"
	# Of those an index has few again, and a table the rest.
	from d "$f" "$SRC_URL/four/file"
	[ "$(number bytes_out)" -lt $((64 << 10)) ] || fail "$(cat "$TMP/json")"
	same_as "$f" "$SRC_URL/four/file"
	# The tree knows them without any index.
	from e "$f" "$SRC_URL/four/again"
	[ "$(number bytes_out)" -lt $((64 << 10)) ] || fail "$(cat "$TMP/json")"
}
for_each_store check

# What an index has of a large file: the first block, the last, one of 64.
use_store file
store=${SRC_URL#file://}
mkdir "$store/.assetfs"
head -c $((130 * MIB)) /dev/urandom >"$TMP/f"
from a "$TMP/f" "$SRC_URL/x/f"
size=$(stat -c %s "$store"/.assetfs/index/*)
[ "$size" -lt $((24 + 20 * (32 + 9 + 17) + 16 + 32)) ] ||
	fail "index of $size bytes"

# A blob whose table is damaged, or that has gone, is not reused.
blob=$(find "$store/.assetfs/blob" -type f)
truncate -s -10 "$blob"
from b "$TMP/f" "$SRC_URL/y/f" 2>"$TMP/err"
grep -q "not reused as a whole" "$TMP/err" || fail "$(cat "$TMP/err")"
same_as "$TMP/f" "$SRC_URL/y/f"
rm -f "$store"/.assetfs/blob/*
from c "$TMP/f" "$SRC_URL/z/f" 2>"$TMP/err"
same_as "$TMP/f" "$SRC_URL/z/f"

# An index of more bytes than the content to be pushed is left alone.
use_store rgw
start_proxy
mkdir "$TMP/many"
for i in $(seq 2000); do
	echo "$i" >"$TMP/many/$i"
done
from a "$TMP/many" "$SRC_URL/many"
echo new >"$TMP/new"
cat "$TMP/many/77" >>"$TMP/new"
log_mark
from b "$TMP/new" "$SRC_URL/other/new"
[ "$(count_requests GET /index/)" = 0 ] || fail "fetched a large index"
log_mark
from b "$TMP/f" "$SRC_URL/other/f"
[ "$(count_requests GET /index/)" -ge 1 ] || fail "did not look into the index"
