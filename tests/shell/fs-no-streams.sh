#!/usr/bin/env bash
# Started without standard streams, as by some boot scripts, it mounts all the
# same and the command ends.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file
echo x >"${SRC_URL#file://}/f"
mkdir "$MNT"
umount_if_left()
{
	! is_mounted "$MNT" || fusermount3 -uz "$MNT"
}
cleanup_fn umount_if_left

for option in ttl=1 "dbglevel=info,logfile=$TMP/file.log"; do
	timeout 30 "$ASSETFS" "$SRC_URL" "$MNT" -o "$option" \
		<&- >&- 2>&- || fail "$option: exit $?"
	is_mounted "$MNT" || fail "$option: not mounted"
	pid=$(pgrep -f -- "assetfs $SRC_URL $MNT -o $option")
	record_pid "$pid"
	test "$(cat "$MNT/f")" = x || fail "$option: content"
	fusermount3 -u "$MNT"
	wait_until 20 process_gone "$pid" || fail "$option: $pid stays"
done
grep -q "mounted '$SRC_URL'" "$TMP/file.log" ||
	fail "the log: $(cat "$TMP/file.log")"
