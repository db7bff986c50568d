#!/bin/sh
# A plain directory behaves as s3/store.h says.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir" "$dir.out"' EXIT
"${BUILD:-build}/conform/store_conform" "file://$dir" >"$dir.out" ||
	{ grep -v '^ok' "$dir.out" || :; exit 1; }
left=$(find "$dir" -mindepth 1 ! -path "$dir/.assetfs*")
test -z "$left" || { echo "left behind: $left"; exit 1; }
