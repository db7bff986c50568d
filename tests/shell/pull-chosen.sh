#!/usr/bin/env bash
# --files-from brings the paths of a list and the directories above them;
# --exclude leaves names out.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

names()
{
	(cd "$1" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort | tr '\n' ' ')
}

one_store()
{
	local k=$TMP/$STORE/K out=$TMP/$STORE/out status
	mkdir -p "$k/a/b" "$k/a/c/deep" "$k/cache/x" "$k/a/cache"
	echo 1 >"$k/a/b/1"
	echo 2 >"$k/a/b/2.tmp"
	echo 3 >"$k/a/c/deep/3"
	echo 4 >"$k/top"
	echo 5 >"$k/cache/x/5"
	echo 6 >"$k/a/cache/6"
	echo 7 >"$k/a/"$'new\nline'
	chmod 710 "$k/a"
	touch -d '2001-02-03 04:05:06.789' "$k/a/b" "$k/a/c" "$k/a"
	if [ "$STORE" = file ]; then # plain objects
		cp -Rp "$k" "${SRC_URL#file://}/K"
	else
		"$ASSETCTL" push -q "$k" "$SRC_URL/"
	fi

	printf '%s\n' ./a/b//1 /top a/c/ top a/cache >"$TMP/list"
	"$ASSETCTL" pull -q --files-from "$TMP/list" "$SRC_URL/K" "$out"
	test "$(names "$out")" = \
		"a a/b a/b/1 a/c a/c/deep a/c/deep/3 a/cache top " ||
		fail "list: $(names "$out")"
	test "$(stat -c '%a %.9Y' "$out/a" "$out/a/b" "$out/a/c")" = \
		"$(stat -c '%a %.9Y' "$k/a" "$k/a/b" "$k/a/c")" ||
		fail "attributes of directories above"
	printf 'a/new\nline\0' |
		"$ASSETCTL" pull -q -0 --files-from - "$SRC_URL/K/" "$out.0"
	test "$(cat "$out.0/a/"$'new\nline')" = 7 || fail "NULs"

	status=0
	printf '%s\n' none a/none/x top >"$TMP/list"
	"$ASSETCTL" pull -q --files-from "$TMP/list" "$SRC_URL/K" "$out.1" \
		>"$TMP/log" 2>&1 || status=$?
	test "$status" = 1 || fail "missing: exit $status"
	grep -q "'none' does not exist" "$TMP/log" || fail "$(cat "$TMP/log")"
	grep -q "'a/none/x' does not exist" "$TMP/log" || fail "$(cat "$TMP/log")"
	test "$(cat "$out.1/top")" = 4 || fail "the rest was not copied"

	for bad in ../x a/../../x; do
		echo "$bad" >"$TMP/list"
		status=0
		"$ASSETCTL" pull -q --files-from "$TMP/list" "$SRC_URL/K" \
			"$out.2" 2>/dev/null || status=$?
		test "$status" = 1 || fail "$bad: exit $status"
	done
	test ! -e "$out.2" || fail "unsafe paths made something"

	"$ASSETCTL" pull -q --exclude '*.tmp' --exclude /cache --exclude 'a/c/' \
		"$SRC_URL/K" "$out.3"
	test "$(names "$out.3" | tr '\n' ' ')" = \
		"a a/b a/b/1 a/cache a/cache/6 a/new line top " ||
		fail "exclude: $(names "$out.3")"
	printf '%s\n' a/b/ top >"$TMP/list"
	"$ASSETCTL" pull -q --exclude '*.tmp' --files-from "$TMP/list" \
		"$SRC_URL/K" "$out.4"
	test "$(names "$out.4")" = "a a/b a/b/1 top " ||
		fail "both: $(names "$out.4")"
}
for_each_store one_store
