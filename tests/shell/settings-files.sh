#!/usr/bin/env bash
# What settings files say of a source holds for the mount and for assetctl
# alike, without a word on the command line.
. "$(dirname "$0")/lib.sh"
use_store rgw
make_k "$TMP/k"
echo "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" >"$HOME/.keys"
chmod 600 "$HOME/.keys"
unset AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION \
	AWS_DEFAULT_REGION ASSETFS_CACHE_DIR
mkdir "$XDG_CONFIG_HOME"

cat >"$ASSETFS_CONF" <<CONF
# of the machine
[default]
cache_dir = $TMP/cache
allow_other
ttl = 5
multireq_max = 20

[s3://$BUCKET]
endpoint = http://127.0.0.1:1
passwd_file = /nonexistent

[s3://$BUCKET/shots]
endpoint = $ENDPOINT
CONF
cat >"$XDG_CONFIG_HOME/assetfs.conf" <<CONF
[s3://$BUCKET]
passwd_file = ~/.keys
retry_timeout = 5
CONF

"$ASSETCTL" push -q "$TMP/k" "$SRC_URL/shots/" || fail "push"
"$ASSETCTL" ls "$SRC_URL/shots/k" >"$TMP/names" || fail "ls"
test -s "$TMP/names" || fail "ls tells nothing"
mkdir "$MNT"
"$ASSETFS" "$SRC_URL/shots" "$MNT" || fail "mount"
cleanup_fn fusermount3 -u "$MNT"
test "$(digest "$MNT/k")" = "$(digest "$TMP/k")" || fail "trees differ"
grep -q " $MNT fuse.*allow_other" /proc/self/mounts || fail "not allow_other"

# Elsewhere in the bucket its own address counts, which is nobody's.
! "$ASSETCTL" ls "$SRC_URL/other" 2>"$TMP/says" || fail "a wrong address"
grep -q '127.0.0.1:1' "$TMP/says" || fail "it says: $(cat "$TMP/says")"
# Over the files stands the environment, and over that the command line.
AWS_ENDPOINT_URL=$ENDPOINT "$ASSETCTL" ls "$SRC_URL/" >"$TMP/names" ||
	fail "AWS_ENDPOINT_URL"
AWS_ENDPOINT_URL=http://127.0.0.1:1 "$ASSETCTL" ls --endpoint "$ENDPOINT" \
	"$SRC_URL/" >"$TMP/names" || fail "--endpoint"

echo 'allow_others' >>"$XDG_CONFIG_HOME/assetfs.conf"
mkdir "$TMP/mnt2"
for program in assetctl assetfs; do
	case $program in
	assetctl) set -- "$ASSETCTL" ls "$SRC_URL/shots" ;;
	assetfs) set -- "$ASSETFS" -f "$SRC_URL/shots" "$TMP/mnt2" ;;
	esac
	! "$@" 2>"$TMP/says" || fail "$program: a misspelt word"
	grep -q "assetfs.conf:4: .*allow_others" "$TMP/says" ||
		fail "$program says: $(cat "$TMP/says")"
done
