#!/usr/bin/env bash
# A push that is killed at any moment leaves the old tree or, at its very end,
# the new one, never a mixture; the next push completes.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store rgw
start_proxy --rtt 60

K=$TMP/k
mkdir "$TMP/small"
echo "proves the bucket" >"$TMP/small/file"
push_tree "$TMP/small"

requests_seen_or_gone()
{
	[ "$(count_requests)" -ge "$1" ] || process_gone "$2"
}

# push_killed_after REQUESTS DEST: 1 if it came to its end before
push_killed_after()
{
	local pid status=0
	log_mark
	"$ASSETCTL" push -q "$K" "$2" </dev/null &
	pid=$!
	record_pid "$pid"
	wait_until 20 requests_seen_or_gone "$1" "$pid" || fail "hangs"
	kill -KILL "$pid" 2>/dev/null || :
	{ wait "$pid" || status=$?; } 2>/dev/null # "Killed", says bash
	[ "$status" = 0 ] || [ "$status" = 137 ] || fail "push: status $status"
	[ "$status" = 137 ]
}

mounted_digest()
{
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX") mount_bucket
	[ ! -d "$MNT/$1" ] || digest "$MNT/$1"
	umount_bucket
}

killed=0
for requests in 1 3 5 7 9; do
	dest=new-$requests
	rm -rf "$K"
	make_k "$K" "$requests"
	push_killed_after "$requests" "$SRC_URL/$dest" &&
		killed=$((killed + 1))
	now=$(mounted_digest "$dest")
	[ -z "$now" ] || [ "$now" = "$(digest "$K")" ] ||
		fail "killed after $requests requests: part of a new tree"
done
[ "$killed" -ge 3 ] || fail "only $killed pushes of new trees were killed"

# What those pushes left is good or not used.
push_tree "$K" "$SRC_URL/tree"
pushed=("$(digest "$K")") # from what was seen last to the newest
[ "$(mounted_digest tree)" = "${pushed[0]}" ] ||
	fail "the push after those killed"

killed=0
for requests in 1 2 3 4 5; do
	find "$K/assets" -type f | sort | sed -n 'n;p' |
		while read -r file; do
			echo "$requests" >>"$file"
		done
	echo "$requests" >"$K/same-size"
	push_killed_after "$requests" "$SRC_URL/tree" &&
		killed=$((killed + 1))
	pushed+=("$(digest "$K")")
	now=$(mounted_digest tree)
	# A commit may still be on its way when its sender is gone; but what
	# was seen once does not go back.
	while [ ${#pushed[@]} -gt 0 ] && [ "$now" != "${pushed[0]}" ]; do
		pushed=("${pushed[@]:1}")
	done
	[ ${#pushed[@]} -gt 0 ] ||
		fail "killed after $requests requests: no tree that was pushed"
done
[ "$killed" -ge 3 ] || fail "only $killed pushes of changes were killed"
push_tree "$K" "$SRC_URL/tree"
[ "$(mounted_digest tree)" = "$(digest "$K")" ] || fail "the last push"
