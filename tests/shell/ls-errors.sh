#!/usr/bin/env bash
# What is wrong is told in one line with the right status, and an output that
# cannot be written is no success.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file
mkdir "${SRC_URL#file://}/K"
echo x >"${SRC_URL#file://}/K/f"

# expect STATUS PATTERN ARGUMENT...
expect()
{
	local want=$1 pattern=$2 status=0
	shift 2
	"$ASSETCTL" "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	test "$status" = "$want" || fail "$*: exit $status"
	grep -q -- "$pattern" "$TMP/err" || fail "$*: $(cat "$TMP/err")"
	test "$(wc -l <"$TMP/err")" = 1 || fail "$*: $(cat "$TMP/err")"
}

expect 1 "K/none' does not exist" ls "$SRC_URL/K/none"
expect 1 "none/x' does not exist" pull "$SRC_URL/none/x" "$TMP/x"
expect 1 "no-such" ls "file:///no-such/dir"
expect 2 "SOURCE is missing" ls
expect 2 "one SOURCE" ls "$SRC_URL" "$SRC_URL"
expect 2 "unknown option word 'endpiont'" ls -o endpiont=x "$SRC_URL"
expect 2 "invalid\|unrecognized" ls --no-such-option "$SRC_URL"
expect 2 "mtree only" ls --format=xml "$SRC_URL"
expect 2 "DEST" pull "$SRC_URL/K"
expect 2 "unknown verb 'lst'" lst
expect 2 "which verb"
expect 1 "No such file" pull "$SRC_URL/K" "$TMP/none/dest"

"$ASSETCTL" ls -o allow_other,_netdev,ttl=5 "$SRC_URL" >/dev/null ||
	fail "the words of a mount"
for verb in '' ls pull; do
	# shellcheck disable=SC2086 # no verb, no word
	"$ASSETCTL" $verb --help | grep -q '^usage: assetctl' || fail "help"
done
"$ASSETCTL" --version | grep -q '^assetctl [0-9]' || fail "version"

if [ -w /dev/full ]; then
	status=0
	"$ASSETCTL" ls "$SRC_URL/K" >/dev/full 2>"$TMP/err" || status=$?
	test "$status" = 1 || fail "a full disk is no failure"
	grep -q 'cannot write' "$TMP/err" || fail "not told: $(cat "$TMP/err")"
fi
