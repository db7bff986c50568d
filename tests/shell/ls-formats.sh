#!/usr/bin/env bash
# ls shows names sorted, attributes with -l, all below with -R, and mtree(5)
# and JSON that other programs read.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file

dir=${SRC_URL#file://}/K
mkdir -p "$dir/b-dir/deep"
echo hello >"$dir/a.txt"
echo x >"$dir/"$'no\377utf8'
echo y >"$dir/b-dir/deep/"$'two words\n'
ln -s '../a b' "$dir/b-dir/link"
chmod 640 "$dir/a.txt"
touch -d '2001-02-03 04:05:06.000000789' "$dir/a.txt"
touch -h -d '2002-02-03 04:05:06' "$dir/b-dir/link"

test "$("$ASSETCTL" ls "$SRC_URL/K" | tr '\377' '?')" = "a.txt
b-dir
no?utf8" || fail "names"
test "$("$ASSETCTL" ls "$SRC_URL/K/a.txt")" = a.txt || fail "a file"
"$ASSETCTL" ls -l "$SRC_URL/K" >"$TMP/long"
owner=$(stat -c '%u *%g' "$dir/a.txt")
grep -qE "^-rw-r----- +${owner/ \*/ +} +6 2001-02-03T04:05:06 plain +a.txt\$" \
	"$TMP/long" || fail "long: $(cat "$TMP/long")"
"$ASSETCTL" ls -l "$SRC_URL/K/b-dir" |
	grep -q '^lrwx.*2002-02-03T04:05:06 plain  link -> ../a b$' ||
	fail "a link"
"$ASSETCTL" ls -R "$SRC_URL/K" | grep -qx 'b-dir/deep:' || fail "-R"

# On a terminal nothing of a name acts on it.
requires_program script
script -qec "$ASSETCTL ls -R $SRC_URL/K" /dev/null >"$TMP/tty" </dev/null
grep -qF 'no\377utf8' "$TMP/tty" || fail "terminal: $(cat "$TMP/tty")"
grep -qF 'two words\012' "$TMP/tty" || fail "terminal: $(cat "$TMP/tty")"

"$ASSETCTL" ls --format=mtree "$SRC_URL/K" >"$TMP/mtree"
grep -qx './a.txt type=file mode=0640 .* size=6 time=981173106.000000789' \
	"$TMP/mtree" || fail "mtree: $(cat "$TMP/mtree")"
grep -qF ' link=../a\040b' "$TMP/mtree" || fail "mtree: $(cat "$TMP/mtree")"
requires_program bsdtar
test "$(bsdtar -tf "$TMP/mtree" | LC_ALL=C sort)" = ".
./a.txt
./b-dir
./b-dir/deep
./b-dir/deep/two words\\n
./b-dir/link
./no\\377utf8" || fail "bsdtar: $(bsdtar -tf "$TMP/mtree")"

"$ASSETCTL" ls -lR --json "$SRC_URL/K" >"$TMP/json"
python3 - "$TMP/json" <<'END' || fail "json: $(cat "$TMP/json")"
import json, sys
l = {o.get("name", o.get("name_quoted")): o for o in json.load(open(sys.argv[1]))}
assert set(l) == {"a.txt", "b-dir", "b-dir/deep", "b-dir/deep/two words\n",
                  "b-dir/link", "no\\377utf8"}, l
assert l["a.txt"]["mode"] == "0640" and l["a.txt"]["size"] == 6
assert l["a.txt"]["mtime_ns"] == 981173106000000789
assert l["b-dir/link"]["target"] == "../a b" and not l["a.txt"]["packed"]
END
test "$("$ASSETCTL" ls --json "$SRC_URL/K/b-dir/deep" |
	python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')" = 1 ||
	fail "json of one"

# A tree's root shows in its parent's list as it was pushed.
mkdir "$TMP/T"
chmod 750 "$TMP/T"
touch -d '2003-02-03 04:05:06' "$TMP/T"
push_tree "$TMP/T" "$SRC_URL/" -q
"$ASSETCTL" ls -l "$SRC_URL" | grep -q '^drwxr-x---.*2003-02-03T04:05:06' ||
	fail "a tree in its parent: $("$ASSETCTL" ls -l "$SRC_URL")"
