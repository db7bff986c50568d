#!/usr/bin/env bash
# What SRC... and DEST mean together: slashes, links, ".", several sources.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

mkdir -p "$TMP/s/K/sub" "$TMP/s/L/sub" "$TMP/s/M/sub"
echo one >"$TMP/s/K/1"
echo two >"$TMP/s/K/sub/2"
echo three >"$TMP/s/L/sub/3"
echo four >"$TMP/s/M/sub/2"
echo file >"$TMP/s/f"
ln -s K "$TMP/s/link"
ln -s f "$TMP/s/flink"
ln -s nowhere "$TMP/s/dangling"
cd "$TMP/s"

# expect DEST NAME...: all below it that is not a directory
expect()
{
	local dest=$1 got
	shift
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$dest" "$TMP/back"
	got=$(cd "$TMP/back" && find . ! -type d -printf '%P\n' | sort | xargs)
	[ "$got" = "$*" ] || fail "$dest has: $got"
}

# refuse TEXT ARGUMENT...
refuse()
{
	local text=$1
	shift
	! "$ASSETCTL" push -q "$@" >"$TMP/out" 2>"$TMP/err" ||
		fail "push $* is not refused"
	grep -qF -- "$text" "$TMP/err" || fail "push $*: $(cat "$TMP/err")"
}

check()
{
	local u=$SRC_URL
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" # makes a store of the directory

	push_tree K "$u/a/" -q
	expect "$u/a" K/1 K/sub/2
	push_tree K/ "$u/b" -q
	expect "$u/b" 1 sub/2
	push_tree K "$u/c" -q
	expect "$u/c" 1 sub/2
	push_tree link "$u/d/" -q
	expect "$u/d" link/1 link/sub/2
	push_tree flink "$u/e/" -q
	expect "$u/e" flink
	(cd K && push_tree . "$u/g/" -q)
	expect "$u/g" 1 sub/2
	push_tree f "$u/h/renamed" -q
	expect "$u/h" renamed

	# Several: DEST is a directory, with or without a slash.
	push_tree K "$u/i" -q f L/
	expect "$u/i" K/1 K/sub/2 f sub/3
	push_tree K/ "$u/j/" -q L/
	expect "$u/j" 1 sub/2 sub/3
	# One commit; attributes as each source has them.
	[ "$("$ASSETCTL" ls -R "$u/i" | wc -l)" -ge 5 ] || fail "ls"
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$u/i/K" "$TMP/back"
	[ "$(digest "$TMP/back")" = "$(digest K)" ] || fail "K differs"
	push_tree K "$u/i" --json f L/ >"$TMP/json"
	grep -q '"unchanged":4,' "$TMP/json" || fail "$(cat "$TMP/json")"

	refuse "'sub/2' is in more than one SRC" K/ M/ "$u/x"
	refuse "'nope': No such file" nope K also "$u/x"
	grep -q "'also': No such file" "$TMP/err" || fail "only one is named"
	refuse "'dangling': No such file" dangling "$u/x/"
	refuse "SRC and DEST" K
	! "$ASSETCTL" ls "$u/x" >/dev/null 2>&1 || fail "x was pushed"
}

for_each_store check
