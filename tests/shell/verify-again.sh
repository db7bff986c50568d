#!/usr/bin/env bash
# verify reads what came damaged a second time, and checks plain objects by the
# hash that push --plain left.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw
start_proxy
mkdir "$TMP/t"
head -c 80000000 /dev/urandom >"$TMP/t/large"
push_tree "$TMP/t" "$SRC_URL/" -q
"$ASSETCTL" push -q --plain "$TMP/t" "$SRC_URL/plain/"

# flips PATTERN SOURCE: damage in transit is mended, damage that stays is told.
flips()
{
	set_faults "GET $1 1 flip 1000000"
	log_mark
	"$ASSETCTL" verify --json "$2" >"$TMP/json" 2>"$TMP/err" ||
		fail "$2: $(cat "$TMP/json" "$TMP/err")"
	log_lines GET "$1" | grep -q flip || fail "$2: nothing was damaged"
	set_faults "GET $1 * flip 1000000"
	! "$ASSETCTL" verify --json "$2" >"$TMP/json" 2>"$TMP/err" ||
		fail "$2: damage was not found"
	grep -q "$3" "$TMP/json" || fail "$2: $(cat "$TMP/json" "$TMP/err")"
}
flips .assetfs/blob/ "$SRC_URL/t" .bad_count.:1
flips plain/t/large "$SRC_URL/plain" assetfs-hash
set_faults
"$ASSETCTL" verify --json "$SRC_URL/plain" >"$TMP/json"
grep -q '"unproven": *0' "$TMP/json" || fail "$(cat "$TMP/json")"

# The hash also tells where the ETag is no MD5, as in a plain directory.
use_store file
mkdir "${SRC_URL#file://}/plain"
"$ASSETCTL" push -q --plain "$TMP/t" "$SRC_URL/plain/"
"$ASSETCTL" verify -q "$SRC_URL/plain" || fail "a good file"
file=${SRC_URL#file://}/plain/t/large
if getfattr -d "$file" 2>/dev/null | grep -q assetfs-hash; then
	printf x | dd of="$file" bs=1 seek=100 conv=notrunc status=none
	! "$ASSETCTL" verify -q "$SRC_URL/plain" 2>/dev/null ||
		fail "a damaged file"
fi
