#!/usr/bin/env bash
# A tree so large that its catalog stands in shards: what its push costs in
# requests and memory, what a look at one path costs, and that all of it comes
# back. MANY_FILES is the number of files; it takes about 90 bytes of memory
# for each that is read, so that the limit tells with 200,000.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store rgw
start_proxy
many=$BUILD/gen/many
requires_program "$many" "$ASSETCTL"
files=${MANY_FILES:-20000}
src=$TMP/many

"$many" "$src" "$files"
mkdir "$TMP/nothing"
push_tree "$TMP/nothing" "$SRC_URL/proof" -q

# expect WHAT MOST [KIND|* [PATH]]: requests since the mark
expect()
{
	local n what=$1 most=$2
	shift 2
	n=$(count_requests "$@")
	echo "# $what: $n requests${1:+ ($*)}"
	[ "$n" -le "$most" ] || {
		log_lines "$@" | cut -f 2-11 | head -n 50
		fail "$what: $n requests, more than $most"
	}
}

# RssAnon of a process in MiB, or 0
anonymous()
{
	awk '/^RssAnon/ { mib = $2 / 1024 } END { print int(mib) }' \
		"/proc/$1/status" 2>/dev/null || echo 0
}

# in_memory MOST COMMAND...: and it never has more MiB of anonymous memory
in_memory()
{
	local most=$1 pid mib peak=0
	shift
	"$@" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		mib=$(anonymous "$pid")
		[ "$mib" -le "$peak" ] || peak=$mib
		sleep 0.05
	done
	wait "$pid" || fail "$*: exit $?"
	echo "# $peak MiB of anonymous memory"
	[ "$peak" -lt "$most" ] || fail "$*: $peak MiB, not below $most"
}

new_machine()
{
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX")
}

# Names, attributes and links of all that is below.
attributes()
{
	(cd "$1" && find . -mindepth 1 -printf '%P\t%y\t%m\t%T@' \
		! -type d -printf '\t%s' , -printf '\n' | LC_ALL=C sort)
}

log_mark
in_memory 256 "$ASSETCTL" push -q "$src" "$SRC_URL/"
shards=$(count_requests PUT .assetfs/shard/)
packs=$(count_requests PUT .assetfs/blob/)
[ "$shards" -ge 2 ] || fail "$shards shards"
[ "$shards" -le $((files / 4096)) ] || fail "$shards shards for $files files"
[ "$packs" -le 8 ] || fail "$packs packs"
expect "push" $((8 + shards + packs))

log_mark
in_memory 256 "$ASSETCTL" push -q "$src" "$SRC_URL/"
expect "again" 3

new_machine
log_mark
mount_bucket
last=$((files / 100 / 2))
path=$(printf 'shots/sh%04u/cache/geo.0042.usd' "$last")
test "$(stat -c '%a %s %Y' "$MNT/many/$path")" = \
	"$(stat -c '%a %s %Y' "$src/$path")" || fail "stat differs"
expect "mount, and stat of one path" 4
cmp "$MNT/many/$path" "$src/$path" || fail "content differs"
attributes "$src" >"$TMP/there"
attributes "$MNT/many" >"$TMP/seen"
cmp "$TMP/there" "$TMP/seen" || {
	diff "$TMP/there" "$TMP/seen" | head -n 20
	fail "the mount shows another tree"
}
expect "all shards" "$shards" GET .assetfs/shard/
mib=$(anonymous "${MOUNT_PID[$MNT]}")
echo "# mount: $mib MiB of anonymous memory"
[ "$mib" -lt 256 ] || fail "mount: $mib MiB"
umount_bucket

# Deep as it is: one LIST for all of the directories above it.
new_machine
log_mark
"$ASSETCTL" stat --json "$SRC_URL/many/$path" >"$TMP/stat.json"
expect "stat of one path" 4
expect "stat of one path" 1 GET .assetfs/shard/
grep -q "\"size\":$(stat -c %s "$src/$path")," "$TMP/stat.json" ||
	fail "stat: $(cat "$TMP/stat.json")"

new_machine
log_mark
"$ASSETCTL" ls -l "$SRC_URL/many/$path" >"$TMP/line"
expect "ls of one path" 1 GET .assetfs/shard/
grep -q 'geo\.0042\.usd$' "$TMP/line" || fail "ls: $(cat "$TMP/line")"

# A shard that comes damaged is fetched once more; one that stays so, or is not
# there, makes no name absent.
new_machine
set_faults "GET .assetfs/shard/ 1 flip 5000"
log_mark
"$ASSETCTL" ls -l "$SRC_URL/many/$path" >"$TMP/again"
cmp "$TMP/line" "$TMP/again" || fail "after a damaged shard: another line"
[ "$(count_requests GET .assetfs/shard/)" = 2 ] || fail "not fetched again"
for fault in "flip 5000" 404; do
	new_machine
	set_faults "GET .assetfs/shard/ * $fault"
	"$ASSETCTL" ls -l "$SRC_URL/many/$path" >"$TMP/none" 2>"$TMP/err" &&
		fail "$fault: ls succeeds"
	cat "$TMP/err"
	if grep -qi 'no such' "$TMP/err"; then
		fail "$fault: said to be absent"
	fi
	mount_bucket
	stat "$MNT/many/$path" >"$TMP/none" 2>"$TMP/err" &&
		fail "$fault: stat succeeds"
	grep -q 'Input/output error\|Bad message' "$TMP/err" ||
		fail "$fault: $(cat "$TMP/err")"
	umount_bucket
done
set_faults

# A small directory of it, from elsewhere: only its shards are read and put.
new_machine
one=$src/shots/$(printf 'sh%04u' "$last")
echo "changed" >"$one/cache/geo.0007.usd"
echo "new" >"$one/new"
set_faults "PUT .assetfs/shard/ 1 lose-answer"
log_mark
push_tree "$one" "$SRC_URL/many/shots/" -q
expect "small directory: shards read" 3 GET .assetfs/shard/
expect "small directory: shards put, one of them twice" 3 PUT .assetfs/shard/
expect "small directory" 16
set_faults

mkdir "$TMP/back"
in_memory 256 "$ASSETCTL" pull -q "$SRC_URL/many" "$TMP/back"
attributes "$src" >"$TMP/there"
attributes "$TMP/back/many" >"$TMP/seen"
cmp "$TMP/there" "$TMP/seen" || {
	diff "$TMP/there" "$TMP/seen" | head -n 20
	fail "what was pulled is another tree"
}
diff -r "$src" "$TMP/back/many" || fail "content differs"
