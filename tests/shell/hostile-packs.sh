#!/usr/bin/env bash
# Tables of contents of blobs that lie, each sealed properly: verify says so,
# pull does not mind, push takes nothing false from them, all of it in bounded
# memory.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3 zstd
mkdir "$TMP/box" "$TMP/box/K" "$TMP/bucket"
head -c 17000000 /dev/urandom >"$TMP/box/K/L"
for i in 1 2 3; do
	head -c 300000 /dev/urandom >"$TMP/box/K/$i"
done
push_tree "$TMP/box/K" "file://$TMP/bucket/" -q

# No cache; 300 MB are enough (a sanitizer takes more).
ASSETFS_CACHE_DIR=/dev/null/none python3 "$TOP/tests/gen/hostile_packs.py" \
	"$ASSETCTL" "$TMP/bucket" "$TMP/box" \
	"$([ "${SAN:-}" ] || echo 30000)0" >"$TMP/wrong" || fail "$(cat "$TMP/wrong")"
