#!/usr/bin/env bash
# Each header compiles by itself.
set -eu
cd "$(dirname "$0")/../.."

CC=${CC:-gcc}
# shellcheck disable=SC2046 # one word per flag
set -- -std=gnu17 -D_GNU_SOURCE -DASSETFS_VERSION='"0"' -I. -Wall -Wextra \
	-Werror -Wno-unused-function -fsyntax-only $(pkg-config --cflags \
	fuse3 libcurl libxml-2.0 libcrypto libzstd jansson)
bad=0
for header in s3/base/*.h s3/*.h cache/*.h fs/*.h tools/*.h tests/*/*.h; do
	[ -f "$header" ] || continue
	echo "#include \"$header\"" | $CC "$@" -x c - || {
		echo "$header: does not compile by itself"
		bad=1
	}
done
exit $bad
