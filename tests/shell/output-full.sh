#!/usr/bin/env bash
# What a verb prints and cannot write, to a full disk or a closed stdout, is an
# error with exit status 1, whatever it prints.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
[ -w /dev/full ] || skip "needs /dev/full"
use_store file
mkdir "$TMP/t"
echo x >"$TMP/t/f"
push_tree "$TMP/t" "$SRC_URL/" -q

# refused ARGUMENT...: with both, and nothing else is wrong.
refused()
{
	local to status
	"$ASSETCTL" "$@" >"$TMP/out" 2>"$TMP/err" </dev/null ||
		fail "$*: exit $?: $(cat "$TMP/err")"
	[ -s "$TMP/out" ] || fail "$*: prints nothing"
	for to in full closed; do
		status=0
		if [ "$to" = full ]; then
			"$ASSETCTL" "$@" >/dev/full 2>"$TMP/err" </dev/null
		else
			"$ASSETCTL" "$@" >&- 2>"$TMP/err" </dev/null
		fi || status=$?
		[ "$status" = 1 ] || fail "$*: $to: exit $status"
		grep -q "cannot write the output" "$TMP/err" ||
			fail "$*: $to: $(cat "$TMP/err")"
	done
}

for json in '' --json; do
	refused push ${json:+$json} "$TMP/t" "$SRC_URL/"
	refused push -n ${json:+$json} "$TMP/t" "$SRC_URL/new"
	refused pull ${json:+$json} "$SRC_URL/t" "$TMP/out-t"
	refused ls ${json:+$json} "$SRC_URL/t"
	refused stat ${json:+$json} "$SRC_URL/t/f"
	refused verify ${json:+$json} "$SRC_URL"
	refused log ${json:+$json} "$SRC_URL/t"
	refused log --restore 2 ${json:+$json} "$SRC_URL/t"
	refused gc ${json:+$json} "$SRC_URL"
	refused doctor ${json:+$json} "$SRC_URL"
	refused rm -rn ${json:+$json} "$SRC_URL/t"
done
refused ls -l "$SRC_URL/t"
refused ls --format=mtree "$SRC_URL/t"
refused push --help
refused --help
refused --version

# Nothing to print, nothing to write.
"$ASSETCTL" push -q "$TMP/t" "$SRC_URL/" >&- || fail "quiet: exit $?"
"$ASSETCTL" push -q "$TMP/t" "$SRC_URL/" >/dev/full || fail "quiet: exit $?"
