#!/usr/bin/env bash
# umount(8) and signals end the process; what a killed one left is replaced.
. "$(dirname "$0")/lib.sh"
requires_fuse
[ "$(id -u)" = 0 ] || skip "needs root"
use_store file
echo x >"${SRC_URL#file://}/f"
mkdir "$MNT"

# The daemon of $MNT, by its command line.
daemon_pid()
{
	pgrep -f -- "^$ASSETFS $SRC_URL $MNT "
}

start()
{
	"$ASSETFS" "$SRC_URL" "$MNT" -o ro >"$TMP/out" 2>&1 </dev/null ||
		fail "$(cat "$TMP/out")"
	pid=$(daemon_pid) || fail "no daemon"
	record_pid "$pid"
	test "$(cat "$MNT/f")" = x || fail "content"
}
umount_if_left()
{
	umount -lq "$MNT" || :
}
cleanup_fn umount_if_left

start
test "$(readlink "/proc/$pid/cwd")" = / || fail "keeps a directory busy"
for fd in 0 1 2; do
	test "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ||
		fail "descriptor $fd is still open"
done
umount "$MNT"
wait_until 20 process_gone "$pid" || fail "umount leaves the process"

for signal in TERM INT HUP; do
	start
	kill "-$signal" "$pid"
	wait_until 20 process_gone "$pid" || fail "SIG$signal does not end it"
	! is_mounted "$MNT" || fail "SIG$signal leaves the mount"
done

# In use when the signal comes: it goes all the same.
start
exec 7<"$MNT/f"
kill "$pid"
wait_until 20 process_gone "$pid" || fail "does not end while in use"
exec 7<&-

start
kill -KILL "$pid"
wait_until 20 process_gone "$pid" || fail "kill -9"
is_mounted "$MNT" || fail "no dead mount to test with"
start
test "$(grep -c " $MNT fuse" /proc/self/mounts)" = 1 ||
	fail "the dead mount is still below"
umount "$MNT"
wait_until 20 process_gone "$pid" || fail "umount leaves the process"
