#!/usr/bin/env bash
# The doctor of a directory, and of this machine's cache and FUSE.
. "$(dirname "$0")/lib.sh"
use_store file
make_k "$TMP/k"
dir=${SRC_URL#file://}

# doctor STATUS [ARGUMENT...]: exits with it; its lines are in $TMP/says
doctor()
{
	local expected=$1 status=0
	shift
	"$ASSETCTL" doctor "$@" >"$TMP/says" 2>&1 || status=$?
	test "$status" = "$expected" ||
		fail "doctor $*: exit $status: $(cat "$TMP/says")"
}

says()
{
	grep -E "^$1 +$2 " "$TMP/says" | grep -q -- "${3:-}" ||
		fail "no '$1 $2 ${3:-}': $(cat "$TMP/says")"
}

# A pool would change what directories below stand for: none is made.
doctor 0 "$SRC_URL"
says ok put 'not tried'
says ok cache "$ASSETFS_CACHE_DIR"
test -z "$(ls -A "$dir")" || fail "left behind: $(ls -A "$dir")"
if [ -w /dev/fuse ]; then
	says ok fuse
else
	says fail fuse
fi

push_tree "$TMP/k" "$SRC_URL/" -q
doctor 0 "$SRC_URL"
for check in list clock put get condition delete; do
	says ok "$check"
done
find "$dir" -name '*doctor*' >"$TMP/left"
test ! -s "$TMP/left" || fail "left behind: $(cat "$TMP/left")"

doctor 1 "file://$TMP/none"
says fail source 'does not exist'
doctor 1 gs://bucket
says fail source
doctor 2
doctor 2 a b

mkdir -m 755 "$TMP/open"
doctor 1 --cache-dir "$TMP/open" "$SRC_URL"
says fail cache "$TMP/open"
doctor 0 -o cache_size=64M "$SRC_URL"
says warn cache cache_size
