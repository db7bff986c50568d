#!/usr/bin/env bash
# Where a pull puts things: slashes, several sources, single files, as cp and
# rsync have it; packed and plain alike.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

one_store()
{
	local k=$TMP/$STORE/K l=$TMP/$STORE/L out=$TMP/$STORE/out status
	mkdir -p "$k/sub" "$l/sub" "$TMP/$STORE/here"
	echo one >"$k/a"
	echo two >"$k/sub/b"
	echo three >"$l/sub/c"
	echo four >"$l/d"
	chmod 750 "$k"
	touch -d '2001-02-03 04:05:06.789' "$k/a" "$k/sub" "$k"
	[ "$STORE" = rgw ] || mkdir "${SRC_URL#file://}/assets"
	"$ASSETCTL" push -q "$k" "$SRC_URL/assets/"
	"$ASSETCTL" push -q "$l" "$SRC_URL/assets/"

	(cd "$TMP/$STORE/here" && "$ASSETCTL" pull -q "$SRC_URL/assets/K" .)
	diff <(digest "$k") <(digest "$TMP/$STORE/here/K") || fail "K to ."
	rm -r "$TMP/$STORE/here"
	mkdir -m 711 "$TMP/$STORE/here"
	(cd "$TMP/$STORE/here" && "$ASSETCTL" pull -q "$SRC_URL/assets/K/" .)
	diff <(digest "$k") <(digest "$TMP/$STORE/here") || fail "K/ to ."
	test "$(stat -c %a "$TMP/$STORE/here")" = 711 ||
		fail "the user's own directory has other rights"
	"$ASSETCTL" pull -q "$SRC_URL/assets/K/" "$out.made"
	diff <(digest "$k") <(digest "$out.made") || fail "K/ to a new one"
	test "$(stat -c '%a %Y' "$out.made")" = "$(stat -c '%a %Y' "$k")" ||
		fail "attributes of a directory that was made"

	# Several; DEST is made.
	"$ASSETCTL" pull --json "$SRC_URL/assets/K" "$SRC_URL/assets/L/d" \
		"$SRC_URL/assets/L/" "$out" >"$TMP/json"
	diff <(digest "$k") <(digest "$out/K") || fail "several: a directory"
	cmp "$l/d" "$out/d" || fail "several: a file"
	cmp "$l/sub/c" "$out/sub/c" || fail "several: contents"
	python3 - "$TMP/json" <<'END' || fail "$(cat "$TMP/json")"
import json, sys
o = json.load(open(sys.argv[1]))
assert o["files"] == 4 and o["unchanged"] == 1, "work of all"
assert o["requests"]["LIST"] >= 3, "requests of all"
END

	# One that is missing does not keep the others away.
	status=0
	"$ASSETCTL" pull -q "$SRC_URL/assets/none" "$SRC_URL/assets/L" \
		"$out.2" >"$TMP/log" 2>&1 || status=$?
	test "$status" = 1 || fail "missing: exit $status"
	grep -q "assets/none' does not exist" "$TMP/log" || fail "not told"
	diff <(digest "$l") <(digest "$out.2/L") || fail "beside a missing one"

	status=0
	"$ASSETCTL" pull -q "$SRC_URL/assets/K/a/" "$out.3" >"$TMP/log" 2>&1 ||
		status=$?
	test "$status" = 1 || fail "a file with a slash: exit $status"
	grep -q "is no directory" "$TMP/log" || fail "$(cat "$TMP/log")"
	test ! -e "$out.3" || fail "made a target for nothing"

	for bad in "--delete $SRC_URL/a $SRC_URL/b" "-0 $SRC_URL/a" \
		"--delete --files-from /dev/null $SRC_URL/a" \
		"--files-from /dev/null $SRC_URL/a $SRC_URL/b" \
		"--jobs 0 $SRC_URL/a" "--jobs x $SRC_URL/a" \
		"--exclude / $SRC_URL/a"; do
		status=0
		# shellcheck disable=SC2086
		"$ASSETCTL" pull $bad "$out.4" 2>/dev/null || status=$?
		test "$status" = 2 || fail "$bad: exit $status"
	done
	test ! -e "$out.4" || fail "wrong usage made something"
}
for_each_store one_store
