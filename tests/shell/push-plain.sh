#!/usr/bin/env bash
# push --plain: each file an object at its path, which other tools can read, with
# what is needed to see that it is unchanged; packed files of the same names give
# way for good.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

# push ARGUMENT...: into JSON
push()
{
	"$ASSETCTL" push --plain --json "$@" >"$TMP/json" || fail "push $*"
}

# said NAME VALUE: of the last push
said()
{
	grep -q "\"$1\":$2[,}]" "$TMP/json" || fail "$1 is not $2: $(cat "$TMP/json")"
}

same()
{
	rm -rf "$TMP/back"
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.back.XXXXXX") \
		"$ASSETCTL" pull -q "$1" "$TMP/back"
	[ "$(digest "$TMP/back")" = "$(digest "$2")" ] || {
		diff <(digest "$TMP/back") <(digest "$2") || :
		fail "$1 differs"
	}
}

check()
{
	local t=$TMP/t.$STORE u=$SRC_URL
	mkdir -p "$t/dir/deep" "$t/empty"
	echo one >"$t/a b+c&d"
	echo two >"$t/dir/two"
	: >"$t/dir/deep/zero"
	head -c 40000000 /dev/urandom >"$t/dir/large"
	ln -s ../'a b+c&d' "$t/dir/link"
	chmod 4750 "$t/dir/two"
	chmod 700 "$t/empty"
	touch -d '1969-12-31 23:59:58.5' "$t/dir/two"
	touch -d '2001-02-03 04:05:06.123456789' "$t/dir/deep" "$t/empty"
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" "$u/" -q # makes a store of it

	push "$t/" "$u/x"
	said unchanged 0
	same "$u/x" "$t"
	if [ "$STORE" = rgw ]; then
		s3_get x/dir/large | cmp - "$t/dir/large" || fail "no object"
		s3_keys x%2F | grep -qx 'x/empty/' || fail "no marker"
		s3_keys x%2F | grep -q assetfs-tree && fail "founded a tree"
	fi

	# Unchanged: nothing is written. Attributes alone: no content moves.
	push "$t/" "$u/x"
	said unchanged 4
	said PUT 0
	said COPY 0
	said UPLOAD_START 0
	chmod 600 "$t/dir/large"
	echo TWO >"$t/dir/two"
	sleep 3 # so that the cache believes what it knows of directories
	"$ASSETCTL" push --plain -q "$t/" "$u/x" --dry-run
	"$ASSETCTL" push --plain "$t/" "$u/x" --dry-run >"$TMP/out"
	grep -qx 'attributes   dir/large' "$TMP/out" || fail "$(cat "$TMP/out")"
	grep -qx 'changed      dir/two' "$TMP/out" || fail "$(cat "$TMP/out")"
	push "$t/" "$u/x"
	said COPY 1
	# What is put into a directory that is the store changes its time.
	[ "$STORE" = file ] || said PUT 1
	said UPLOAD_START 0
	same "$u/x" "$t"

	# Over packed files of the same names, which do not come back.
	push_tree "$t/" "$u/y" -q
	echo three >"$t/dir/two"
	push "$t/" "$u/y"
	same "$u/y" "$t"
	if [ "$STORE" = rgw ]; then
		s3_curl DELETE "/$BUCKET/y/dir/two"
		sleep 1
		! "$ASSETCTL" ls "$u/y/dir" | grep -qx two ||
			fail "the packed file came back"
	fi
	push "$t/dir/two" "$u/y/dir/"
	# And hidden by packed ones: the same content has to be written again.
	echo four >"$t/dir/two"
	push "$t/" "$u/z"
	mv "$t/dir/two" "$TMP/two"
	echo packed >"$t/dir/two"
	push_tree "$t/" "$u/z" -q
	mv "$TMP/two" "$t/dir/two"
	push "$t/" "$u/z"
	same "$u/z" "$t"

	rm -r "$t/dir/deep" "$t/dir/large"
	push "$t/" "$u/z" --delete
	said removed 2
	same "$u/z" "$t"
}
for_each_store check

# Names that are no keys, before anything is sent.
use_store rgw
mkdir "$TMP/names"
touch "$TMP/names/good" "$TMP/names/"$'\xff'
long=$(printf 'n%.0s' $(seq 250))
mkdir -p "$TMP/names/$long/$long/$long/$long/$long"
! "$ASSETCTL" push -q --plain "$TMP/names" "$SRC_URL/" 2>"$TMP/err" ||
	fail "not refused"
grep -q 'not UTF-8' "$TMP/err" || fail "$(cat "$TMP/err")"
grep -q 'too long' "$TMP/err" || fail "$(cat "$TMP/err")"
[ -z "$(s3_keys)" ] || fail "something was sent: $(s3_keys)"
