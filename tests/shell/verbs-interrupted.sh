#!/usr/bin/env bash
# The first Ctrl-C or SIGTERM ends every verb while it waits for a server that
# does not answer, or that is away: with 130, and long before the time that
# requests are repeated for.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw
start_proxy
mkdir "$TMP/t"
echo 1 >"$TMP/t/file"
echo 2 >"$TMP/t/2"
echo 3 >"$TMP/t/3"
echo 4 >"$TMP/t/4"
push_tree "$TMP/t" "$SRC_URL/t" -q

# What the process has sent is on the proxy's side, unanswered; a request is
# logged when it has ended.
asks()
{
	local inode
	for inode in $(find "/proc/$PID/fd" -lname 'socket:*' -printf '%l\n' \
		2>/dev/null | tr -dc '0-9\n'); do
		awk -v inode="$inode" '$10 == inode && $4 == "01" { found = 1 }
			END { exit !found }' /proc/net/tcp && return 0
	done
	return 1
}

misses()
{
	grep -q 'cannot be reached' "$TMP/err"
}

# ends SIGNAL CONDITION VERB...: interrupts it as soon as CONDITION holds.
ends()
{
	local signal=$1 condition=$2 status=0 tries=100
	shift 2
	: >"$TMP/err" # not what the one before said
	# The shell has what runs in the background ignore SIGINT.
	env --default-signal=INT "$ASSETCTL" "$@" >"$TMP/out" 2>"$TMP/err" &
	PID=$!
	record_pid "$PID"
	wait_until 20 "$condition" ||
		fail "$*: did not wait: $(cat "$TMP/err")"
	kill "-$signal" "$PID"
	while kill -0 "$PID" 2>/dev/null; do
		[ $((tries -= 1)) -gt 0 ] ||
			fail "$*, SIG$signal: still there after 5 s"
		sleep 0.05
	done
	wait "$PID" || status=$?
	[ "$status" = 130 ] ||
		fail "$*, SIG$signal: status $status: $(cat "$TMP/err")"
	[ "$(grep -c . "$TMP/err")" -le 3 ] ||
		fail "$*: has too much to say: $(cat "$TMP/err")"
}

# all SIGNAL CONDITION
all()
{
	local url=$SRC_URL/t
	ends "$1" "$2" ls -R "$url"
	ends "$1" "$2" stat "$url/file"
	ends "$1" "$2" pull "$url" "$TMP/back"
	ends "$1" "$2" verify "$url"
	ends "$1" "$2" log "$url"
	ends "$1" "$2" log --restore=1 "$url"
	ends "$1" "$2" rm "$url/file"
	ends "$1" "$2" gc "$SRC_URL"
	ends "$1" "$2" doctor "$SRC_URL"
	ends "$1" "$2" push "$TMP/t" "$SRC_URL/"
	ends "$1" "$2" push --plain "$TMP/t" "$SRC_URL/p"
	[ -z "$(find "$TMP/back" -type f 2>/dev/null)" ] ||
		fail "pull left files behind"
}

set_faults '* * 1- stall'
all INT asks

# Nobody listens there.
export AWS_ENDPOINT_URL=http://127.0.0.1:1
all TERM misses

# What is there was not touched; doctor deletes what it has put for a try.
set_faults
set_endpoint "$PROXY_URL"
"$ASSETCTL" ls "$SRC_URL/t" >"$TMP/ls"
[ "$(tr "\n" " " <"$TMP/ls")" = "2 3 4 file " ] || fail "the tree has changed"
before=$(s3_keys)
tried()
{
	[ "$(count_requests PUT .assetfs/doctor)" -ge 1 ]
}
log_mark
set_faults 'GET .assetfs/doctor 1- stall'
ends INT tried doctor "$SRC_URL"
[ "$(s3_keys)" = "$before" ] || fail "doctor left: $(s3_keys)"
