#!/usr/bin/env bash
# Each kind of request meets each kind of fault, once and for good: a push, and
# reading in a mount, give what was asked for or fail with a word of why; never
# wrong data. What happens once is mended.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store rgw
start_proxy

T=$TMP/t
mkdir -p "$T/sub"
head -c 700000 /dev/urandom >"$T/large"
echo small >"$T/sub/small"
touch -d '2020-02-02' "$T/large" "$T/sub/small"
head -c 100000 /dev/urandom >"$TMP/plain"
push_tree "$TMP/t" "$SRC_URL/first/" # proves the bucket

umount_forced()
{
	is_mounted "$MNT" || return 0
	fusermount3 -uz "$MNT"
}

# outcome MENDED WHAT STATUS: an operation under a fault has ended; "yes": it
# must have succeeded
outcome()
{
	local mended=$1 what=$2 status=$3
	[ "$status" = 0 ] || [ "$status" = 1 ] ||
		fail "$what: exit status $status: $(cat "$TMP/said")"
	[ "$status" = 0 ] || [ -s "$TMP/said" ] || fail "$what: failed in silence"
	[ "$status" = 0 ] || [ "$mended" = no ] ||
		fail "$what: not mended: $(cat "$TMP/said")"
}

same_file() # WHAT MENDED FILE MOUNTED
{
	local status=0
	timeout 20 cat "$4" >"$TMP/read" 2>"$TMP/said" || status=$?
	outcome "$2" "$1: reading $3" "$status"
	[ "$status" != 0 ] || cmp "$3" "$TMP/read" || fail "$1: $3: wrong data"
}

read_all() # WHAT MENDED
{
	same_file "$1" "$2" "$T/large" "$MNT/t/large"
	same_file "$1" "$2" "$T/sub/small" "$MNT/t/sub/small"
	same_file "$1" "$2" "$TMP/plain" "$MNT/plain"
}

# meets MENDED RULE...: a push, a mount, reading, under that rule
N=0
meets()
{
	local mended=$1 status=0 at pid
	shift
	N=$((N + 1))
	at=try-$N
	set_faults "$@"
	ASSETFS_CACHE_DIR=$TMP/cache timeout 20 "$ASSETCTL" push -q \
		-o retry_timeout=1 "$T" "$SRC_URL/$at/" >"$TMP/out" \
		2>"$TMP/said" </dev/null || status=$?
	outcome "$mended" "$*: push" "$status"
	set_faults

	# Whole or not at all. The reads below need it, and a plain object.
	push_tree "$T" "$SRC_URL/$at/" -q
	s3_put "$at/plain" "$TMP/plain" -H 'x-amz-meta-mode: 33152'
	rm -rf "$TMP/cache-reader"
	mkdir -m 700 "$TMP/cache-reader"
	set_faults "$@"
	mkdir -p "$MNT"
	status=0
	ASSETFS_CACHE_DIR=$TMP/cache-reader timeout 30 "$ASSETFS" \
		"$SRC_URL/$at" "$MNT" -o "ro,retry_timeout=1" \
		-o "logfile=$TMP/mount.log" 2>"$TMP/said" </dev/null ||
		status=$?
	outcome "$mended" "$*: mount" "$status"
	if [ "$status" = 0 ]; then
		read_all "$*" "$mended"
		set_faults
		read_all "after $*" yes
		fusermount3 -u "$MNT"
	fi
	set_faults
}

cleanup_fn umount_forced

for kind in GET LIST PUT HEAD; do
	for fault in 'status 500 InternalError' 'status 503 SlowDown' \
		cut-before 'cut 30' lose-answer close-keepalive; do
		meets yes "$kind $BUCKET 1 $fault"
	done
	for fault in 'status 500 InternalError' 'status 403 AccessDenied'; do
		meets no "$kind $BUCKET * $fault"
	done
done
meets no "PUT $BUCKET * lose-answer"

# A tree that is damaged on its way cannot be read that time. Of a plain object
# nobody could tell.
rule=assetfs
for kind in GET LIST; do
	for nth in 1 '*'; do
		for fault in short 'flip 2' 'flip 200'; do
			meets no "$kind $rule $nth $fault"
		done
	done
	rule=$BUCKET
done
