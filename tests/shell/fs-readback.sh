#!/usr/bin/env bash
# A pushed tree reads back from the mount as it was, on every store.
. "$(dirname "$0")/lib.sh"
requires_fuse
make_k "$TMP/k"

check()
{
	push_tree "$TMP/k" >/dev/null
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cold.XXXXXX")
	mount_bucket
	test "$(digest "$MNT/k")" = "$(digest "$TMP/k")" ||
		fail "the mounted tree differs"
	cp -Rp "$MNT/k/." "$TMP/copy.$STORE"
	test "$(digest "$TMP/copy.$STORE")" = "$(digest "$TMP/k")" ||
		fail "a copy of it differs"
	umount_bucket
}
for_each_store check
