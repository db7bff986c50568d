#!/usr/bin/env bash
# At the top there is exactly what belongs there, besides dotfiles.
set -eu
cd "$(dirname "$0")/../.."

git rev-parse --git-dir >/dev/null 2>&1 || {
	echo "needs the git repository"
	exit 77
}
want="LICENSE Makefile README.md cache fs man s3 tests tools"
have=$(git ls-files | sed 's,/.*,,' | grep -v '^\.' | LC_ALL=C sort -u |
	tr '\n' ' ')
[ "$have" = "$want " ] || {
	echo "top level has: $have"
	echo "it should be:  $want"
	exit 1
}
