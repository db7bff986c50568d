#!/usr/bin/env bash
# How long "K", the tree of Kitchen_set's shape, takes up and down: assetfs,
# aws s3 sync and rclone, in one run, against one Ceph RGW behind one proxy
# that models a distant server.
#
#   tests/bench/kitchen.sh [--rtt MS] [--bandwidth BYTES/S] [--no-slow-start]
#                          [--runs N] [--s3fs]
#
# 150 ms, slow start, no cap on the bandwidth, and one run are the defaults.
# --s3fs adds `cp -Rp` into and out of an s3fs mount, which takes more than ten
# minutes a run at 150 ms. $AWS names another aws program than that in PATH.
#
# Needs what `tests/setup.sh --bench` installs and a build (`make tests`);
# installs nothing. What each tool brought back is compared with K.
#
# Each tool has a fresh bucket. assetctl has put a tiny tree into its bucket
# before, with the cache that it uses next: a machine that has pushed to this
# bucket before, but nothing of K. Down, every cache is new. Each figure is the
# median of the runs; requests and bytes are those the proxy saw in that run.
. "$(dirname "$0")/../shell/lib.sh"

RTT=150 RUNS=1 S3FS=no AWS=${AWS:-aws}
SLOW_START=(--slow-start) BANDWIDTH=()

usage()
{
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
	exit "$1"
}

while [ $# -gt 0 ]; do
	case $1 in
	--rtt) RTT=${2?--rtt MS}; shift ;;
	--bandwidth) BANDWIDTH=(--bandwidth "${2?--bandwidth B/S}"); shift ;;
	--no-slow-start) SLOW_START=() ;;
	--runs) RUNS=${2?--runs N}; shift ;;
	--s3fs) S3FS=yes ;;
	-h | --help) usage 0 ;;
	*) usage 2 >&2 ;;
	esac
	shift
done

missing=()
for program in "$ASSETFS" "$ASSETCTL" "$PROXY" "$KITCHEN" radosgw "$AWS" \
	rclone; do
	command -v "$program" >/dev/null || missing+=("${program#"$TOP"/}")
done
[ "$S3FS" = no ] || command -v s3fs >/dev/null || missing+=(s3fs)
[ ${#missing[@]} = 0 ] || {
	echo "missing: ${missing[*]}" >&2
	echo "Try 'tests/setup.sh --bench' and 'make tests'." >&2
	exit 1
}
requires_fuse

K=$TMP/K
ROWS=$TMP/rows
mkdir "$ROWS"

# measured ROW COMMAND...: adds a line with seconds, requests, bytes up and
# down to the row.
measured()
{
	local row=$1 begin us
	shift
	log_mark
	begin=${EPOCHREALTIME/./}
	"$@" >"$TMP/output" 2>&1 || fail "$*: $(cat "$TMP/output")"
	us=$((${EPOCHREALTIME/./} - begin))
	printf '%d.%06d %d %d %d\n' "$((us / 1000000))" "$((us % 1000000))" \
		"$(count_requests)" "$(count_bytes up)" \
		"$(count_bytes down)" >>"$ROWS/$row"
	echo "# $row: $(tail -n 1 "$ROWS/$row")" >&2
}

same_tree()
{
	test "$(digest "$1")" = "$(digest "$K")" || fail "$1 differs from K"
}

# What tools that know nothing of modes and empty directories must bring back.
same_content()
{
	test "$(content "$1")" = "$(content "$K")" || fail "$1 differs from K"
}

content()
{
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

# new_machine: nothing of what was fetched or pushed so far is known.
new_machine()
{
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
}

run_assetfs()
{
	local at=$TMP/assetfs.$1
	use_store rgw
	new_machine
	mkdir -p "$at/tiny" "$MNT"
	echo "proves the bucket" >"$at/tiny/file"
	"$ASSETCTL" push -q "$at/tiny" "$SRC_URL/"
	measured push "$ASSETCTL" push "$K" "$SRC_URL/"

	new_machine
	measured pull "$ASSETCTL" pull "$SRC_URL/K" "$at/"
	same_tree "$at/K"

	new_machine
	measured mount mount_bucket
	measured cold cp -Rp "$MNT/K" "$at/cold"
	same_tree "$at/cold"
	umount_bucket
	measured remount mount_bucket
	measured warm cp -Rp "$MNT/K" "$at/warm"
	same_tree "$at/warm"
	umount_bucket
	rm -rf "$at"
}

aws_sync()
{
	"$AWS" s3 sync --endpoint-url "$ENDPOINT" --no-progress "$@"
}

run_aws()
{
	local at=$TMP/aws.$1
	new_bucket
	measured aws-up aws_sync "$K" "s3://$BUCKET/K"
	measured aws-down aws_sync "s3://$BUCKET/K" "$at"
	same_content "$at"
	rm -rf "$at"
}

rclone_copy()
{
	RCLONE_CONFIG=/dev/null RCLONE_CONFIG_RGW_TYPE=s3 \
		RCLONE_CONFIG_RGW_PROVIDER=Ceph \
		RCLONE_CONFIG_RGW_ENV_AUTH=true \
		RCLONE_CONFIG_RGW_ENDPOINT=$ENDPOINT \
		RCLONE_CONFIG_RGW_NO_CHECK_BUCKET=true \
		rclone copy --transfers 64 "$@"
}

run_rclone()
{
	local at=$TMP/rclone.$1
	new_bucket
	measured rclone-up rclone_copy "$K" "rgw:$BUCKET/K"
	measured rclone-down rclone_copy "rgw:$BUCKET/K" "$at"
	same_content "$at"
	rm -rf "$at"
}

mount_s3fs()
{
	local mnt=$TMP/s3fs
	mkdir -p "$mnt"
	(
		umask 077
		echo "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" >"$TMP/passwd"
	)
	s3fs "$BUCKET" "$mnt" -f -o "url=$ENDPOINT,use_path_request_style" \
		-o "passwd_file=$TMP/passwd" </dev/null >>"$mnt.log" 2>&1 &
	MOUNT_PID[$mnt]=$!
	record_pid $!
	cleanup_fn umount_leftover "$mnt"
	wait_until 60 is_mounted "$mnt" || fail "s3fs does not mount"
}

run_s3fs()
{
	local at=$TMP/from-s3fs.$1
	new_bucket
	mount_s3fs
	measured s3fs-up cp -Rp "$K" "$TMP/s3fs/"
	umount_bucket "$TMP/s3fs"
	mount_s3fs
	measured s3fs-down cp -Rp "$TMP/s3fs/K" "$at"
	umount_bucket "$TMP/s3fs"
	same_content "$at"
	rm -rf "$at"
}

# seconds ROW: the median; figures ROW: of the run that had it
figures()
{
	sort -n "$ROWS/$1" | sed -n "$(((RUNS + 1) / 2))p"
}

seconds()
{
	figures "$1" | cut -d ' ' -f 1
}

heading()
{
	printf '| %-37s | %8s | %8s | %8s | %8s | %8s |\n' "$@"
	printf '|:%s|%s:|%s:|%s:|%s:|%s:|\n' \
		"$(printf -- '-%.0s' {1..38})" \
		"$(printf -- '-%.0s' {1..9})"{,,,,}
}

# line ROW REFERENCE TEXT: nothing where the row was not measured
line()
{
	[ -f "$ROWS/$1" ] || return 0
	figures "$1" | awk -v text="$3" -v of="$(seconds "$2")" '{
		printf "| %-37s | %8.2f | %8d | %8.2f | %8.2f | %8.1f |\n",
			text, $1, $2, $3 / 1e6, $4 / 1e6, $1 / of }'
}

table()
{
	echo
	echo "proxy ${MODEL[*]}, $RUNS run(s)," \
		"Ceph RGW $(radosgw --version | awk '{ print $3 }')"
	"$AWS" --version | cut -d ' ' -f 1,2
	rclone version | head -n 1
	[ "$S3FS" = no ] || s3fs --version | head -n 1
	echo
	heading "K up" seconds requests "MB up" "MB down" "x push"
	line push push "assetctl push"
	line aws-up push "aws s3 sync"
	line rclone-up push "rclone copy --transfers 64"
	line s3fs-up push "cp -Rp into s3fs"
	echo
	heading "K down" seconds requests "MB up" "MB down" "x cold"
	line mount cold "assetfs: mount"
	line cold cold "assetfs: cp -Rp, cold"
	line remount cold "assetfs: mount again"
	line warm cold "assetfs: cp -Rp, warm cache"
	line pull cold "assetctl pull, cold"
	line aws-down cold "aws s3 sync"
	line rclone-down cold "rclone copy --transfers 64"
	line s3fs-down cold "cp -Rp out of s3fs"
}

MODEL=(--rtt "$RTT" "${SLOW_START[@]}"
	"${BANDWIDTH[@]}")
make_k "$K"
start_proxy "${MODEL[@]}"
for run in $(seq "$RUNS"); do
	run_assetfs "$run"
	run_aws "$run"
	run_rclone "$run"
	[ "$S3FS" = no ] || run_s3fs "$run"
done
table
