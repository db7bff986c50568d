#!/usr/bin/env bash
# What K costs in requests: the first push, again, one file changed, the same
# content from another machine, and cold and warm reads out of a mount. All in
# a bucket whose server is known to keep writers apart.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store rgw
# Near enough that no listing expires while K is read: where something has just
# been pushed, listings are trusted for a second only.
start_proxy --rtt 20

K=$TMP/k
make_k "$K"
mkdir "$TMP/small"
echo "proves the bucket" >"$TMP/small/file"

# at_most COUNT WHAT [KIND|* [PATH]]: requests since the mark
at_most()
{
	local most=$1 what=$2 count
	shift 2
	count=$(count_requests "$@")
	echo "# $what: $count requests${1:+ ($*)}"
	[ "$count" -le "$most" ] ||
		fail "$what: $count requests, more than $most:" \
			"$(log_lines "$@" | cut -f 2-11)"
}

# The same of all requests of a copy out of the mount.
at_most_in_time()
{
	local count
	count=$(count_in_time)
	echo "# $2: $count requests"
	[ "$count" -le "$1" ] ||
		fail "$2: $count requests, more than $1:" \
			"$(log_lines | cut -f 2-11)"
}

new_machine()
{
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
}

same()
{
	test "$(digest "$1")" = "$(digest "$2")" || fail "$2 differs from $1"
}

push_tree "$TMP/small" "$SRC_URL/proof-a/"

log_mark
push_tree "$K"
at_most 16 "first push"
test "$(count_requests PUT .assetfs/blob/)" -gt 0 || fail "no blob was put"

log_mark
push_tree "$K"
at_most 3 "unchanged"
at_most 0 "unchanged" PUT

new_machine
log_mark
mount_bucket
cp -Rp "$MNT/k" "$TMP/cold"
at_most_in_time 10 "cold read"
test "$(count_requests GET .assetfs/blob/)" -gt 0 || fail "no blob was read"
umount_bucket
same "$K" "$TMP/cold"

log_mark
mount_bucket
cp -Rp "$MNT/k" "$TMP/warm"
at_most_in_time 10 "warm read"
at_most 0 "warm read" GET .assetfs/blob/
umount_bucket
same "$K" "$TMP/warm"

new_machine
push_tree "$TMP/small" "$SRC_URL/proof-b/"
log_mark
push_tree "$K" "$SRC_URL/same"
at_most 6 "under another name, another machine"
at_most 0 "under another name, another machine" PUT .assetfs/blob/
test "$(count_bytes up)" -lt 100000 ||
	fail "under another name: $(count_bytes up) bytes up"

file=$(find "$K/assets" -type f | sort | sed -n 100p)
echo "one line more" >>"$file"
log_mark
push_tree "$K"
at_most 7 "one file changed"

new_machine
mount_bucket
same "$K" "$MNT/k"
same "$TMP/cold" "$MNT/same"

# Half of the files anew: their content stands between that of the others in the
# catalog, but not in the packs. Still no request for each file.
find "$K/assets" -type f | sort | sed -n 'n;p' | while read -r file; do
	echo "and another" >>"$file"
done
umount_bucket
push_tree "$K"
new_machine
log_mark
mount_bucket
same "$K" "$MNT/k"
at_most_in_time 20 "cold read, half of the files from a second push"
