#!/usr/bin/env bash
# A plain object that was replaced after its directory was listed: whoever
# opened the old one gets ESTALE at most once, and whoever opens it then reads
# the new one, though the listing would be trusted for longer.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file
dir=${SRC_URL#file://}/d
mkdir "$dir"

# replaces NAME by one step, with a content of another size
replace()
{
	echo "the new one" >"$dir/.new"
	mv "$dir/.new" "$dir/$1"
}

for name in 1 2 3; do
	echo old >"$dir/listed$name"
	echo old >"$dir/known$name"
done
mount_bucket
for name in listed1 listed2 listed3 known1 known2 known3; do
	ls "$MNT/d" >/dev/null
	case $name in
	known*) stat "$MNT/d/$name" >/dev/null ;;
	esac
	replace "$name"
	head -c 100 "$MNT/d/$name" >/dev/null 2>&1 || :
	test "$(cat "$MNT/d/$name")" = "the new one" ||
		fail "$name is not read anew"
done
