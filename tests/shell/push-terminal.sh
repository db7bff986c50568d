#!/usr/bin/env bash
# On a terminal push draws what has left the machine and clears it away,
# whatever the terminal's width; Ctrl-C at any point ends it with 130, shows
# nothing in the bucket, leaves nothing behind, and the next push sends no
# complete blob again.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3
start_proxy --bandwidth 6000000
new_bucket
export TERM=xterm
mkdir "$TMP/K"
head -c 25000000 /dev/urandom >"$TMP/K/large"
for i in $(seq 200); do
	head -c 20000 /dev/urandom >"$TMP/K/$i"
done

# terminal STATUS ARGUMENT...: of terminal.py
terminal()
{
	local status=0 want=$1
	shift
	"$TOP/tests/shell/terminal.py" "$@" || status=$?
	[ "$status" = "$want" ] ||
		fail "$*: exit $status, not $want: $(cat "$TMP/screen")"
}

# The lines that were drawn over one another, of which there are some.
drawn()
{
	tr '\r' '\n' <"$TMP/screen" | grep -a "$@" ||
		fail "never drawn: $*: $(cat "$TMP/screen")"
}

# shown REGEX: all that is to be seen in the end, as one line
shown()
{
	tr -d '\n' <"$TMP/screen.shown" | grep -qE "^$1\$" ||
		fail "in the end: $(cat "$TMP/screen.shown"), not $1"
}

nothing_visible()
{
	if "$ASSETCTL" ls -R "$SRC_URL/a" >"$TMP/ls" 2>&1; then
		[ ! -s "$TMP/ls" ] || fail "visible: $(cat "$TMP/ls")"
	fi
}

# interrupt REGEX NAME WHY [WARNING]: Ctrl-C in the push of NAME when that is
# drawn, and what is said then
interrupt()
{
	terminal 130 --type-at "$1" "$TMP/screen" "$ASSETCTL" push \
		"$TMP/$2" "$SRC_URL/a/"
	shown "${4:+assetctl: warning: $4}assetctl: error: push '.*/$2': $3"
	nothing_visible
	[ -z "$(find "$TMP/cache" -name '*tmp*')" ] || fail "temporary files"
}

SRC_URL=s3://$BUCKET
summary='pushed 201 files, 29\.0 MB in [0-9.]+ s; [0-9]+ requests \(.*\)'
terminal 0 "$TMP/screen" "$ASSETCTL" push "$TMP/K" "$SRC_URL/b/"
shown "$summary; 29\.. MB sent(, .* received)?; about \\\$0\.[0-9]+"
drawn -E '^push  \[[#.]+\]  +([2-9]|[1-8][0-9])%  [0-9]+/201 files  [0-9.]+/29\.0 MB  [0-9.]+ [kM]B/s  ETA [0-9]s' >"$TMP/lines"
# One large PUT is most of it.
[ "$(sed -E 's/.*\]  +([0-9]+)%.*/\1/' "$TMP/lines" | sort -u | wc -l)" -ge 3 ] ||
	fail "does not move: $(cat "$TMP/lines")"
[ -z "$(sed -E 's/.*\]  +([0-9]+)%.*/\1/' "$TMP/lines" | sort -nc 2>&1)" ] ||
	fail "goes back: $(cat "$TMP/lines")"

# anew NAME: content that was never sent
anew()
{
	rm -rf "${TMP:?}/$1"
	mkdir "$TMP/$1"
	head -c 5000000 /dev/urandom >"$TMP/$1/f"
}

anew narrow
terminal 0 --columns 20 "$TMP/screen" "$ASSETCTL" push "$TMP/narrow" "$SRC_URL/b/"
drawn -E '^push  +[0-9]+%  0/1 file'$'\033' >"$TMP/lines"
shown "pushed 1 file, 5\.0 MB in .*"
for term in dumb '' xterm; do
	anew "q$term"
	quiet=()
	[ "$term" != xterm ] || quiet=(-q)
	TERM=$term terminal 0 "$TMP/screen" "$ASSETCTL" push "${quiet[@]}" \
		"$TMP/q$term" "$SRC_URL/b/"
	[ "$(tr -d '\n' <"$TMP/screen.shown")" = \
		"$(tr -d '\r\n' <"$TMP/screen")" ] ||
		fail "TERM='$term': drawn: $(cat "$TMP/screen")"
done
[ ! -s "$TMP/screen" ] || fail "-q: $(cat "$TMP/screen")"
anew piped
"$ASSETCTL" push "$TMP/piped" "$SRC_URL/b/" >"$TMP/out" 2>"$TMP/err"
[ ! -s "$TMP/err" ] || fail "not a terminal: $(cat "$TMP/err")"
grep -q '^pushed 1 file, ' "$TMP/out" || fail "$(cat "$TMP/out")"

# While it hashes: nothing was sent yet.
mkdir "$TMP/much"
head -c 300000000 /dev/zero >"$TMP/much/0"
for i in 1 2 3 4 5 6 7 8 9; do
	ln "$TMP/much/0" "$TMP/much/$i"
done
log_mark
interrupt 'read  \[' much interrupted
[ "$(count_requests PUT)" = 0 ] || fail "sent something"
rm -r "$TMP/much"

# While it sends: some packs are up, the others hang.
set_faults 'PUT .assetfs/blob/ 3- stall'
rm "$TMP/K/large"
log_mark
for i in $(seq 200); do
	head -c 40000 /dev/urandom >"$TMP/K/$i"
done
interrupt '[1-9][0-9]*/200 files' K interrupted \
	'what was uploaded completely is kept: the next push does not send it again'
set_faults
kept=$(log_lines PUT .assetfs/blob/ |
	awk -F '\t' '$9 == 200 { n += $10 } END { print n + 0 }')
[ "$kept" -ge 1000000 ] || fail "$kept bytes were uploaded"

# While it commits.
# The first version of a tree is the announcement.
set_faults 'PUT .assetfs-tree-fffffffffffffffd * stall'
log_mark
interrupt 'committing' K 'PUT .*cancelled; it may have been written all the same'
again=$(count_bytes up PUT .assetfs/blob/)
[ $((again + kept)) -lt 8200000 ] || fail "$kept bytes, then $again again"
set_faults
log_mark
terminal 0 "$TMP/screen" "$ASSETCTL" push "$TMP/K" "$SRC_URL/a/"
[ "$(count_requests PUT .assetfs/blob/)" = 0 ] || fail "sends it again"
shown "pushed 200 files, 8\.0 MB in .*; 8\.0 MB not moved \(pool\); .*"
ASSETFS_CACHE_DIR=$TMP/cache2 "$ASSETCTL" pull -q "$SRC_URL/a/K" "$TMP/back/"
diff <(digest "$TMP/K") <(digest "$TMP/back/K") || fail "trees differ"
"$ASSETCTL" verify -q "$SRC_URL" || fail "verify"
