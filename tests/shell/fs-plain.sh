#!/usr/bin/env bash
# A plain directory mounts as it stands: names, attributes, content, links,
# also where reads begin and end between pieces.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file
dir=${SRC_URL#file://}

mkdir -p "$dir/a/b" "$dir/empty-dir"
echo hello >"$dir/a/hello"
: >"$dir/a/none"
ln -s ../hello "$dir/a/b/link"
head -c 5000000 /dev/urandom >"$dir/big"
head -c 1048576 /dev/urandom >"$dir/a/mib"
chmod 600 "$dir/a/hello"
touch -d '2001-02-03 04:05:06.789012345' "$dir/a/hello"

mount_bucket "$SRC_URL" "$MNT" ttl=0
for file in a/hello a/none big a/mib; do
	cmp "$dir/$file" "$MNT/$file" || fail "$file differs"
	test "$(stat -c '%s %a %u:%g %Y' "$dir/$file")" = \
		"$(stat -c '%s %a %u:%g %Y' "$MNT/$file")" ||
		fail "$file: attributes differ"
done
test "$(readlink "$MNT/a/b/link")" = ../hello || fail "link"
test "$(cat "$MNT/a/b/link")" = hello || fail "through the link"
test -d "$MNT/empty-dir" || fail "an empty directory is missing"
test "$(cd "$dir" && find . -mindepth 1 | sort)" = \
	"$(cd "$MNT" && find . -mindepth 1 | sort)" || fail "names differ"

# OFFSET LENGTH, at odd places and past the end
while read -r offset length; do
	for tree in "$dir" "$MNT"; do
		dd if="$tree/big" iflag=skip_bytes,count_bytes bs=64K \
			skip="$offset" count="$length" status=none |
			sha256sum
	done | uniq | wc -l | grep -qx 1 || fail "read at $offset, $length"
done <<'END'
4999999 10
5000000 10
65535 2
1048575 2
3000001 1500000
2097152 1
END
umount_bucket
