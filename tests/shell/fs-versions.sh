#!/usr/bin/env bash
# A file replaced while it is open is never a mixture: whoever opens it anew
# reads the new version, whoever has it open the old one, or ESTALE.
. "$(dirname "$0")/lib.sh"
requires_fuse
requires_program python3
use_store file
dir=${SRC_URL#file://}

# Each byte of a version is its letter.
fill()
{
	head -c "$2" /dev/zero | tr '\0' "$1" >"$dir/.new"
	mv "$dir/.new" "$dir/f"
}

# Opens, reads the beginning, waits for a line, reads all of it; prints the
# letters seen and the size, or the errno.
cat >"$TMP/hold.py" <<'END'
import errno, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
seen = set(os.pread(fd, 4096, 0).decode())
print("open", flush=True)
sys.stdin.readline()
size = os.fstat(fd).st_size
try:
    off = 0
    while off < size:
        data = os.pread(fd, 65536, off)
        if not data:
            seen.add("short")
            break
        seen |= set(data.decode())
        off += len(data)
    print(" ".join(sorted(seen)), size)
except OSError as e:
    print(" ".join(sorted(seen)), errno.errorcode[e.errno])
END

for ttl in 0 1; do
	fill a 20000000
	mount_bucket "$SRC_URL" "$MNT" "ttl=$ttl"
	coproc HOLD { python3 "$TMP/hold.py" "$MNT/f"; }
	record_pid "$HOLD_PID"
	read -r line <&"${HOLD[0]}"
	test "$line" = open || fail "cannot open: $line"
	fill b 3000000
	sleep "$((2 * ttl))"
	test "$(tr -d b <"$MNT/f" | wc -c)" = 0 ||
		fail "ttl=$ttl: old bytes for a new reader"
	test "$(stat -c %s "$MNT/f")" = 3000000 || fail "ttl=$ttl: old size"
	echo go >&"${HOLD[1]}"
	read -r line <&"${HOLD[0]}"
	case $line in
	'a 20000000' | 'a ESTALE') ;;
	*) fail "ttl=$ttl: the old handle saw '$line'" ;;
	esac
	wait "$HOLD_PID" || :

	# Shrunk, grown, gone, a directory.
	fill c 100
	sleep "$((2 * ttl))"
	test "$(cat "$MNT/f")" = "$(cat "$dir/f")" || fail "ttl=$ttl: shrunk"
	fill d 5000000
	sleep "$((2 * ttl))"
	cmp "$MNT/f" "$dir/f" || fail "ttl=$ttl: grown"
	rm "$dir/f"
	sleep "$((2 * ttl))"
	test ! -e "$MNT/f" || fail "ttl=$ttl: removed, and still there"
	mkdir "$dir/f"
	echo x >"$dir/f/x"
	sleep "$((2 * ttl + ttl))"
	test "$(cat "$MNT/f/x")" = x || fail "ttl=$ttl: a directory now"
	rm -r "$dir/f"
	umount_bucket
done
