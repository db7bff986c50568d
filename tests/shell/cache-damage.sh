#!/usr/bin/env bash
# Whatever happens to files of the cache, a mount reads what was pushed.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file

K=$TMP/k
make_k "$K"
push_tree "$K"
C=$ASSETFS_CACHE_DIR

# overwrite FILE STEP: 16 bytes of noise every STEP bytes, size unchanged
overwrite()
{
	local size at
	size=$(wc -c <"$1")
	for ((at = 5; at < size; at += $2)); do
		head -c 16 /dev/urandom |
			dd of="$1" bs=1 seek="$at" conv=notrunc status=none
	done
	truncate -s "$size" "$1"
}

read_right()
{
	mount_bucket
	test "$(digest "$MNT/k")" = "$(digest "$K")" || fail "$1: false data"
	umount_bucket
}

# At least one file of that name, or this test would test nothing.
files()
{
	find "$C" -type f -path "$C/$1" -size +0 | grep . ||
		fail "the cache has no $1"
}

read_right "whole cache"

for file in $(files 'segments/*'); do
	overwrite "$file" 100000
done
read_right "segments with noise"
read_right "after segments with noise"

for file in $(files 'segments/*'); do
	truncate -s $(($(wc -c <"$file") / 2)) "$file"
done
read_right "segments cut in half"

files 'segments/*' | xargs rm
read_right "segments gone"

for file in $(files 'catalogs/*'); do
	overwrite "$file" 1000
done
read_right "catalogs with noise"

truncate -s $(($(wc -c <"$(files 'index/data.mdb')") / 2)) "$C/index/data.mdb"
read_right "index cut in half"
read_right "after index cut in half"

overwrite "$(files 'index/data.mdb')" 4096
read_right "index with noise in every page"

: >"$C/index/data.mdb"
read_right "empty index"

rm -r "$C/index"
read_right "no index"

rm -r "${C:?}"/*
read_right "nothing"
