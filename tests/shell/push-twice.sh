#!/usr/bin/env bash
# A server in between that repeats a commit makes no second one of it: the
# version that stands there is known as our own.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
requires_program jq
use_store rgw
start_proxy

versions()
{
	"$ASSETCTL" log --json "$SRC_URL/tree" | jq '.versions | length'
}

mkdir "$TMP/tree"
echo 0 >"$TMP/tree/file"
"$ASSETCTL" push "$TMP/tree" "$SRC_URL/" >"$TMP/log" 2>&1 ||
	fail "first push: $(cat "$TMP/log")"
first=$(versions)
for n in 1 2; do
	echo "$n" >"$TMP/tree/file"
	set_faults 'PUT .assetfs-tree- 1 twice'
	"$ASSETCTL" push "$TMP/tree" "$SRC_URL/" >"$TMP/log" 2>&1 ||
		fail "push $n: $(cat "$TMP/log")"
	set_faults
	test "$(cut -f 12 "$PROXY_LOG" | grep -c twice)" = "$n" ||
		fail "push $n: nothing was repeated"
	test "$(versions)" = $((first + n)) || fail "push $n: $(versions) versions"
done
"$ASSETCTL" pull "$SRC_URL/tree" "$TMP/out/" >"$TMP/log" 2>&1 ||
	fail "pull: $(cat "$TMP/log")"
test "$(cat "$TMP/out/tree/file")" = 2 || fail "not the last content"
