#!/usr/bin/env bash
# mount(8) mounts it by either type, from a table too, with the words that
# stand in tables.
. "$(dirname "$0")/lib.sh"
requires_fuse
[ "$(id -u)" = 0 ] || skip "needs root"
command -v mount.fuse3 >/dev/null || skip "needs mount.fuse3"
if [ -e /sbin/mount.assetfs ] || [ -e /usr/bin/assetfs ]; then
	skip "an installed assetfs is in the way"
fi
use_store file
echo x >"${SRC_URL#file://}/f"

# mount(8) looks for helpers in /sbin, and they for the program in PATH.
ln -s "$TOP/fs/mount.assetfs" /sbin/mount.assetfs
cleanup_fn rm -f /sbin/mount.assetfs
ln -s "$ASSETFS" /usr/bin/assetfs
cleanup_fn rm -f /usr/bin/assetfs

generic=_netdev,nofail,noatime,x-systemd.requires=network.target,comment=ours
cat >"$TMP/fstab" <<END
$SRC_URL $TMP/one assetfs $generic,ro,cache_dir=$ASSETFS_CACHE_DIR 0 0
$SRC_URL $TMP/two fuse.assetfs $generic,allow_other,ttl=5,uid=7,umask=0002,multireq_max=5,cache_dir=$ASSETFS_CACHE_DIR 0 0
$SRC_URL $TMP/three assetfs noauto,ro 0 0
END
mkdir "$TMP/one" "$TMP/two" "$TMP/three"
umount_if_left()
{
	umount -lq "$TMP/one" "$TMP/two" "$TMP/three" "$TMP/four" || :
}
cleanup_fn umount_if_left

mount -a -T "$TMP/fstab" || fail "mount -a: $?"
for dir in one two; do
	is_mounted "$TMP/$dir" || fail "$dir is not mounted"
	test "$(cat "$TMP/$dir/f")" = x || fail "$dir: content"
	grep -q " $TMP/$dir fuse.assetfs ro,nosuid,nodev" /proc/self/mounts ||
		fail "$dir: $(grep " $TMP/$dir " /proc/self/mounts)"
done
! is_mounted "$TMP/three" || fail "noauto is mounted"
grep " $TMP/two " /proc/self/mounts | grep -q allow_other ||
	fail "allow_other is lost"
mount -a -T "$TMP/fstab" || fail "a second mount -a: $?"
mount -t assetfs -o ro "$SRC_URL" "$TMP/three" || fail "mount -t assetfs"
test "$(cat "$TMP/three/f")" = x || fail "three: content"

mkdir "$TMP/four"
mount -t assetfs -o frobnicate "$SRC_URL" "$TMP/four" 2>"$TMP/out" &&
	fail "an unknown word mounts"
grep -q "unknown option 'frobnicate'" "$TMP/out" || fail "$(cat "$TMP/out")"

pids=$(pgrep -f -- "assetfs .*$SRC_URL")
for pid in $pids; do
	record_pid "$pid"
done
for dir in one two three; do
	umount "$TMP/$dir" || fail "umount $dir"
done
for pid in $pids; do
	wait_until 20 process_gone "$pid" || fail "umount leaves $pid"
done
