#!/usr/bin/env bash
# A tree keeps the pool that it was founded with: a push that does not know of it
# has begun to send to another one, and follows. No pool is ever shown.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

as_another()
{
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.other.XXXXXX") "$@"
}

check()
{
	make_k "$TMP/k.$STORE"
	mkdir "$TMP/one.$STORE"
	echo one >"$TMP/one.$STORE/file"
	push_tree "$TMP/one.$STORE/" "$SRC_URL/" -q -o pool=p
	push_tree "$TMP/k.$STORE" "$SRC_URL/sub/deep/" -q
	as_another "$ASSETCTL" verify -q "$SRC_URL/" || fail "places lead nowhere"
	as_another "$ASSETCTL" pull -q "$SRC_URL/sub/deep" "$TMP/back.$STORE"
	test "$(digest "$TMP/back.$STORE/k.$STORE")" = \
		"$(digest "$TMP/k.$STORE")" || fail "trees differ"
	! "$ASSETCTL" ls -R "$SRC_URL/" | grep -q '^p\|assetfs' ||
		fail "the pool shows"
	# It is that pool where the next one finds all of it.
	as_another "$ASSETCTL" push --json "$TMP/k.$STORE/" "$SRC_URL/again" \
		>"$TMP/json"
	grep -q '"bytes":\([0-9]*\),.*"saved_pool":\1,' "$TMP/json" ||
		fail "sent again: $(cat "$TMP/json")"
}
for_each_store check
