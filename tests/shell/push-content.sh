#!/usr/bin/env bash
# What is pushed comes back the same: kinds of entries, modes, times, content.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

make_tree()
{
	local t=$1
	mkdir -p "$t/empty" "$t/deep/er/and/deeper" "$t/odd names"
	: >"$t/zero"
	head -c 1 /dev/urandom >"$t/one"
	head -c 1048576 /dev/urandom >"$t/block"
	head -c 1048577 /dev/urandom >"$t/block and one"
	head -c 3000000 /dev/zero >"$t/zeros"
	cp "$t/block" "$t/deep/twin"
	head -c 17000000 /dev/urandom >"$t/deep/large"
	{
		cat "$t/deep/large"
		head -c 9 /dev/urandom
	} >"$t/deep/er/larger"
	printf 'x' >"$t/odd names/"$'new\nline'
	printf 'y' >"$t/odd names/$(printf 'n%.0s' $(seq 255))"
	printf 'z' >"$t/deep/er/and/deeper/~!@#%^&*()"
	ln -s ../one "$t/deep/link"
	ln -s /nowhere/at/all "$t/dangling"
	chmod 4755 "$t/one"
	chmod 0 "$t/zero"
	chmod 1777 "$t/empty"
	[ "$(id -u)" != 0 ] || chown 12345:54321 "$t/block"
	touch -d '1969-12-31 23:59:58.123456789' "$t/one"
	touch -h -d '2001-02-03 04:05:06.7' "$t/dangling"
	touch -d '2040-01-01 00:00:00.000000001' "$t/deep"
}

check()
{
	local back=$TMP/back.$STORE
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" # makes a store of the directory
	push_tree "$TMP/T" "$SRC_URL/x/" -q
	"$ASSETCTL" pull -q "$SRC_URL/x/T" "$back"
	[ "$(digest "$back")" = "$(digest "$TMP/T")" ] || {
		diff <(digest "$back") <(digest "$TMP/T") || :
		fail "pulled tree differs"
	}
	# Another machine sends no content, and gets the same.
	ASSETFS_CACHE_DIR=$TMP/other.$STORE "$ASSETCTL" push --json \
		"$TMP/T" "$SRC_URL/y" >"$TMP/json"
	grep -q '"saved_pool":'"$(content_bytes "$TMP/T")"',' "$TMP/json" || {
		cat "$TMP/json"
		fail "content was sent twice"
	}
	rm -rf "$back"
	ASSETFS_CACHE_DIR=$TMP/third.$STORE \
		"$ASSETCTL" pull -q "$SRC_URL/y" "$back"
	[ "$(digest "$back")" = "$(digest "$TMP/T")" ] ||
		fail "tree pulled from the second name differs"
}

content_bytes()
{
	find "$1" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }'
}

make_tree "$TMP/T"
for_each_store check
