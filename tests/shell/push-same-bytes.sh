#!/usr/bin/env bash
# The same input with the same ids and times gives the same bytes: of packs,
# large files, indexes, shards and trees, whatever the number of jobs, and
# wherever the tree lies.
. "$(dirname "$0")/lib.sh"
requires_program "${CC:-cc}" "$ASSETCTL" "$BUILD/gen/many"
"${CC:-cc}" -D_GNU_SOURCE -shared -fPIC -O1 -o "$TMP/same_push.so" \
	"$TOP/tests/shim/same_push.c"
# A sanitizer wants to be the first library.
first=$(ldd "$ASSETCTL" | awk '/lib[a-z]*san/ { print $3 }' | tr '\n' :)

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
	mkdir "$TMP/$name"
	ASSETFS_CACHE_DIR=$TMP/$name.cache LD_PRELOAD=$first$TMP/same_push.so \
		"$ASSETCTL" push -q "$@" "$tree/in" "file://$TMP/$name/"
}

push_one a "$TMP/here" --jobs 1
push_one b "$TMP/there" --jobs 32
# What a bucket in a directory keeps for its writers is no content.
rm -rf "$TMP"/[ab]/.assetfs/{tmp,clock}
(cd "$TMP/a" && find . -type f | LC_ALL=C sort) >"$TMP/names"
for kind in /blob/ /index/ /shard/ .assetfs-tree-; do
	grep -q -- "$kind" "$TMP/names" || fail "no $kind: $(cat "$TMP/names")"
done
[ "$(grep -c /blob/ "$TMP/names")" -ge 4 ] || fail "too few blobs"
diff -r "$TMP/a" "$TMP/b" || fail "other bytes"
