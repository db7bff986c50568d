#!/usr/bin/env bash
# Odd things in a source: many files in one directory, deep paths, names that are
# not UTF-8, far times, files that cannot be read, or that go away meanwhile.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

same()
{
	rm -rf "$TMP/back"
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.back.XXXXXX") \
		"$ASSETCTL" pull -q "$1" "$TMP/back"
	[ "$(digest "$TMP/back")" = "$(digest "$2")" ] || {
		diff <(digest "$TMP/back") <(digest "$2") | head -20
		fail "$1 differs"
	}
}

use_store file
mkdir "${SRC_URL#file://}/.assetfs"
t=$TMP/t
mkdir -p "$t/many" "$t/empty/er"
deep=$t
for _ in $(seq 15); do
	deep=$deep/$(printf 'd%.0s' $(seq 240))
	mkdir "$deep"
done
echo deep >"$deep/file"
seq 3000 | (cd "$t/many" && split -l 1 -a 5 -d - n)
# (Without the C locale, some shells would not write such names.)
echo bytes >"$t/"$'\xff\xfe'
mkdir "$t/"$'d\x80'
echo in >"$t/"$'d\x80/in'
ln -s $'\xff\xfe' "$t/link"
echo x >"$t/future"
touch -d '2200-01-01 00:00:00.999999999' "$t/future"
echo x >"$t/past"
touch -d '1901-12-13 20:45:52.000000001' "$t/past"
chmod 6755 "$t/past"
chmod 1777 "$t/empty"
push_tree "$t" "$SRC_URL/" -q
same "$SRC_URL/t" "$t"

# Years that some file systems know, and 64 bits of nanoseconds do not.
mkdir "$TMP/years"
if touch -d '2400-01-01' "$TMP/years/far" &&
	[ "$(date -r "$TMP/years/far" +%Y)" = 2400 ]; then
	push_tree "$TMP/years" "$SRC_URL/" -q
	"$ASSETCTL" ls -l "$SRC_URL/years" | grep -q ' 2262-04-11T.* far$' ||
		fail "2400 became $("$ASSETCTL" ls -l "$SRC_URL/years")"
fi

# Sockets, pipes and devices are skipped, each by name, and all else goes up.
mkfifo "$t/empty/pipe"
[ "$(id -u)" != 0 ] || mknod "$t/empty/device" c 1 3
status=0
push_tree "$t" "$SRC_URL/" -q 2>"$TMP/err" || status=$?
[ "$status" = 1 ] || fail "status $status"
grep -q "'empty/pipe' is a pipe, skipped" "$TMP/err" || fail "$(cat "$TMP/err")"
[ "$(id -u)" != 0 ] || grep -q "'empty/device' is a device" "$TMP/err" ||
	fail "$(cat "$TMP/err")"
rm -f "$t/empty/pipe" "$t/empty/device"

# What cannot be read is named, all of it, and nothing is pushed. In a place that
# somebody else than root can reach.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	other=$(mktemp -d "/tmp/push-odd.XXXXXX")
	cleanup_fn rm -rf "$other"
	mkdir -p "$other/u/dir" "$other/u/closed" "$other/own"
	for i in $(seq 30); do
		echo "$i" >"$other/u/dir/f$i"
		chmod 0 "$other/u/dir/f$i"
	done
	echo good >"$other/u/good"
	chmod 0 "$other/u/closed"
	chown 12345 "$other/own"
	chmod 755 "$other"
	install -m 755 "$ASSETCTL" "$other/assetctl"
	status=0
	(
		cd / && setpriv --reuid 12345 --regid 12345 --clear-groups \
			env -i HOME="$other/own" \
			ASSETFS_CACHE_DIR="$other/own/cache" \
			"$other/assetctl" push -q "$other/u" \
			"file://$other/own/"
	) >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = 1 ] || fail "status $status: $(cat "$TMP/err")"
	for i in $(seq 30); do
		grep -q "'dir/f$i': Permission denied" "$TMP/err" ||
			fail "dir/f$i is not named: $(cat "$TMP/err")"
	done
	grep -q "'closed': Permission denied" "$TMP/err" ||
		fail "$(cat "$TMP/err")"
	! ls "$other"/own/u/.assetfs-tree-* >/dev/null 2>&1 || fail "pushed"
fi

# Files come and go while it is pushed: the push ends, well or by name.
mkdir "$TMP/v"
echo stays >"$TMP/v/stays"
(
	while :; do
		for i in 1 2 3 4 5 6 7 8; do
			echo "$i" >"$TMP/v/$i"
		done
		rm -f "$TMP"/v/[1-8]
	done
) &
writer=$!
record_pid "$writer"
for _ in $(seq 10); do
	status=0
	push_tree "$TMP/v" "$SRC_URL/" -q 2>"$TMP/err" || status=$?
	[ "$status" = 0 ] || grep -q "'[1-8]'.*\(No such file\|keeps changing\)" \
		"$TMP/err" || fail "status $status: $(cat "$TMP/err")"
done
end_process "$writer"
push_tree "$TMP/v" "$SRC_URL/" -q
[ "$("$ASSETCTL" ls "$SRC_URL/v" | grep -x stays)" = stays ] || fail "lost"
