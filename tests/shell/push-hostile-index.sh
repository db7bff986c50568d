#!/usr/bin/env bash
# A push does not use an index that lies: it says so and sends what it has.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3
use_store file
"$TOP/tests/gen/hostile.py" --indexes "$TMP/buckets" >"$TMP/cases"
[ "$(wc -l <"$TMP/cases")" -gt 20 ] || fail "too few cases"
mkdir "$TMP/t"
echo "content of f" >"$TMP/t/f"
# No more is read of indexes than there is to send.
head -c 100000 /dev/urandom >"$TMP/t/other"

while read -r name verdict; do
	url=file://$TMP/buckets/$name
	rm -rf "${ASSETFS_CACHE_DIR:?}"/*
	"$ASSETCTL" push --json "$TMP/t" "$url/" >"$TMP/json" 2>"$TMP/log" ||
		fail "$name: $(cat "$TMP/log")"
	saved=$(sed 's/.*"saved_pool"://; s/,.*//' "$TMP/json")
	if [ "$verdict" = good ]; then
		[ "$saved" = 13 ] || fail "$name: $(cat "$TMP/json")"
	else
		[ "$saved" = 0 ] || fail "$name: $(cat "$TMP/json")"
		grep -q 'warning: .*/index/' "$TMP/log" ||
			fail "$name: no word: $(cat "$TMP/log")"
	fi
	rm -rf "${ASSETFS_CACHE_DIR:?}"/* "$TMP/back"
	"$ASSETCTL" pull -q "$url/t" "$TMP/back" || fail "$name: pull"
	[ "$(digest "$TMP/back")" = "$(digest "$TMP/t")" ] ||
		fail "$name: trees differ"
done <"$TMP/cases"
