#!/usr/bin/env bash
# A decoder written from man/assetfs-format.5 alone restores what was pushed to
# identical files, and finds nothing wrong with any object; tar and bsdtar
# extract packs without a warning.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" zstd tar bsdtar python3
MIB=1048576

# in_directory: BUCKET_DIR has the objects of the store, a file each.
in_directory()
{
	local key
	BUCKET_DIR=${SRC_URL#file://}
	[ "$STORE" = rgw ] || return 0
	BUCKET_DIR=$(mktemp -d "$TMP/objects.XXXXXX")
	s3_keys >"$TMP/keys"
	[ "$(wc -l <"$TMP/keys")" -lt 1000 ] || fail "too many keys"
	while read -r key; do
		mkdir -p "$BUCKET_DIR/$(dirname "$key")"
		s3_get "$key" >"$BUCKET_DIR/$key"
	done <"$TMP/keys"
}

# restores DIR TREE: the decoder makes the same of what is at DIR
restores()
{
	[ "$(digest "$TMP/restored/$1")" = "$(digest "$2")" ] || {
		diff <(digest "$TMP/restored/$1") <(digest "$2") | head -20
		fail "$STORE: $1 differs"
	}
	[ "$(stat -c '%a %.Y' "$TMP/restored/$1")" = \
		"$(stat -c '%a %.Y' "$2")" ] || fail "$STORE: root of $1"
}

decode()
{
	rm -rf "$TMP/restored"
	in_directory
	python3 -B "$TOP/tests/decode" "$BUCKET_DIR" "$TMP/restored" \
		>"$TMP/said" || fail "$STORE: the decoder found something wrong"
}

# files DIR [MTIMES]: two records for each, ended by NUL. Times before 1970 are
# left out where a program reads their fractions wrongly, as bsdtar does.
files()
{
	local owner=''
	[ "$(id -u)" != 0 ] || owner='%U:%G'
	(
		cd "$1"
		find . -type f -printf "%P\t%m\t%s\t$owner\t%T@\\0" |
			sed -z "${2:-}"
		find . -type f -print0 | xargs -0 -r sha256sum -z |
			sed -z 's, \./, ,'
	) | LC_ALL=C sort -z
}

# extracts_packs SOURCE...: each tar extracts of each pack files as they are in
# one of the trees.
extracts_packs()
{
	local blob by name no_old='' packs source
	for by in tar bsdtar; do
		name=$TMP/files.$by
		[ "$by" = tar ] || no_old='s/-[0-9.]*$/old/'
		for source; do
			files "$source" "$no_old"
		done | LC_ALL=C sort -zu >"$name"
		packs=0
		for blob in "$BUCKET_DIR"/.assetfs/blob/*; do
			# Those of large files have no archive.
			"$by" -tf "$blob" 2>/dev/null | grep -q . || continue
			packs=$((packs + 1))
			extract "$blob" "$by"
			files "$TMP/extracted" "$no_old" >"$TMP/found"
			LC_ALL=C comm -z -13 "$name" "$TMP/found" |
				tr '\0' '\n' >"$TMP/other"
			[ ! -s "$TMP/other" ] ||
				fail "$by: other files: $(head "$TMP/other")"
		done
		[ "$packs" -gt 0 ] || fail "$STORE: no packs"
	done
}

extract()
{
	local options=--zstd
	rm -rf "$TMP/extracted"
	mkdir "$TMP/extracted"
	[ "$2" = tar ] && options="--zstd --warning=no-timestamp" || options=
	# shellcheck disable=SC2086
	"$2" $options -xpf "$1" -C "$TMP/extracted" 2>"$TMP/warned" ||
		fail "$2: $(cat "$TMP/warned")"
	[ ! -s "$TMP/warned" ] || fail "$2: $(cat "$TMP/warned")"
}

make_odd()
{
	local t=$1 deep=$1 i
	mkdir -p "$t/empty/er" "$t/many" "$t/odd names"
	for i in $(seq 14); do
		deep=$deep/$(printf 'd%.0s' $(seq 240))
		mkdir "$deep"
	done
	echo deep >"$deep/file"
	ln -s "$(printf 't%.0s' $(seq 4000))" "$t/long target"
	seq 3000 | (cd "$t/many" && split -l 1 -a 5 -d - n)
	: >"$t/zero"
	printf 1 >"$t/one"
	head -c $MIB /dev/urandom >"$t/block"
	head -c $((MIB + 1)) /dev/urandom >"$t/block and one"
	cat "$t/block" "$t/block" "$t/one" >"$t/twice"
	cp "$t/block" "$t/many/twin"
	truncate -s $((3 * MIB + 5)) "$t/hole"
	truncate -s $((50 * MIB)) "$t/sparse"
	echo data | dd of="$t/sparse" bs=1 seek=$((33 * MIB - 2)) \
		conv=notrunc status=none
	head -c $((16 * MIB)) /dev/urandom >"$t/largest in a pack"
	head -c $((40 * MIB)) /dev/urandom >"$t/large"
	# (Without the C locale, some shells would not write such names.)
	echo bytes >"$t/"$'\xff\xfe'
	mkdir "$t/"$'d\x80'
	echo in >"$t/"$'d\x80/in'
	ln -s $'\xff\xfe' "$t/link"
	printf 'x' >"$t/odd names/"$'new\nline'
	printf 'y' >"$t/odd names/$(printf 'n%.0s' $(seq 255))"
	printf 'z' >"$t/odd names/$(printf '\303\244%.0s' $(seq 127))"
	printf 'q' >"$t/odd names/"'back\slash "quoted" é'
	printf 'w' >"$t/odd names/ "
	printf 'v' >"$t/odd names/-"
	ln -s /nowhere/at/all "$t/dangling"
	echo special >"$t/setuid"
	chmod 6755 "$t/setuid"
	[ "$(id -u)" != 0 ] || chown 3000000:4000000000 "$t/odd names/ "
	chmod 6755 "$t/setuid"
	chmod 0 "$t/zero"
	chmod 1777 "$t/empty"
	echo future >"$t/future"
	touch -d '2200-01-01 00:00:00.999999999' "$t/future"
	echo past >"$t/past"
	touch -d '1901-12-13 20:45:52.000000001' "$t/past"
	touch -d '1969-12-31 23:59:58.123456789' "$t/one"
	touch -d '1970-01-01' "$t/block"
	touch -h -d '2001-02-03 04:05:06.7' "$t/dangling"
	touch -d '2040-01-01 00:00:00.000000001' "$t/empty"
}

check()
{
	local i
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" "$SRC_URL/" -q # makes a store of it
	push_tree "$TMP/k" "$SRC_URL/one/" -q
	push_tree "$TMP/t" "$SRC_URL/two/" -q
	decode
	restores one/k "$TMP/k"
	restores two/t "$TMP/t"
	extracts_packs "$TMP/k" "$TMP/t"

	# Some blocks of the large file are others, and there is one more.
	for i in 3 7 38; do
		head -c 9 /dev/urandom | dd of="$TMP/t/large" bs=1 \
			seek=$((i * MIB + 99)) conv=notrunc status=none
	done
	head -c $MIB /dev/urandom >>"$TMP/t/large"
	echo more >>"$TMP/t/past"
	rm -f "$TMP/t/many/n00007"
	push_tree "$TMP/t" "$SRC_URL/two/" -q --delete
	# A tree above another.
	push_tree "$TMP/above/" "$SRC_URL/one" -q
	decode
	restores one/k "$TMP/k"
	restores two/t "$TMP/t"
	cmp "$TMP/restored/one/file" "$TMP/above/file" || fail "above"
	collected
	if [ "$STORE" = file ]; then
		damaged '*/.assetfs-tree-*'
		damaged '*/index/*'
		damaged '*/blob/*'
	else
		damaged '*/gc/*'
	fi
}

DAY=86400

# collected: a tree has gone, and a collector has listed what was in it
collected()
{
	local key i
	[ "$STORE" = rgw ] || return 0
	start_proxy
	push_tree "$TMP/above" "$SRC_URL/lost" -q
	s3_keys lost%2F >"$TMP/lost"
	[ -s "$TMP/lost" ] || fail "nothing to be lost"
	while read -r key; do
		s3_curl DELETE "/$BUCKET/$key"
	done <"$TMP/lost"
	for i in 1 2; do
		move_clock $((8 * DAY))
		"$ASSETCTL" gc -q --yes "$SRC_URL" || fail "gc"
	done
	decode
	grep -q ' [1-9] lists' "$TMP/said" || fail "no list"
	restores one/k "$TMP/k"
	restores two/t "$TMP/t"
}

# damaged KEY-PATTERN: the decoder sees it when one bit of any such object is
# another, also where no tree needs it
damaged()
{
	local key byte
	for key in $(cd "$BUCKET_DIR" && find . -path "$1" -size +0 |
		LC_ALL=C sort | sed -n '1p;$p'); do
		byte=$(($(stat -c %s "$BUCKET_DIR/$key") * 2 / 3))
		cp "$BUCKET_DIR/$key" "$TMP/kept"
		python3 - "$BUCKET_DIR/$key" "$byte" <<-'END'
			import sys
			with open(sys.argv[1], "r+b") as f:
			    f.seek(int(sys.argv[2]))
			    byte = f.read(1)[0]
			    f.seek(-1, 1)
			    f.write(bytes([byte ^ 4]))
		END
		if python3 -B "$TOP/tests/decode" "$BUCKET_DIR" \
			>"$TMP/said" 2>"$TMP/err"; then
			fail "$STORE: damage of $key is not seen"
		fi
		grep -qF "${key#./}: " "$TMP/err" ||
			fail "$key is not named: $(cat "$TMP/err")"
		cp "$TMP/kept" "$BUCKET_DIR/$key"
	done
	[ -n "${key:-}" ] || fail "$STORE: no $1"
}

mkdir "$TMP/above"
echo above >"$TMP/above/file"
make_k "$TMP/k"
make_odd "$TMP/t"
