#!/usr/bin/env bash
# Started with its standard streams closed, or read by nobody, a program does
# what it is asked to, and what it prints gets into no file of its own.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file
mkdir "$TMP/s" "$MNT"
head -c 3000000 /dev/urandom >"$TMP/s/f"
mkfifo "$TMP/s/pipe" # is warned of

# Output that cannot be written is a failure, all else is done.
"$ASSETCTL" push "$TMP/s" "$SRC_URL/" <&- >&- 2>&- && fail "push: success"
"$ASSETCTL" pull "$SRC_URL/s" "$TMP/back" <&- >&- 2>&- && fail "pull: success"
cmp "$TMP/s/f" "$TMP/back/f"
"$ASSETCTL" verify -q "$SRC_URL" || fail "something else is in the store"

# With the cache that those have filled, and in the background.
unmount()
{
	! is_mounted "$MNT" || fusermount3 -uz "$MNT"
}
cleanup_fn unmount
for option in ttl=1 "dbglevel=info,logfile=$TMP/file.log"; do
	timeout 60 "$ASSETFS" "$SRC_URL" "$MNT" -o "$option" <&- >&- 2>&- ||
		fail "mount -o $option: $?"
	pid=$(pgrep -f -- "assetfs $SRC_URL $MNT -o $option")
	record_pid "$pid"
	cmp "$TMP/s/f" "$MNT/s/f"
	fusermount3 -u "$MNT"
	wait_until 20 process_gone "$pid" || fail "-o $option: $pid stays"
done
grep -q "mounted '$SRC_URL'" "$TMP/file.log" ||
	fail "the log: $(cat "$TMP/file.log")"

# The warning that it mounts read-only has no reader.
mkfifo "$TMP/fifo"
# shellcheck disable=SC2094
exec 3<>"$TMP/fifo" 4>"$TMP/fifo" 3<&-
"$ASSETFS" "$SRC_URL" "$MNT" -f 2>&4 &
MOUNT_PID[$MNT]=$!
record_pid "$!"
cleanup_fn umount_leftover "$MNT"
exec 4>&-
wait_until 30 mounted_or_dead "$MNT" || fail "not mounted"
is_mounted "$MNT" || fail "ended by a warning that nobody reads"
umount_bucket

for word in --help --version; do
	[ -w /dev/full ] || break
	"$ASSETFS" "$word" >/dev/full 2>&1 && fail "$word: success"
	"$ASSETFS" "$word" 2>/dev/null >&- && fail "$word: success, closed"
	"$ASSETFS" "$word" >/dev/null || fail "$word"
done
