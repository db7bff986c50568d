#!/usr/bin/env bash
# tables.sh pack|large: the table of contents of a pack, or of the blob of a large
# file, lies, sealed properly: verify says so, pull does not mind, push takes
# nothing false from it, all of it in bounded memory.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3 zstd
K=$TMP/box/K
mkdir "$TMP/box" "$K" "$TMP/bucket"
case $1 in
pack)
	for i in 1 2 L; do
		head -c 300000 /dev/urandom >"$K/$i"
	done
	;;
large) head -c 17000000 /dev/urandom >"$K/L" ;;
esac
push_tree "$K" "file://$TMP/bucket/" -q

# No cache; 300 MB are enough (a sanitizer takes more).
ASSETFS_CACHE_DIR=/dev/null/none python3 "$TOP/tests/gen/hostile_packs.py" \
	"$ASSETCTL" "$TMP/bucket" "$TMP/box" \
	"$([ "${SAN:-}" ] || echo 30000)0" >"$TMP/wrong" || fail "$(cat "$TMP/wrong")"
