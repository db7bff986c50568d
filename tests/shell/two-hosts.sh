#!/usr/bin/env bash
# Two hosts, each with a network and a cache of its own: what one has uploaded
# the other does not upload again, and sees in its mount within the ttl.
. "$(dirname "$0")/lib.sh"
requires_fuse
requires_program ip nsenter
[ "$(id -u)" = 0 ] || skip "needs root for network namespaces"
ID=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
NET=198.18.$((ID % 256)) # for benchmarks of networks, so in nobody's way
BRIDGE=afs$ID
ip link add "$BRIDGE" type bridge 2>"$TMP/ip" ||
	skip "needs a bridge: $(cat "$TMP/ip")"
cleanup_fn ip link del "$BRIDGE"
ip addr add "$NET.1/24" dev "$BRIDGE"
ip link set "$BRIDGE" up

# add_host NAME NUMBER: a network namespace, and a directory NAME with the
# programs as they run there. (`ip netns exec` would hide mounts from us.)
add_host()
{
	local name=$1 number=$2 program ns=$BRIDGE-$1
	ip netns add "$ns"
	cleanup_fn ip netns del "$ns"
	ip link add "$BRIDGE$name" type veth peer name eth0 netns "$ns"
	ip link set "$BRIDGE$name" master "$BRIDGE" up
	ip -n "$ns" addr add "$NET.$number/24" dev eth0
	ip -n "$ns" link set lo up
	ip -n "$ns" link set eth0 up
	mkdir -p "$TMP/$name"
	for program in "$ASSETFS" "$ASSETCTL"; do
		printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s %s "$@"\n' \
			"$ns" "$program" >"$TMP/$name/${program##*/}"
	done
	chmod +x "$TMP/$name"/*
	mkdir -m 700 "$TMP/$name/cache"
}

# on NAME: what follows runs on that host.
on()
{
	ASSETFS=$TMP/$1/assetfs
	ASSETCTL=$TMP/$1/assetctl
	ASSETFS_CACHE_DIR=$TMP/$1/cache
}

shows()
{
	test "$(cat "$MNT/$1" 2>/dev/null)" = "$2"
}

add_host a 11
add_host b 12
use_store rgw
start_proxy --listen "$NET.1:0" --rtt 10
set_endpoint "http://$NET.1:${PROXY_URL##*:}"

K=$TMP/k
make_k "$K"
mkdir "$TMP/small"
echo 1 >"$TMP/small/file"

on a
push_tree "$K" "$SRC_URL/from-a"
test "$(count_bytes up)" -gt 5000000 ||
	fail "the proxy saw $(count_bytes up) bytes of A's push"
on b
push_tree "$TMP/small" "$SRC_URL/from-b/" # B may never have pushed before

log_mark
push_tree "$K" "$SRC_URL/also-from-b"
test "$(count_requests PUT .assetfs/blob/)" = 0 || fail "B uploaded content"
test "$(count_bytes up)" -lt 100000 || fail "B sent $(count_bytes up) bytes"

on b
mount_bucket "$SRC_URL" "$MNT" ttl=2
test "$(digest "$MNT/from-a")" = "$(digest "$K")" || fail "B reads other than A"
test "$(digest "$MNT/also-from-b")" = "$(digest "$K")" || fail "B reads its own"

# B's mount has looked at all this just now.
file=$(cd "$K" && find assets -type f | sort | sed -n 50p)
echo "changed on A" >"$K/$file"
echo "new on A" >"$K/assets/new"
on a
push_tree "$K" "$SRC_URL/from-a"
wait_until 4 shows "from-a/$file" "changed on A" ||
	fail "B does not see the change after 4 s"
wait_until 4 shows from-a/assets/new "new on A" ||
	fail "B does not see the new file after 4 s"
test "$(digest "$MNT/from-a")" = "$(digest "$K")" || fail "B reads other than A"
