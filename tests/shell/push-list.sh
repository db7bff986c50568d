#!/usr/bin/env bash
# --files-from: what a list names is pushed, with the directories it is in; what
# is missing is named, all of it, before anything is sent.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

t=$TMP/p
mkdir -p "$t/tex/deep" "$t/geo/below" "$t/versions/v3" "$t/other"
for f in tex/a tex/deep/b tex/unused geo/one geo/below/two versions/v3/c \
	other/d "odd  name" '#hash' $'new\nline'; do
	echo "$f" >"$t/$f"
done
ln -s versions/v3 "$t/current"
ln -s a "$t/tex/link"
chmod 750 "$t/tex"
mkfifo "$t/pipe"

expect()
{
	local dest=$1 got
	shift
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$dest" "$TMP/back"
	got=$(cd "$TMP/back" && find . -mindepth 1 -printf '%P:%y\n' |
		sort -t: -k1,1 |
		xargs -d '\n')
	[ "$got" = "$*" ] || fail "$dest has: $got"
}

check()
{
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" # makes a store of the directory

	# Relative and absolute, twice the same, through a link, a directory
	# without and one with what is in it.
	printf '%s\n' tex/a "$t/tex/deep/b" ./tex//a '' current/c other geo/ \
		tex/link 'odd  name' '#hash' tex/a >"$TMP/list"
	push_tree "$t" "$SRC_URL/x" -q --files-from "$TMP/list"
	expect "$SRC_URL/x" '#hash:f' current:d current/c:f geo:d geo/below:d \
		geo/below/two:f geo/one:f 'odd  name:f' other:d tex:d tex/a:f \
		tex/deep:d tex/deep/b:f tex/link:l
	[ "$(stat -c %a "$TMP/back/tex")" = 750 ] || fail "mode of a parent"
	[ "$(stat -c %Y "$TMP/back/tex")" = "$(stat -c %Y "$t/tex")" ] ||
		fail "time of a parent"

	# From stdin, ended by NULs, the base the root.
	printf '%s\0' "$t/tex/a" "$t/"$'new\nline' |
		push_tree / "$SRC_URL/y" -q --files-from - -0
	[ "$("$ASSETCTL" pull -q "$SRC_URL/y$t/tex/a" "$TMP/a.$STORE" &&
		cat "$TMP/a.$STORE")" = tex/a ] || fail "not below the root"

	# All of it.
	echo . | push_tree "$t" "$SRC_URL/z" -q --files-from - --exclude pipe \
		--exclude '/versions/'
	"$ASSETCTL" ls -R "$SRC_URL/z" >"$TMP/ls"
	grep -q unused "$TMP/ls" || fail "'.' is not all of it"
	! grep -q versions "$TMP/ls" || fail "excluded, but pushed"

	# What is wrong is named at once, and nothing is pushed.
	printf '%s\n' tex/a gone /elsewhere/b tex/gone/too ../p/tex/a \
		gone/{1..20} >"$TMP/list"
	! push_tree "$t" "$SRC_URL/w" -q --files-from "$TMP/list" \
		2>"$TMP/err" || fail "missing files are not missed"
	for want in "'gone': No such file" "'/elsewhere/b': not below SRC" \
		"'tex/gone/too': No such file" "'../p/tex/a': write it without" \
		"'gone/20': No such file"; do
		grep -qF "$want" "$TMP/err" || fail "$want: $(cat "$TMP/err")"
	done
	! "$ASSETCTL" ls "$SRC_URL/w" >/dev/null 2>&1 || fail "w was pushed"
	echo pipe | push_tree "$t" "$SRC_URL/w" -q --files-from - \
		2>"$TMP/err" && fail "a pipe is no warning"
	grep -q "'pipe' is a pipe, skipped" "$TMP/err" || fail "$(cat "$TMP/err")"
}

for_each_store check
