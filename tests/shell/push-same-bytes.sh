#!/usr/bin/env bash
# The same input with the same ids and times gives the same bytes: of packs,
# large files, indexes, shards and trees, whatever the number of jobs, and
# wherever the tree lies.
. "$(dirname "$0")/lib.sh"
[ -z "${SAN:-}" ] || skip "a sanitizer wants to be the first library"
requires_program "${CC:-cc}" "$ASSETCTL" "$BUILD/gen/many"
"${CC:-cc}" -shared -fPIC -O1 -o "$TMP/same_ids.so" "$TOP/tests/shim/same_ids.c"

mkdir "$TMP/here"
make_k "$TMP/here/in"
head -c 20000000 /dev/urandom >"$TMP/here/in/large" # a blob of its own
head -c 9000000 /dev/urandom >"$TMP/here/in/packed"
ln -s nowhere "$TMP/here/in/link"
mkdir "$TMP/here/in/empty"
"$BUILD/gen/many" "$TMP/here/in/many" 17000 # makes shards
cp -a "$TMP/here" "$TMP/there"

# push_one NAME TREE [ARGUMENT...]: into a directory of that name, by another
# machine
push_one()
{
	local name=$1 tree=$2
	shift 2
	rm -rf "${TMP:?}/$name" "${TMP:?}/$name.cache"
	mkdir "$TMP/$name"
	ASSETFS_CACHE_DIR=$TMP/$name.cache LD_PRELOAD=$TMP/same_ids.so \
		"$ASSETCTL" push -q "$@" "$tree/in" "file://$TMP/$name/"
}

# The time stands in the trees; the names of indexes have it too.
time_of()
{
	"$ASSETCTL" log --json "file://$TMP/$1/in" |
		grep -o '"version":2,"commit_time":[0-9]*'
	find "$TMP/$1/.assetfs/index" -type f -printf '%f\n'
}

# Two at once, until both have committed in the same second. One may be slower.
for try in {1..30} none; do
	[ "$try" != none ] || fail "never in the same second"
	push_one a "$TMP/here" --jobs 1 &
	sleep "0.$((try % 4 * 2))"
	push_one b "$TMP/there" --jobs 32
	wait "$!" || fail "push"
	[ "$(time_of a)" != "$(time_of b)" ] || break
done
# What a bucket in a directory keeps for its writers is no content.
rm -rf "$TMP"/[ab]/.assetfs/{tmp,clock}
(cd "$TMP/a" && find . -type f | LC_ALL=C sort) >"$TMP/names"
for kind in /blob/ /index/ /shard/ .assetfs-tree-; do
	grep -q -- "$kind" "$TMP/names" || fail "no $kind: $(cat "$TMP/names")"
done
[ "$(grep -c /blob/ "$TMP/names")" -ge 4 ] || fail "too few blobs"
diff -r "$TMP/a" "$TMP/b" || fail "other bytes"
