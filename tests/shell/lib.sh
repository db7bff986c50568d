# shellcheck shell=bash
# Sourced first by every shell test.
#
# A test is one file, tests/shell/AREA-BEHAVIOUR.sh, about one behaviour:
#
#	#!/usr/bin/env bash
#	# What must hold, in one sentence.
#	. "$(dirname "$0")/lib.sh"
#	requires_fuse
#	use_store file
#	make_k "$TMP/k"
#	push_tree "$TMP/k" && mount_bucket
#	test "$(digest "$MNT")" = "$(digest "$TMP/k")" || fail "trees differ"
#
# Exit 0 is a pass, 77 a skip with its reason as the last line printed, all
# else a failure. It can be run by hand after `make tests`, and by
# tests/run.sh, which also limits its time. `set -eu` and pipefail are on.
#
# Variables set here, for tests to read:
#   TOP BUILD          the source tree; the build (default TOP/build)
#   ASSETFS ASSETCTL PROXY KITCHEN   programs of that build
#   TMP                private directory, removed at the end
#   MNT                default mount point, $TMP/mnt
#   ASSETFS_CACHE_DIR  private cache, $TMP/cache; set it otherwise for one
#                      command to play another machine
#   STORE SRC_URL      after use_store: "file" or "rgw", and its SOURCE
#   ENDPOINT BUCKET    on RGW: where programs connect to (the proxy, if one
#                      was started), and the bucket of the last new_bucket
#   PROXY_URL PROXY_LOG PROXY_FAULTS PROXY_TIMES PROXY_PID   after start_proxy
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$(cd "$TOP" && mkdir -p "${BUILD:-build}" && cd "${BUILD:-build}" && pwd)
ASSETFS=$BUILD/assetfs
ASSETCTL=$BUILD/assetctl
PROXY=$BUILD/proxy
KITCHEN=$BUILD/gen/kitchen
export ASSETFS ASSETCTL PROXY KITCHEN

TMP=$(mktemp -d "${TEST_ROOT:-${TMPDIR:-/tmp}}/$(basename "$0" .sh).XXXXXX")
MNT=$TMP/mnt
ENDPOINT=
export ASSETFS_CACHE_DIR=$TMP/cache
# Nothing of the user's own settings may reach a test.
export HOME=$TMP/home XDG_CONFIG_HOME=$TMP/home/.config
export ASSETFS_CONF=$TMP/assetfs.conf
export LC_ALL=C TZ=UTC
unset AWS_PROFILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_SESSION_TOKEN \
	AWS_CA_BUNDLE AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE \
	AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE \
	AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
export AWS_EC2_METADATA_DISABLED=true
mkdir "$HOME" "$ASSETFS_CACHE_DIR"
chmod 700 "$ASSETFS_CACHE_DIR"

# ---- ends ------------------------------------------------------------------

# fail MESSAGE...
fail()
{
	echo "FAIL: $*" >&2
	exit 1
}

# skip REASON...
skip()
{
	echo "$*"
	exit 77
}

CLEANUPS=()

# cleanup_fn COMMAND [ARGUMENT...]: run at the end, the last one first.
cleanup_fn()
{
	CLEANUPS+=("$(printf '%q ' "$@")")
}

# Runs the cleanups registered since there were KEEP of them. Returns 1 if
# one failed; the others are run all the same.
run_cleanups()
{
	local keep=$1 failed=0 last
	while [ "${#CLEANUPS[@]}" -gt "$keep" ]; do
		last=$((${#CLEANUPS[@]} - 1))
		eval "unset 'CLEANUPS[last]'; ${CLEANUPS[last]}" || failed=1
	done
	return "$failed"
}

# What daemons of a failed test had to say.
show_logs()
{
	local log
	find "$TMP" -xdev -maxdepth 2 -name '*.log' -size +0 |
		while read -r log; do
			echo "--- end of ${log#"$TMP"/}:"
			tail -n 40 "$log"
		done >&2
}

at_exit()
{
	local status=$?
	trap '' INT TERM
	trap - EXIT
	set +e
	cd / # or it would keep a mount busy
	run_cleanups 0 || [ "$status" != 0 ] || status=1
	[ "$status" = 0 ] || [ "$status" = 77 ] || show_logs
	# One file system only: never into a mount that would not go away.
	rm -rf --one-file-system "$TMP"
	exit "$status"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Ends a process of this test: TERM, then KILL after SECONDS (10).
end_process()
{
	local pid=$1 tries=$((${2:-10} * 10))
	kill "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null && [ $((tries -= 1)) -gt 0 ]; do
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
}

# The runner ends these if the test itself had to be killed.
record_pid()
{
	echo "$1" >>"$TMP/pids"
}

# wait_until SECONDS COMMAND...: polls; 1 if it did not succeed in time.
wait_until()
{
	local tries=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $((tries -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
}

# ---- what a test needs -----------------------------------------------------

requires_fuse()
{
	[ -r /dev/fuse ] || skip "needs /dev/fuse"
	command -v fusermount3 >/dev/null || skip "needs fusermount3"
	requires_program "$ASSETFS"
}

# requires_program PROGRAM...
requires_program()
{
	local program
	for program; do
		command -v "$program" >/dev/null ||
			skip "needs ${program#"$TOP"/}"
	done
}

# Loads the environment of the RGW that the runner started ($RGW_ENV), or
# starts one for this test alone.
requires_rgw()
{
	if [ -z "${RGW_ENV:-}" ]; then
		requires_program radosgw ceph-mon ceph-osd
		"$TOP/tests/rgw.sh" start "$TMP/rgw" || fail "no RGW"
		cleanup_fn "$TOP/tests/rgw.sh" stop "$TMP/rgw"
		RGW_ENV=$TMP/rgw/env
	fi
	# shellcheck source=/dev/null
	. "$RGW_ENV"
	[ -n "$ENDPOINT" ] || set_endpoint "$RGW_ENDPOINT"
}

set_endpoint()
{
	ENDPOINT=$1
	export AWS_ENDPOINT_URL=$ENDPOINT
}

# ---- the store -------------------------------------------------------------

# s3_curl METHOD PATH [CURL-ARGUMENT...]: one signed request to the RGW, past
# the proxy. PATH, with its query sorted and each name followed by "=", is
# sent as it stands. An S3 error is a failure.
s3_curl()
{
	local method=$1 path=$2
	shift 2
	curl -sS --fail-with-body --max-time 60 --path-as-is \
		--aws-sigv4 "aws:amz:$AWS_REGION:s3" \
		--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
		-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
		-X "$method" "$@" "$RGW_ENDPOINT$path"
}

# s3_put KEY FILE [CURL-ARGUMENT...]: into $BUCKET. Keys are URL-encoded.
s3_put()
{
	local key=$1 file=$2
	shift 2
	s3_curl PUT "/$BUCKET/$key" -T "$file" "$@" >/dev/null
}

# s3_get KEY: to stdout
s3_get()
{
	s3_curl GET "/$BUCKET/$1"
}

# s3_keys [PREFIX]: the keys of $BUCKET, one a line, at most 1000.
s3_keys()
{
	s3_curl GET "/$BUCKET?list-type=2&prefix=${1:-}" |
		grep -o '<Key>[^<]*</Key>' | sed 's/<[^>]*>//g' || :
}

# Makes a bucket on the RGW; sets BUCKET.
new_bucket()
{
	local try
	requires_rgw
	BUCKET=test-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
	for try in 1 2 3 4 5; do
		s3_curl PUT "/$BUCKET" >"$TMP/new-bucket" 2>&1 && return 0
		sleep "$try"
	done
	fail "cannot make a bucket: $(cat "$TMP/new-bucket")"
}

# use_store file|rgw: an empty store of that kind; sets STORE and SRC_URL.
use_store()
{
	STORE=$1
	case $STORE in
	file) SRC_URL=file://$(mktemp -d "$TMP/store.XXXXXX") ;;
	rgw)
		new_bucket
		SRC_URL=s3://$BUCKET
		;;
	*) fail "no store '$STORE'" ;;
	esac
}

# store_keys PREFIX: the keys in the store that begin so, up to 1,000.
store_keys()
{
	case $STORE in
	file) (cd "${SRC_URL#file://}" && find . -type f -printf '%P\n' |
		awk -v prefix="$1" 'index($0, prefix) == 1') ;;
	rgw) s3_keys "${1//\//%2F}" ;;
	esac
}

# store_delete KEY: as another tool would.
store_delete()
{
	case $STORE in
	file) rm "${SRC_URL#file://}/$1" ;;
	rgw) s3_curl DELETE "/$BUCKET/$1" ;;
	esac
}

# for_each_store FUNCTION: runs it with a fresh store and a fresh cache of
# each kind. What it mounts and registers is cleaned up after each round.
for_each_store()
{
	local keep=${#CLEANUPS[@]} store
	for store in file rgw; do
		if [ "$store" = rgw ]; then
			requires_rgw
			keep=${#CLEANUPS[@]}
		fi
		ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
		use_store "$store"
		echo "# store: $STORE"
		"$1"
		run_cleanups "$keep" || fail "cleaning up after $STORE"
	done
}

# ---- proxy -----------------------------------------------------------------

# start_proxy [PROXY-ARGUMENT...]: between the programs and the RGW; later
# commands and mounts go through it. `to=HOST:PORT start_proxy` stands before
# another server.
start_proxy()
{
	requires_program "$PROXY"
	[ -n "${to:-}" ] || requires_rgw
	PROXY_LOG=$(mktemp "$TMP/proxy-log.XXXXXX")
	PROXY_FAULTS=$PROXY_LOG.faults
	PROXY_TIMES=$PROXY_LOG.times
	: >"$PROXY_FAULTS"
	: >"$PROXY_TIMES"
	"$PROXY" --to "${to:-${RGW_ENDPOINT#http://}}" --log "$PROXY_LOG" \
		--faults "$PROXY_FAULTS" --times "$PROXY_TIMES" \
		"$@" >"$PROXY_LOG.port" </dev/null &
	PROXY_PID=$!
	record_pid "$PROXY_PID"
	cleanup_fn end_process "$PROXY_PID"
	wait_until 10 test -s "$PROXY_LOG.port" || fail "the proxy is not up"
	PROXY_URL=http://127.0.0.1:$(cat "$PROXY_LOG.port")
	set_endpoint "$PROXY_URL"
	LOG_MARK=0
}

# set_faults RULE...: replaces the rules (see tests/proxy/fault.h), in one
# step; none: no faults.
set_faults()
{
	: >"$PROXY_FAULTS.new"
	[ $# = 0 ] || printf '%s\n' "$@" >"$PROXY_FAULTS.new"
	mv "$PROXY_FAULTS.new" "$PROXY_FAULTS"
}

# move_clock SECONDS: of the server, as the proxy tells it; what is in the bucket
# gets older by that much.
move_clock()
{
	local when=$(($(date +%s) + 2))
	cp "$PROXY_TIMES" "$PROXY_TIMES.new"
	echo "$when $1" >>"$PROXY_TIMES.new"
	mv "$PROXY_TIMES.new" "$PROXY_TIMES"
	while [ "$(date +%s)" -le "$when" ]; do
		sleep 0.1
	done
}

# Requests are counted from here on.
log_mark()
{
	LOG_MARK=$(wc -l <"$PROXY_LOG")
}

# log_lines [KIND|*] [PATH-SUBSTRING]: the log since the mark. Columns: seq,
# begin and end ms, connection, method, kind, path, range, status, bytes up,
# bytes down, fault. Left out are the losers of races: on a busy machine a
# request may be late to its first byte, and be asked once more.
log_lines()
{
	tail -n "+$((LOG_MARK + 1))" "$PROXY_LOG" | kind=${1:-*} path=${2:-} awk \
		-F '\t' '(ENVIRON["kind"] == "*" || $6 == ENVIRON["kind"]) &&
			index($7, ENVIRON["path"]) {
			line[++n] = $0; what[n] = $6 FS $7 FS $8
			begin[n] = $2; end[n] = $3; lost[n] = $12 == "aborted"
		}
		END {
			for (i = 1; i <= n; i++) {
				for (k = 1; lost[i] && k <= n; k++)
					if (k != i && what[k] == what[i] &&
					    begin[k] < end[i] &&
					    end[k] > begin[i])
						break
				if (!lost[i] || k > n)
					print line[i]
			}
		}'
}

# count_requests [KIND|*] [PATH-SUBSTRING]
count_requests()
{
	log_lines "$@" | wc -l
}

# count_in_time: all requests since the mark. Where something has just been
# pushed listings are trusted for a second: if it took longer, as on a busy
# machine, each LIST counts once.
count_in_time()
{
	log_lines | awk -F '\t' '
		!begin || $2 < begin { begin = $2 }
		$3 > end { end = $3 }
		$6 == "LIST" && seen[$7]++ { again++ }
		END { print end - begin < 900 ? NR : NR - again }'
}

# count_bytes up|down [KIND|*] [PATH-SUBSTRING]: body bytes since the mark.
count_bytes()
{
	local column=10
	[ "$1" = up ] || column=11
	shift
	log_lines "$@" | awk -F '\t' -v c="$column" '{ n += $c }
		END { printf "%d\n", n }'
}

# ---- trees and mounts ------------------------------------------------------

# make_k DIR [SEED]: the tree K, of Kitchen_set's shape
make_k()
{
	requires_program "$KITCHEN"
	"$KITCHEN" "$1" --seed "${2:-1}"
}

# digest DIR: one line per entry below DIR with its type, mode, owner (as
# root), mtime in ns and link target, then one per file with its SHA-256.
# Names are relative. Two equal trees print the same.
digest()
{
	local owner=''
	[ "$(id -u)" != 0 ] || owner='%U:%G'
	(
		cd "$1"
		find . -mindepth 1 \
			-printf "%P\t%y\t%m\t$owner\t%T@\t%l\\0" |
			LC_ALL=C sort -z | tr '\0' '\n'
		find . -type f -print0 | LC_ALL=C sort -z |
			xargs -0 -r sha256sum -z | tr '\0' '\n'
	) || echo "unreadable: $1"
}

# push_tree TREE [DEST] [ARGUMENT...]: by default the root of the store
push_tree()
{
	local tree=$1 dest=${2:-$SRC_URL/}
	shift $(($# < 2 ? $# : 2))
	requires_program "$ASSETCTL"
	"$ASSETCTL" push "$@" "$tree" "$dest"
}

declare -A MOUNT_PID=()

# Asks the kernel's table, not the file system, which may not answer.
is_mounted()
{
	grep -qF " ${1// /\\040} fuse" /proc/self/mounts
}

mounted_or_dead()
{
	is_mounted "$1" || ! kill -0 "${MOUNT_PID[$1]}" 2>/dev/null
}

# mount_bucket [SOURCE [MOUNTPOINT [OPTIONS]]]: the last as after -o. Returns
# when it is mounted. MOUNT_PID[MOUNTPOINT] is the daemon, its output is in
# MOUNTPOINT.log. It is unmounted at the end, and has to end well.
mount_bucket()
{
	local source=${1:-$SRC_URL} mnt=${2:-$MNT} options=${3:-}
	requires_fuse
	case $source in
	s3:*) options=endpoint=$ENDPOINT${options:+,$options} ;;
	esac
	mkdir -p "$mnt"
	"$ASSETFS" "$source" "$mnt" -f ${options:+-o "$options"} \
		</dev/null >>"$mnt.log" 2>&1 &
	MOUNT_PID[$mnt]=$!
	record_pid "$!"
	cleanup_fn umount_leftover "$mnt"
	wait_until 30 mounted_or_dead "$mnt" || fail "'$mnt': not mounted"
	is_mounted "$mnt" || fail "'$mnt': assetfs ended instead of mounting"
}

process_gone()
{
	! kill -0 "$1" 2>/dev/null
}

# Unmounts and waits for the daemon. Returns 1, having said why on stderr, if
# one of the two did not go well.
umount_and_wait()
{
	local mnt=$1 pid=${MOUNT_PID[$1]} status=0
	fusermount3 -u "$mnt" || return 1
	wait_until 60 process_gone "$pid" || {
		echo "'$mnt': assetfs is there a minute after umount" >&2
		return 1
	}
	unset "MOUNT_PID[$mnt]"
	wait "$pid" || status=$?
	[ "$status" = 0 ] || {
		echo "'$mnt': assetfs ended with $status" >&2
		return 1
	}
}

# umount_bucket [MOUNTPOINT]: and waits for the daemon, which must end with 0.
umount_bucket()
{
	umount_and_wait "${1:-$MNT}" || fail "'${1:-$MNT}': unmount"
}

# For the end of a test: nothing to do if the test unmounted it, else what
# umount_bucket does, and force where that fails.
umount_leftover()
{
	local mnt=$1 pid=${MOUNT_PID[$1]:-}
	[ -n "$pid" ] || return 0
	if is_mounted "$mnt"; then
		umount_and_wait "$mnt" && return 0
		[ -n "${MOUNT_PID[$mnt]:-}" ] || return 1
		fusermount3 -uz "$mnt" || :
	fi
	kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
	unset "MOUNT_PID[$mnt]"
	return 1
}
