#!/usr/bin/env bash
# A call that waits for a silent server ends at once when its caller is killed,
# even after another signal; that other signal breaks nothing.
. "$(dirname "$0")/lib.sh"
requires_fuse
requires_program python3
use_store rgw
head -c 300000 /dev/urandom >"$TMP/data"
for key in one two three; do
	s3_put "$key" "$TMP/data"
done
start_proxy
mount_bucket "$SRC_URL" "$MNT" retry_timeout=20
ls "$MNT" >/dev/null

# Opens and reads FILE unbuffered, with an alarm (SA_RESTART) if SECONDS.
cat >"$TMP/reader.py" <<'END'
import os, signal, sys
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, False)
if float(sys.argv[2]):
    signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))
fd = os.open(sys.argv[1], os.O_RDONLY)
n = 0
while True:
    data = os.read(fd, 65536)
    if not data:
        break
    n += len(data)
print(n)
END
reader()
{
	python3 "$TMP/reader.py" "$MNT/$1" "$2" >"$TMP/out.$1" 2>&1 &
	READER=$!
	record_pid "$READER"
}
killed_quickly()
{
	local begin=$SECONDS
	kill -KILL "$READER"
	wait_until 4 process_gone "$READER" ||
		fail "$1: still there $((SECONDS - begin)) s after kill -9"
	wait "$READER" 2>/dev/null || :
}

# Metadata and content both stall.
set_faults "* one * stall" "* two * stall"
reader one 0
sleep 1.5
killed_quickly "reading"

# The kernel tells of the alarm only; the kill comes later.
reader two 0.5
sleep 2
process_gone "$READER" && fail "an alarm ended it: $(cat "$TMP/out.two")"
killed_quickly "reading after an alarm"

# An alarm alone: the call goes on to its good end.
set_faults "* three * delay 1500"
reader three 0.5
wait "$READER" || fail "an alarm broke it: $(cat "$TMP/out.three")"
test "$(cat "$TMP/out.three")" = 300000 || fail "$(cat "$TMP/out.three")"

# Nothing waits for ever: what is left ends by retry_timeout.
set_faults "* one * stall"
reader one 0
wait_until 60 process_gone "$READER" || fail "not ended by retry_timeout"
grep -q 'Input/output error' "$TMP/out.one" || fail "$(cat "$TMP/out.one")"
set_faults
cmp "$TMP/data" "$MNT/one" || fail "after the fault"
umount_bucket
