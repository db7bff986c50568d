#!/usr/bin/env bash
# From a fresh Debian 12 to a mounted bucket: installs what is needed, builds,
# pushes a tree of 242 files, mounts the bucket, copies the tree out of it,
# pulls it too, and compares. Needs root for installing and mounting only.
#
#   tests/quickstart.sh
#       the bucket is a temporary directory; no server, no account
#   tests/quickstart.sh --bucket NAME [--endpoint URL] [--region R]
#       a bucket that exists, on AWS or another S3 server, with the keys in
#       AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. What stands there stays
#       as it is; all goes below a new prefix.
#
# Exits with 0 only if every copy is what was pushed.
set -euo pipefail
cd "$(dirname "$0")/.."

usage()
{
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "tests/${0##*/}"
	exit "$1"
}

BUCKET=
while [ $# -gt 0 ]; do
	case $1 in
	--bucket) BUCKET=${2?--bucket NAME}; shift ;;
	--endpoint) export AWS_ENDPOINT_URL=${2?--endpoint URL}; shift ;;
	--region) export AWS_REGION=${2?--region R}; shift ;;
	-h | --help) usage 0 ;;
	*) usage 2 >&2 ;;
	esac
	shift
done
if [ -z "$BUCKET" ] && [ -n "${AWS_ENDPOINT_URL:-}${AWS_REGION:-}" ]; then
	echo "quickstart.sh: no --bucket: a directory serves as one"
fi
if [ -n "$BUCKET" ] && [ -z "${AWS_ACCESS_KEY_ID:-}" ]; then
	echo "quickstart.sh: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	exit 2
fi >&2

WORK=$(mktemp -d "${TMPDIR:-/tmp}/assetfs-quickstart.XXXXXX")
MNT=$WORK/mnt
MOUNT_PID=

finish()
{
	local status=$?
	trap - EXIT
	cd /
	if [ -n "$MOUNT_PID" ]; then
		fusermount3 -uz "$MNT" 2>/dev/null || :
		kill "$MOUNT_PID" 2>/dev/null || :
		wait "$MOUNT_PID" 2>/dev/null || :
	fi
	rm -rf --one-file-system "$WORK"
	[ "$status" = 0 ] || echo "quickstart.sh: failed" >&2
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step()
{
	printf '\n== %s\n' "$*"
}

# timed COMMAND...: says what it runs, and how long it took. `by FUNCTION`
# before it has that function run it.
timed()
{
	local begin=${EPOCHREALTIME/./} ms by=()
	if [ "$1" = by ]; then
		by=("$2")
		shift 2
	fi
	echo "\$ $*"
	"${by[@]}" "$@"
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	printf '  (%d.%03d s)\n' "$((ms / 1000))" "$((ms % 1000))"
}

# quiet COMMAND...: its output only if it fails
quiet()
{
	"$@" >"$WORK/output" 2>&1 || {
		cat "$WORK/output" >&2
		return 1
	}
}

# All of a tree that has to survive: names, types, modes, times in
# nanoseconds, link targets, contents.
digest()
(
	cd "$1"
	find . -printf '%P\t%y\t%m\t%T@\t%l\0' | LC_ALL=C sort -z | tr '\0' '\n'
	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
)

same()
{
	digest "$1" >"$WORK/is" || return 1
	if ! diff "$WORK/should-be" "$WORK/is" >"$WORK/diff"; then
		echo "$1 is not what was pushed (<):" >&2
		head -n 20 "$WORK/diff" >&2
		return 1
	fi
	echo "equal to what was pushed: $(wc -l <"$WORK/is") lines of names," \
		"modes, times to the ns, SHA-256"
}

is_mounted()
{
	grep -qF " $MNT fuse" /proc/self/mounts
}

# In the foreground of a process of ours, to be sure when it has ended.
mount_it()
{
	ASSETFS_CACHE_DIR=$WORK/cache-b "$@" -f >"$WORK/mount.log" 2>&1 &
	MOUNT_PID=$!
	while ! is_mounted; do
		kill -0 "$MOUNT_PID" 2>/dev/null || {
			cat "$WORK/mount.log" >&2
			return 1
		}
		sleep 0.02
	done
}

umount_it()
{
	local pid=$MOUNT_PID
	"$@" || return 1
	MOUNT_PID=
	wait "$pid"
	cat "$WORK/mount.log"
}

step "installing what is missing, building"
timed tests/setup.sh --build
timed by quiet make -j"$(nproc)" all build/gen/kitchen

if [ -n "$BUCKET" ]; then
	PREFIX=quickstart-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
	SOURCE=s3://$BUCKET/$PREFIX
	step "the bucket is $SOURCE${AWS_ENDPOINT_URL:+ at $AWS_ENDPOINT_URL}"
else
	mkdir "$WORK/bucket"
	SOURCE=file://$WORK/bucket
	step "the bucket is $SOURCE, a directory"
fi
# Two machines that have never met: one pushes, the other mounts and pulls.
mkdir -m 700 "$WORK/cache-a" "$WORK/cache-b" "$WORK/cache-c" "$MNT"

step "making K, 242 files in 81 directories, 12 MB"
timed build/gen/kitchen "$WORK/K"
digest "$WORK/K" >"$WORK/should-be"

step "pushing K"
ASSETFS_CACHE_DIR=$WORK/cache-a timed build/assetctl push "$WORK/K" "$SOURCE/"

step "pushing K again: nothing has changed"
ASSETFS_CACHE_DIR=$WORK/cache-a timed build/assetctl push "$WORK/K" "$SOURCE/"

step "pushing K under another name: the bucket has its content"
ASSETFS_CACHE_DIR=$WORK/cache-a timed build/assetctl push "$WORK/K" "$SOURCE/L"

step "mounting the bucket, with a cache of its own, copying K and L out of it"
timed by mount_it build/assetfs "$SOURCE" "$MNT" \
	-o ro,dbglevel=info
ls -l "$MNT"
timed cp -Rp "$MNT/K" "$WORK/copied"
same "$WORK/copied"
timed cp -Rp "$MNT/L" "$WORK/copied-too"
same "$WORK/copied-too"

step "unmounting; what the mount has to say"
timed by umount_it fusermount3 -u "$MNT"

step "pulling K, with a third cache"
ASSETFS_CACHE_DIR=$WORK/cache-c timed build/assetctl pull "$SOURCE/K" \
	"$WORK/pulled"
same "$WORK/pulled"

if [ -n "$BUCKET" ]; then
	step "left in the bucket"
	echo "$PREFIX/ with the trees K and L, and what they refer to in the"
	echo "pool, .assetfs/ at the root, which may serve other trees too."
	echo "Where no other tree is in this bucket, remove both prefixes."
fi
step "all copies are what was pushed"
