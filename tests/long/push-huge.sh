#!/usr/bin/env bash
# A huge file is pushed, pushed again with 1 % of it changed, and comes back, all
# within a bounded memory. 6 GiB, 1 GiB on RGW.
. "$(dirname "$0")/../shell/lib.sh"
requires_program "$ASSETCTL"
MIB=1048576
MEMORY_KB=$((256 << 10))

# watched COMMAND...: runs it; it must not take more memory of its own
watched()
{
	local pid peak=0 now
	"$@" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		now=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status" \
			2>/dev/null || :)
		[ "${now:-0}" -le "$peak" ] || peak=$now
		sleep 0.05
	done
	wait "$pid" || fail "$*"
	echo "# $peak KiB: $(basename "$1") $2"
	[ "$peak" -le "$MEMORY_KB" ] || fail "$peak KiB: $*"
}

# sent: bytes, of the last push
sent()
{
	grep -o '"bytes_out":[0-9]*' "$TMP/json" | cut -d: -f2
}

check()
{
	local f=$TMP/huge blocks
	blocks=$([ "$STORE" = rgw ] && echo 1024 || echo 6144)
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" "$SRC_URL/" -q # makes a store of it
	head -c "$((blocks * MIB))" /dev/urandom >"$f"
	watched "$ASSETCTL" push --json "$f" "$SRC_URL/x/f" >"$TMP/out"
	grep '^#' "$TMP/out"

	for i in $(seq 1 $((blocks / 100))); do
		printf x | dd of="$f" bs=1 seek=$((i * 100 * MIB - 7)) \
			conv=notrunc status=none
	done
	watched "$ASSETCTL" push --json "$f" "$SRC_URL/x/f" >"$TMP/json"
	grep '^#' "$TMP/json"
	[ "$(sent)" -lt $(((blocks / 100 + 1) * MIB)) ] ||
		fail "sent $(sent) bytes"
	# Another machine sends no content.
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
	watched "$ASSETCTL" push --json "$f" "$SRC_URL/y/f" >"$TMP/json"
	[ "$(sent)" -lt $MIB ] || fail "sent $(sent) bytes to another name"

	watched "$ASSETCTL" pull -q "$SRC_URL/y/f" "$TMP/back"
	cmp "$f" "$TMP/back" || fail "it came back as another"
	rm "$f" "$TMP/back"
}
for_each_store check
