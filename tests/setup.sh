#!/usr/bin/env bash
# Installs the Debian 12 packages that assetfs needs.
#
#   tests/setup.sh --run-only   to run the programs
#   tests/setup.sh --build      to build them (the default)
#   tests/setup.sh --tests      to build and to run every test
#   tests/setup.sh --bench      the same, and what is measured against
#
# Asks no questions. When nothing is missing it touches neither network nor
# apt, and needs no root.
set -eu

RUN="fuse3 liblmdb0 libcurl4 libxml2 libzstd1 libjansson4 libssl3
	ca-certificates"
BUILD="gcc libc6-dev make pkg-config libfuse3-dev liblmdb-dev
	libcurl4-openssl-dev libxml2-dev libzstd-dev libjansson-dev libssl-dev"
TESTS="clang libclang-rt-14-dev mandoc bsdextrautils shellcheck git curl python3 awscli attr jq
	ceph-mon ceph-osd ceph-common radosgw libarchive-tools tar zstd procps
	iproute2 util-linux mount"
BENCH="rclone s3fs"

case ${1:---build} in
--run-only) wanted=$RUN ;;
--build) wanted="$RUN $BUILD" ;;
--tests) wanted="$RUN $BUILD $TESTS" ;;
--bench) wanted="$RUN $BUILD $TESTS $BENCH" ;;
*)
	echo "usage: setup.sh [--run-only | --build | --tests | --bench]" >&2
	exit 2
	;;
esac

missing=()
for package in $wanted; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
		2>/dev/null) || status=none
	[ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "setup.sh: installing ${missing[*]}"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get -q update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install \
	--no-install-recommends "${missing[@]}"
