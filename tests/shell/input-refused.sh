#!/usr/bin/env bash
# What cannot work is refused in one line that says what is wrong (after a
# warning, where it was tried again), with the exit status of its kind, and
# leaves no mount.
. "$(dirname "$0")/lib.sh"
requires_fuse
requires_program "$ASSETCTL"
use_store rgw
NOWHERE=http://127.0.0.1:1 # nothing listens there
mkdir -p "$MNT" "$TMP/tree" "$TMP/store"
echo content >"$TMP/tree/file"
push_tree "$TMP/tree"

# refused STATUS PATTERN COMMAND...
refused()
{
	local want=$1 pattern=$2 status=0
	shift 2
	timeout 20 "$@" >"$TMP/out" 2>"$TMP/err" </dev/null || status=$?
	if is_mounted "$MNT"; then
		fusermount3 -uz "$MNT"
		fail "$*: mounted"
	fi
	[ "$status" = "$want" ] ||
		fail "$*: exit status $status, not $want: $(cat "$TMP/err")"
	[ "$(grep -vc ': warning: .*; retrying$' "$TMP/err")" = 1 ] ||
		fail "$*: not one line: $(cat "$TMP/err")"
	tail -n 1 "$TMP/err" | grep -qiE -- "$pattern" ||
		fail "$*: does not say '$pattern': $(cat "$TMP/err")"
	[ ! -s "$TMP/out" ] || fail "$*: output: $(cat "$TMP/out")"
}

# all_refused PATTERN SOURCE OPTIONS [ENVIRONMENT...]: by every program. (A
# mount waits some seconds for a server that does not answer: one is enough.)
all_refused()
{
	local pattern=$1 source=$2 options=$3
	shift 3
	refused 1 "$pattern" env "$@" "$ASSETCTL" push -o "$options" \
		"$TMP/tree" "$source/"
	refused 1 "$pattern" env "$@" "$ASSETCTL" pull -o "$options" \
		"$source/tree" "$TMP/pulled"
	refused 1 "$pattern" env "$@" "$ASSETCTL" ls -o "$options" "$source/"
	refused 1 "$pattern" env "$@" "$ASSETFS" "$source" "$MNT" \
		-o "ro,$options"
	[ ! -e "$TMP/pulled" ] || fail "pull made its target"
}

few=retry_timeout=1
all_refused "no-such-bucket" s3://no-such-bucket $few
all_refused "key|credential|denied" "$SRC_URL" $few AWS_SECRET_ACCESS_KEY=wrong
all_refused "key|credential|denied" "$SRC_URL" $few AWS_ACCESS_KEY_ID=unknown
all_refused "127\.0\.0\.1" "$SRC_URL" $few AWS_ENDPOINT_URL=$NOWHERE
all_refused "server\.invalid" "$SRC_URL" \
	$few,path_style AWS_ENDPOINT_URL=http://server.invalid
all_refused "no/such/dir" "file://$TMP/no/such/dir" $few
all_refused "gopher" gopher://bucket $few

refused 1 "no-such-tree" "$ASSETCTL" push "$TMP/no-such-tree" "$SRC_URL/"
refused 1 "no-such-path" "$ASSETCTL" pull "$SRC_URL/no-such-path" "$TMP/pulled"
refused 1 "no-such-path" "$ASSETCTL" ls "$SRC_URL/no-such-path"
refused 2 "help" "$ASSETCTL" push
refused 2 "help" "$ASSETCTL" nonsense
refused 2 "nonsense" "$ASSETCTL" ls -o nonsense "$SRC_URL"
for verb in push pull ls stat rm log gc doctor verify; do
	refused 2 "^assetctl: error: $verb: .*--nonsense" \
		"$ASSETCTL" "$verb" --nonsense "$SRC_URL"
	refused 2 "^assetctl: error: $verb: .*argument" \
		"$ASSETCTL" "$verb" "$SRC_URL" --endpoint
	refused 2 "help" "$ASSETCTL" "$verb" --
done
refused 1 "nonsense" "$ASSETFS" "$SRC_URL" "$MNT" -o ro,nonsense

source=file://$TMP/store
refused 1 "no-such-dir" "$ASSETFS" "$source" "$TMP/no-such-dir" -o ro
refused 1 "not a directory" "$ASSETFS" "$source" "$TMP/tree/file" -o ro
refused 1 "no-such-bucket" "$ASSETFS" s3://no-such-bucket "$MNT" -f -o ro
mount_bucket "$source" "$TMP/busy"
refused 1 "busy" "$ASSETFS" "$source" "$TMP/busy" -o ro
is_mounted "$TMP/busy" || fail "the mount before is gone"
