#!/usr/bin/env bash
# Copying a pushed tree of small files out of a cold mount takes no more
# requests than its few packs need, and opening one file fetches little else.
. "$(dirname "$0")/lib.sh"
requires_fuse
make_k "$TMP/k"
use_store rgw
push_tree "$TMP/k" >/dev/null
start_proxy --rtt 50

ASSETFS_CACHE_DIR=$TMP/cold
log_mark
mount_bucket
cp -Rp "$MNT/k/." "$TMP/copy"
umount_bucket
test "$(digest "$TMP/copy")" = "$(digest "$TMP/k")" || fail "trees differ"
test "$(count_in_time)" -le 10 || {
	log_lines >&2
	fail "$(count_in_time) requests"
}

# One file, known by name.
file=$(cd "$TMP/k" && find . -type f -size -20k | sort | sed -n 1p)
ASSETFS_CACHE_DIR=$TMP/cold2
log_mark
mount_bucket
cmp "$TMP/k/$file" "$MNT/k/$file" || fail "$file differs"
umount_bucket
test "$(count_bytes down GET blob)" -le $((3 << 20)) || {
	log_lines >&2
	fail "too much for one small file"
}
