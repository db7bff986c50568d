#!/usr/bin/env bash
# Whatever would change something is EROFS, and nothing is changed.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file
dir=${SRC_URL#file://}
mkdir "$dir/d"
echo x >"$dir/f"
before=$(digest "$dir")
mount_bucket

# refused COMMAND...
refused()
{
	"$@" >"$TMP/out" 2>&1 && fail "not refused: $*"
	grep -q 'Read-only file system' "$TMP/out" ||
		fail "$*: $(cat "$TMP/out")"
}
refused touch "$MNT/new"
refused touch "$MNT/f"
refused mkdir "$MNT/d2"
refused rmdir "$MNT/d"
refused rm -f "$MNT/f"
refused mv "$MNT/f" "$MNT/g"
refused ln -s x "$MNT/l"
refused ln "$MNT/f" "$MNT/h"
refused mkfifo "$MNT/p"
refused chmod 600 "$MNT/f"
refused chown 1 "$MNT/f"
refused truncate -s 0 "$MNT/f"
refused dd if=/dev/null of="$MNT/f" conv=notrunc
umount_bucket
test "$(digest "$dir")" = "$before" || fail "something changed"
