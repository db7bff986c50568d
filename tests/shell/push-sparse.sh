#!/usr/bin/env bash
# Holes are neither read nor sent: a file of 100 GiB that is nearly all holes is
# pushed in no time, and what is in it comes back.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file
mkdir "${SRC_URL#file://}/.assetfs"

mkdir "$TMP/s"
truncate -s 100G "$TMP/s/huge" || skip "needs sparse files"
truncate -s 80M "$TMP/s/some"
for at in 0 20 21 79; do
	head -c 700000 /dev/urandom |
		dd of="$TMP/s/some" bs=1M seek="$at" conv=notrunc status=none
done
truncate -s 3000001 "$TMP/s/small"

push_tree "$TMP/s" "$SRC_URL/" --json >"$TMP/json"
sent=$(grep -o '"bytes_out":[0-9]*' "$TMP/json" | cut -d: -f2)
[ "$sent" -lt 20000000 ] || fail "sent $sent bytes"
"$ASSETCTL" ls -l "$SRC_URL/s/huge" | grep -q 107374182400 || fail "size"
for f in some small; do
	"$ASSETCTL" pull -q "$SRC_URL/s/$f" "$TMP/back-$f"
	cmp "$TMP/s/$f" "$TMP/back-$f" || fail "$f differs"
done
