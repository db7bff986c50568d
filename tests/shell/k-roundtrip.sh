#!/usr/bin/env bash
# K and odder things come back as they were, whichever way they are read: out
# of a mount, by pull, and, where nothing of assetfs is at hand, by tar.
. "$(dirname "$0")/lib.sh"
requires_fuse
requires_program bsdtar zstd

K=$TMP/k
make_k "$K"

# What K has not: links, empty files, names and modes of every kind.
O=$TMP/odd
mkdir -p "$O/empty dir" "$O/sticky" "$O/deep/er/still"
: >"$O/empty"
printf 'x' >"$O/deep/er/still/one byte"
printf '#!/bin/sh\n' >"$O/run me"
head -c 3000000 /dev/urandom >"$O/three blocks"
cp "$O/three blocks" "$O/three blocks again"
printf 'a' >"$O/"$'line\nbreak and \xc3\xa9 and \xff'
printf 'b' >"$O/$(printf 'long-%.0s' {1..50})"
ln -s "three blocks" "$O/link"
ln -s ../.. "$O/deep/er/up"
ln -s /nowhere/at/all "$O/dangling"
chmod 755 "$O/run me"
chmod 400 "$O/empty"
chmod 640 "$O/three blocks"
chmod 1777 "$O/sticky"
chmod 700 "$O/deep"
if [ "$(id -u)" = 0 ]; then
	chown 1234:5678 "$O/three blocks"
	chown -h 1234:5678 "$O/link"
fi
touch -d '1999-12-31 23:59:59.000000001' "$O/empty"
touch -d '2001-02-03 04:05:06.999999999' "$O/three blocks"
touch -h -d '2002-02-03 04:05:06.123456789' "$O/link"
touch -d '1965-04-03 02:01:00.5' "$O/run me"
touch -d '2003-03-03 03:03:03.030303030' "$O/empty dir" "$O/deep/er" "$O"

same()
{
	diff <(digest "$1") <(digest "$2") >"$TMP/diff" ||
		fail "$STORE: $2: $(head -n 20 "$TMP/diff")"
}

# The regular files: all that a pack holds.
files()
{
	(
		cd "$1"
		find . -type f -printf '%P\t%m\t%U:%G\t%T@\n' | sort
		find . -type f -print0 | sort -z | xargs -0 sha256sum
	)
}

# Copies every blob into the directory $1.
get_blobs()
{
	local key
	case $STORE in
	file) cp "${SRC_URL#file://}"/.assetfs/blob/* "$1" ;;
	rgw)
		s3_keys .assetfs%2Fblob%2F | while read -r key; do
			s3_get "$key" >"$1/${key##*/}"
		done
		;;
	esac
}

# Before anything else is pushed: all blobs are packs of K.
tar_gives_k()
{
	local blobs tool out pack said
	blobs=$(mktemp -d "$TMP/blobs.XXXXXX")
	get_blobs "$blobs"
	for tool in "tar --zstd" bsdtar; do
		out=$(mktemp -d "$TMP/tar.XXXXXX")
		for pack in "$blobs"/*; do
			# shellcheck disable=SC2086 # a program and its option
			said=$($tool -C "$out" -xpf "$pack" 2>&1) ||
				fail "$STORE: $tool: $said"
			[ -z "$said" ] || fail "$STORE: $tool: $said"
		done
		diff <(files "$K") <(files "$out") >"$TMP/diff" ||
			fail "$STORE: $tool: $(head -n 20 "$TMP/diff")"
	done
}

roundtrip()
{
	local out
	out=$(mktemp -d "$TMP/out.XXXXXX")
	push_tree "$K"
	tar_gives_k
	push_tree "$O" "$SRC_URL/deep/down/"

	# Another machine
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
	mount_bucket
	# A listing of the root cannot tell, and must not make up, what K has.
	ls -l "$MNT" >"$out/ls"
	test "$(stat -c '%a %y' "$MNT/k")" = "$(stat -c '%a %y' "$K")" ||
		fail "$STORE: after ls: $(stat -c '%a %y' "$MNT/k")"
	same "$K" "$MNT/k"
	same "$O" "$MNT/deep/down/odd"
	test "$(find "$MNT" -maxdepth 1 -printf '%P ' | xargs -n 1 | sort |
		xargs)" = "deep k" || fail "$STORE: $(find "$MNT" -maxdepth 1)"
	cp -Rp "$MNT/k" "$out/copied"
	same "$K" "$out/copied"
	umount_bucket

	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
	"$ASSETCTL" pull "$SRC_URL/k" "$out/"
	"$ASSETCTL" pull "$SRC_URL/deep/down/odd" "$out/pulled"
	same "$K" "$out/k"
	same "$O" "$out/pulled"
	rm -rf "$out"
}

for_each_store roundtrip
