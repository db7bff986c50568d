#!/usr/bin/env bash
# A packed file that is open keeps its version when another is pushed; opened
# anew it is the new one.
. "$(dirname "$0")/lib.sh"
requires_fuse

check()
{
	local k=$TMP/k.$STORE
	mkdir "$k"
	head -c 9000000 /dev/urandom >"$k/f"
	push_tree "$k" >/dev/null
	cp "$k/f" "$TMP/old.$STORE"
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cold.XXXXXX")
	mount_bucket "$SRC_URL" "$MNT" ttl=1
	exec 7<"$MNT/k.$STORE/f"
	head -c 7000000 /dev/urandom >"$k/f"
	push_tree "$k" >/dev/null
	sleep 2.5
	cmp "$k/f" "$MNT/k.$STORE/f" || fail "opened anew, it is not the new version"
	cmp "$TMP/old.$STORE" - <&7 || fail "the open file changed"
	exec 7<&-
	umount_bucket
}
for_each_store check
