#!/usr/bin/env bash
# On a terminal pull and verify draw their progress and clear it away; Ctrl-C ends
# them with 130, leaves no temporary file, and the next pull completes it.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3
start_proxy
new_bucket
mkdir "$TMP/K"
head -c 30000000 /dev/urandom >"$TMP/K/large"
for i in $(seq 50); do
	head -c 10000 /dev/urandom >"$TMP/K/$i"
done
push_tree "$TMP/K" "s3://$BUCKET/" >/dev/null
export ASSETFS_CACHE_DIR=$TMP/cache2 TERM=xterm

# on_terminal STATUS ARGUMENT...: of terminal.py
on_terminal()
{
	local status=0 want=$1
	shift
	"$TOP/tests/shell/terminal.py" "$@" || status=$?
	[ "$status" = "$want" ] ||
		fail "$*: exit $status, not $want: $(cat "$TMP/screen")"
}

set_faults 'GET blob * delay 3000'
for verb in pull verify; do
	dest=()
	[ "$verb" = verify ] || dest=("$TMP/out/")
	# Once progress out of a total is drawn the tree is read, and content is
	# being waited for.
	on_terminal 130 --type-at '/[0-9]+ files' "$TMP/screen" \
		"$ASSETCTL" "$verb" "s3://$BUCKET/K" "${dest[@]}"
	grep -qa "$verb .*/[0-9]* files" "$TMP/screen" || fail "$verb: $(cat "$TMP/screen")"
	! grep -q '^verified' "$TMP/screen.shown" ||
		fail "claims what was not done"
	tr -d '\n' <"$TMP/screen.shown" |
		grep -qE '^assetctl: error: interrupted(pulled 0 files,[^:]*)?$' ||
		fail "$verb leaves $(cat "$TMP/screen.shown")"
	test -z "$(find "$TMP/out" -name '.assetctl-*' 2>/dev/null)" ||
		fail "temporary files"
done
set_faults
on_terminal 0 --columns 0 "$TMP/screen" \
	"$ASSETCTL" pull "s3://$BUCKET/K" "$TMP/out/"
diff <(digest "$TMP/K") <(digest "$TMP/out/K") || fail "trees differ"
tr -d '\n' <"$TMP/screen.shown" | grep -qE '^pulled 51 files, 30\.5 MB in .*\$[0-9.]+$' ||
	fail "in the end: $(cat "$TMP/screen.shown")"
on_terminal 0 "$TMP/screen" "$ASSETCTL" pull -q "s3://$BUCKET/K" "$TMP/quiet/"
test ! -s "$TMP/screen" || fail "not quiet: $(cat "$TMP/screen")"
