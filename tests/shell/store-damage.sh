#!/usr/bin/env bash
# Damage in the bucket: what it hit cannot be read, and that is said; all else
# is as it was. Nothing false is ever served.
. "$(dirname "$0")/lib.sh"
requires_fuse

T=$TMP/t
mkdir "$T"
for i in 1 2 3 4 5 6; do
	head -c 900000 /dev/urandom >"$T/large$i"
done
echo small >"$T/small"
touch -d '2020-02-02' "$T"/*

get_key() # KEY
{
	case $STORE in
	file) cat "${SRC_URL#file://}/$1" ;;
	rgw) s3_get "$1" ;;
	esac
}

put_key() # KEY FILE
{
	case $STORE in
	file)
		cp "$2" "${SRC_URL#file://}/new"
		mv "${SRC_URL#file://}/new" "${SRC_URL#file://}/$1"
		;;
	rgw) s3_put "$1" "$2" ;;
	esac
}

# flipped FILE OFFSET: to stdout, with that byte changed
flipped()
{
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
	head -c "$2" "$1"
	# shellcheck disable=SC2059 # an octal escape
	printf "\\$(printf %03o $((byte ^ 255)))"
	tail -c "+$(($2 + 2))" "$1"
}

new_machine()
{
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
}

# Every file is right or cannot be read; sets RIGHT and WRONG to their number.
look_at() # DIR
{
	local file
	RIGHT=0 WRONG=0
	for file in "$T"/*; do
		if cat "$1/${file##*/}" >"$TMP/read" 2>"$TMP/said"; then
			cmp "$file" "$TMP/read" || fail "$STORE: false data"
			RIGHT=$((RIGHT + 1))
		else
			grep -q "Input/output error" "$TMP/said" ||
				fail "$STORE: $(cat "$TMP/said")"
			WRONG=$((WRONG + 1))
		fi
	done
}

damaged_pack()
{
	local blob
	for blob in $(store_keys .assetfs/blob/); do
		get_key "$blob" >"$TMP/blob"
		[ "$(wc -c <"$TMP/blob")" -lt 800000 ] || break
	done
	flipped "$TMP/blob" $(($(wc -c <"$TMP/blob") / 2)) >"$TMP/bad"
	put_key "$blob" "$TMP/bad"

	new_machine
	mount_bucket
	look_at "$MNT/t"
	[ "$WRONG $RIGHT" = "1 6" ] ||
		fail "$STORE: $WRONG unreadable, $RIGHT right"
	umount_bucket
	grep -q "${blob##*/}" "$MNT.log" || fail "$STORE: the log does not name it"

	new_machine
	mkdir "$TMP/pulled.$STORE"
	status=0
	"$ASSETCTL" pull "$SRC_URL/t" "$TMP/pulled.$STORE/" 2>"$TMP/said" \
		>"$TMP/out" || status=$?
	[ "$status" = 1 ] || fail "$STORE: pull ended with $status"
	for file in "$T"/*; do
		file=${file##*/}
		cmp -s "$T/$file" "$TMP/pulled.$STORE/t/$file" ||
			{ grep -q "$file" "$TMP/said" &&
				[ ! -e "$TMP/pulled.$STORE/t/$file" ]; } ||
			fail "$STORE: pull: $file: $(cat "$TMP/said")"
	done

	put_key "$blob" "$TMP/blob"
	new_machine
	mount_bucket
	look_at "$MNT/t"
	[ "$RIGHT" = 7 ] || fail "$STORE: mended, but $WRONG are unreadable"
	umount_bucket
}

# check_tree WHAT: nothing can be read, and that is said in one line
check_tree()
{
	local status=0
	new_machine
	"$ASSETCTL" ls -o retry_timeout=2 "$SRC_URL/t" >"$TMP/out" \
		2>"$TMP/said" || status=$?
	[ "$status" = 1 ] || fail "$STORE: $1: ls: $status, $(cat "$TMP/out")"
	[ "$(grep -c "tree" "$TMP/said") $(wc -l <"$TMP/said")" = "1 1" ] ||
		fail "$STORE: $1: ls says $(cat "$TMP/said")"
	mount_bucket "$SRC_URL" "$MNT" retry_timeout=2
	look_at "$MNT/t"
	[ "$RIGHT" = 0 ] || fail "$STORE: $1: $RIGHT files are there"
	umount_bucket
}

damaged_tree()
{
	local key at size
	key=$(store_keys t/.assetfs-tree- | sort | head -n 1) # the newest
	get_key "$key" >"$TMP/tree"
	size=$(wc -c <"$TMP/tree")
	for at in 0 $((size / 3)) $((size - 1)); do
		flipped "$TMP/tree" "$at" >"$TMP/bad"
		put_key "$key" "$TMP/bad"
		check_tree "byte $at of $size"
	done
	head -c $((size / 2)) "$TMP/tree" >"$TMP/bad"
	put_key "$key" "$TMP/bad"
	check_tree "cut in half"

	put_key "$key" "$TMP/tree"
	new_machine
	mount_bucket
	look_at "$MNT/t"
	[ "$RIGHT" = 7 ] || fail "$STORE: mended, but $WRONG are unreadable"
	umount_bucket
}

damage()
{
	push_tree "$T"
	damaged_pack
	damaged_tree
}

for_each_store damage
