#!/usr/bin/env bash
# What is pushed goes into the local cache on the way: a mount with the same
# cache reads all of it, packed and large, without a GET of content.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store rgw
start_proxy

make_k "$TMP/k"
head -c 20000000 /dev/urandom >"$TMP/k/large"
push_tree "$TMP/k" "$SRC_URL/" -q
log_mark
mount_bucket
[ "$(digest "$MNT/k")" = "$(digest "$TMP/k")" ] || fail "trees differ"
[ "$(count_requests GET /.assetfs/blob/)" = 0 ] ||
	fail "fetched content: $(log_lines GET)"
umount_bucket
