#!/usr/bin/env bash
# A path that both another tool and a push have written shows what was written
# last, both ways, and what a push has replaced is gone for other tools too.
. "$(dirname "$0")/lib.sh"
requires_fuse

# What any other tool does. Keys need no encoding here.
put_plain()
{
	local key=$1
	case $STORE in
	file)
		mkdir -p "$(dirname "${SRC_URL#file://}/$key")"
		cp "$TMP/plain" "${SRC_URL#file://}/$key.new"
		mv "${SRC_URL#file://}/$key.new" "${SRC_URL#file://}/$key"
		;;
	rgw) s3_put "$key" "$TMP/plain" ;;
	esac
}

# Plain objects at their own names, without what assetfs keeps for itself.
plain_keys()
{
	case $STORE in
	file) (cd "${SRC_URL#file://}" && find . -type f -printf '%P\n') ;;
	rgw) s3_keys ;;
	esac | grep -v '\.assetfs' | sort | tr '\n' ' '
}

shows()
{
	test "$(cat "$MNT/$1")" = "$2"
}

# must_show PATH CONTENT: now or, as the mount has it, at the latest in 3 s
must_show()
{
	wait_until 3 shows "$1" "$2" ||
		fail "$STORE: $1 is '$(cat "$MNT/$1")', not '$2'"
}

claims()
{
	rm -rf "$TMP/t"
	mkdir -p "$TMP/t/sub"
	echo "packed a" >"$TMP/t/a"
	echo "packed b" >"$TMP/t/b"
	echo "packed c" >"$TMP/t/sub/c"
	echo plain >"$TMP/plain"
	touch -d '2020-02-02' "$TMP/t/a" "$TMP/t/b" "$TMP/t/sub/c"
	push_tree "$TMP/t"
	mount_bucket "$SRC_URL" "$MNT" ttl=1
	must_show t/a "packed a"

	# Beside packed files, in a directory of its own, and over packed ones.
	# Times count in whole seconds; a tie is the plain object's.
	put_plain t/new
	put_plain elsewhere/new
	put_plain t/a
	put_plain t/sub/c
	must_show t/new plain
	must_show elsewhere/new plain
	must_show t/a plain
	must_show t/sub/c plain
	must_show t/b "packed b"
	test "$(cd "$MNT/t" && find . | sort | tr '\n' ' ')" = \
		". ./a ./b ./new ./sub ./sub/c " || fail "$STORE: find"

	# The same source again: that it wins is this push's doing.
	sleep 1.1
	push_tree "$TMP/t"
	must_show t/a "packed a"
	must_show t/sub/c "packed c"
	must_show t/new plain
	test "$(plain_keys)" = "elsewhere/new t/new " ||
		fail "$STORE: left: $(plain_keys)"

	# And once more from the other side.
	sleep 1.1
	put_plain t/a
	must_show t/a plain
	umount_bucket
	mount_bucket
	must_show t/a plain
	"$ASSETCTL" pull "$SRC_URL/t" "$TMP/pulled.$STORE"
	test "$(cat "$TMP/pulled.$STORE"/{a,b,new,sub/c} | tr '\n' ,)" = \
		"plain,packed b,plain,packed c," || fail "$STORE: pull"
}

for_each_store claims
