#!/usr/bin/env bash
# Packed files whose paths are longer than any key of the bucket can be.
. "$(dirname "$0")/lib.sh"
requires_fuse
name=$(printf 'z%.0s' $(seq 200))
mkdir "$TMP/w"
cd "$TMP/w"
for i in 1 2 3 4 5 6 7 8; do
	mkdir "$name"
	echo "$i" >"file$i"
	cd "$name"
done
echo deep >leaf
cd "$TMP"

check()
{
	push_tree "$TMP/w"
	mount_bucket
	(cd "$TMP/w" && find . -type f -exec cat {} + | sort) >"$TMP/want"
	(cd "$MNT/w" && find . -type f -exec cat {} + | sort) >"$TMP/got"
	cmp "$TMP/want" "$TMP/got" || fail "not all can be read"
}
for_each_store check
