#!/usr/bin/env bash
# Everything that must hold before a change goes in, in under 20 minutes on
# two cores:
#
#   gcc                     unit, fuzz, lint, shell
#   clang                   unit, fuzz, shell
#   address,undefined       unit, fuzz, shell
#   thread                  unit
#
# One RGW serves them all. The last line is "N passed, N failed" or "N passed,
# N failed, N skipped", summed up; a build that fails is one failure.
set -euo pipefail

cd "$(dirname "$0")/.."
WORK=$(mktemp -d "${TMPDIR:-/tmp}/assetfs-ci.XXXXXX")
PASSED=0 FAILED=0 SKIPPED=0

finish()
{
	trap - EXIT
	[ ! -d "$WORK/rgw" ] || tests/rgw.sh stop "$WORK/rgw"
	rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# stage NAME BUILD "MAKE-ARGUMENTS" GROUP...: builds and runs
# shellcheck disable=SC2086 # the arguments are several words
stage()
{
	local name=$1 build=$2 settings=$3 summary
	shift 3
	echo "== $name"
	if ! make -j"$(nproc)" tests $settings; then
		echo "FAIL build of $name"
		FAILED=$((FAILED + 1))
		return 0
	fi
	env $settings BUILD="$build" tests/run.sh "$@" |
		tee "$WORK/output" || :
	summary=$(tail -n 1 "$WORK/output")
	if [[ ! $summary =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
		echo "FAIL $name did not come to its end"
		FAILED=$((FAILED + 1))
		return 0
	fi
	PASSED=$((PASSED + BASH_REMATCH[1]))
	FAILED=$((FAILED + BASH_REMATCH[2]))
	SKIPPED=$((SKIPPED + ${BASH_REMATCH[4]:-0}))
}

if command -v radosgw >/dev/null; then
	tests/rgw.sh start "$WORK/rgw"
	export RGW_ENV=$WORK/rgw/env
fi

stage gcc build CC=gcc unit fuzz lint shell
stage clang build-clang CC=clang unit fuzz shell
stage address,undefined build-address-undefined \
	'CC=gcc SAN=address,undefined' unit fuzz shell
stage thread build-thread 'CC=gcc SAN=thread' unit

SUMMARY="$PASSED passed, $FAILED failed"
[ "$SKIPPED" = 0 ] || SUMMARY="$SUMMARY, $SKIPPED skipped"
finish
echo "$SUMMARY"
[ "$FAILED" = 0 ]
