#!/usr/bin/env bash
# What cannot be mounted is refused with one line and exit status 1, in the
# foreground and from the background alike.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file
mkdir "$MNT"
touch "$TMP/file"

# refuses TEXT ARGUMENT...
refuses()
{
	local text=$1 status mode
	shift
	for mode in -f ''; do
		status=0
		timeout 60 "$ASSETFS" "$@" -o ro ${mode:+"$mode"} \
			>"$TMP/out" 2>&1 </dev/null || status=$?
		test "$status" = 1 || fail "$*: exit status $status"
		# In the foreground warnings about attempts may stand above.
		tail -n 1 "$TMP/out" | grep -qF -- "$text" ||
			fail "$*: $(cat "$TMP/out")"
		test "$(grep -c 'error: ' "$TMP/out")" = 1 ||
			fail "$*: more than one error: $(cat "$TMP/out")"
		! is_mounted "$MNT" || fail "$*: is mounted"
	done
}

refuses 'usage: assetfs SOURCE MOUNTPOINT'
refuses "unknown option 'frobnicate'" "$SRC_URL" "$MNT" -o frobnicate
refuses "unknown option 'frobnicate'" "$SRC_URL" "$MNT" --frobnicate=1
refuses "does not exist; create it first" "$SRC_URL" "$TMP/none"
refuses "is not a directory" "$SRC_URL" "$TMP/file"
refuses "does not exist" "file://$TMP/none" "$MNT"
refuses "names no bucket" s3:// "$MNT"
refuses "cannot mount 's3://b'" s3://b "$MNT" \
	-o anonymous,endpoint=http://127.0.0.1:1
refuses "passwd_file" s3://b "$MNT" -o passwd_file="$TMP/none"
chmod 777 "$ASSETFS_CACHE_DIR"
refuses "$ASSETFS_CACHE_DIR" "$SRC_URL" "$MNT" \
	-o cache_dir="$ASSETFS_CACHE_DIR"
chmod 700 "$ASSETFS_CACHE_DIR"

mount_bucket
timeout 60 "$ASSETFS" "$SRC_URL" "$MNT" -o ro >"$TMP/out" 2>&1 &&
	fail "mounted twice"
grep -q 'in use by another assetfs' "$TMP/out" || fail "$(cat "$TMP/out")"
ls "$MNT" >/dev/null || fail "the first mount is gone"
umount_bucket

requires_rgw
refuses "test-no-such-bucket" s3://test-no-such-bucket "$MNT" \
	-o endpoint="$ENDPOINT"
new_bucket
AWS_SECRET_ACCESS_KEY=wrong refuses "$BUCKET" "s3://$BUCKET" "$MNT" \
	-o endpoint="$ENDPOINT"
