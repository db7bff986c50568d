#!/usr/bin/env bash
# What is there is known by the hash cache where that knows it, else by size and
# time; attributes are mended without the content; blocks of zeros are holes.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

# field NAME: of the summary in $TMP/json
field()
{
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' \
		"$TMP/json" "$1"
}

one_store()
{
	local k=$TMP/$STORE/K out=$TMP/$STORE/out
	mkdir -p "$k"
	head -c 3000000 /dev/urandom >"$k/big"
	echo small >"$k/small"
	truncate -s 300M "$k/hole"
	printf x | dd of="$k/hole" bs=1 seek=150000000 conv=notrunc status=none
	truncate -s 1M "$k/zeros"
	truncate -s 2500000 "$k/odd"
	touch -d '2001-02-03 04:05:06.789' "$k"/*
	"$ASSETCTL" push -q "$k" "$SRC_URL/"
	"$ASSETCTL" pull --json "$SRC_URL/K" "$out/" >"$TMP/json"
	diff <(digest "$k") <(digest "$out/K") || fail "trees differ"
	test "$(du -B1 "$out/K/hole" | cut -f1)" -lt 4000000 || fail "no hole"
	test "$(du -B1 "$out/K/zeros" | cut -f1)" -lt 100000 || fail "no hole (1)"
	test "$(du -B1 "$out/K/odd" | cut -f1)" -lt 1000000 || fail "no hole (2)"

	# Another time, the same content; the same time and size, other content.
	# A push tells the hash cache, if the files have been at rest.
	local inode
	inode=$(stat -c %i "$out/K/big")
	touch -d '2002-03-04' "$out/K/big"
	chmod 600 "$out/K/zeros"
	printf S >"$out/K/x" && tail -c +2 "$k/small" >>"$out/K/x"
	touch -r "$k/small" "$out/K/x"
	mv "$out/K/x" "$out/K/small"
	sleep 3
	"$ASSETCTL" push -q "$out/K" "$SRC_URL/other"
	"$ASSETCTL" pull --json "$SRC_URL/K" "$out/" >"$TMP/json"
	diff <(digest "$k") <(digest "$out/K") || fail "not mended"
	test "$(field files)" = 3 || fail "mended: $(cat "$TMP/json")"
	test "$(field bytes)" = 6 || fail "content was copied"
	test "$(stat -c %i "$out/K/big")" = "$inode" || fail "written anew"

	"$ASSETCTL" pull --json --jobs 2 "$SRC_URL/K" "$out/" >"$TMP/json"
	test "$(field unchanged)" = 5 || fail "$(cat "$TMP/json")"
}
for_each_store one_store
