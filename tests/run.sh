#!/usr/bin/env bash
# Runs tests and says how many passed.
#
#   tests/run.sh [unit] [fuzz] [lint] [shell] [all] [long] [fuzz-long]
#
# For the build in $BUILD (default: build), which `make tests` has made.
# One line per test, the log of each that failed, and at the end, as the last
# line, "N passed, N failed" or "N passed, N failed, N skipped". Exit 1 when
# one failed. TEST_TIMEOUT is the time limit of a test in seconds (120).
#
# "long" are shell tests that take minutes and gigabytes, one at a time with a
# limit of an hour each; "all" does not have them. Nor has it "fuzz-long", which
# is for the build of `make fuzz`: each target hunts for FUZZ_SECONDS (60), from
# its corpus; inputs that it finds stay in $BUILD/found/NAME, those that broke it
# in $BUILD/found/NAME-crash-*.
#
# Tests run beside each other, TEST_JOBS at a time (three for each core). One RGW
# serves all shell tests, unless $RGW_ENV names the env file of one that runs
# already. Whatever a sanitizer reports, in any process, fails the test.
set -eu

cd "$(dirname "$0")/.."
BUILD=$(mkdir -p "${BUILD:-build}" && cd "${BUILD:-build}" && pwd)
export BUILD
LIMIT=${TEST_TIMEOUT:-120}
RUN=$(mktemp -d "${TMPDIR:-/tmp}/assetfs-tests.XXXXXX")
: >"$RUN/results"

finish()
{
	trap - EXIT
	local pid
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null || :
	done
	wait
	[ ! -d "$RUN/rgw" ] || tests/rgw.sh stop "$RUN/rgw"
	rm -rf --one-file-system "$RUN"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Thread sanitizer cannot live with the address layout of newer kernels.
PLAIN_LAYOUT=()
case ${SAN:-} in
*thread*) PLAIN_LAYOUT=(setarch -R) ;;
esac

# What a killed test left: processes it recorded, and mounts.
clear_up_after()
{
	local root=$1 pid mnt
	cat "$root"/*/pids 2>/dev/null | while read -r pid; do
		if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" |
			grep -qF "$root"; then
			kill -KILL "$pid" 2>/dev/null || :
		fi
	done
	awk -v root="$root/" 'index($2, root) == 1 { print $2 }' \
		/proc/self/mounts | while read -r mnt; do
		mnt=$(printf '%b' "$mnt")
		umount -l "$mnt" || fusermount3 -uz "$mnt" || :
	done
}

# run_test NAME COMMAND...: prints its line and adds a word to the results.
run_test()
{
	local name=$1 status=0 begin seconds word note='' root san
	shift
	root=$RUN/${name//\//-}
	mkdir "$root"
	san="log_path=$root/sanitizer:halt_on_error=1"
	begin=${EPOCHREALTIME/./}
	TEST_ROOT=$root \
		ASAN_OPTIONS=$san:detect_leaks=1:strict_string_checks=${STRICT:-1} \
		UBSAN_OPTIONS=$san:print_stacktrace=1 \
		TSAN_OPTIONS=$san:second_deadlock_stack=1 \
		timeout -k 20 "$LIMIT" "${PLAIN_LAYOUT[@]}" "$@" \
		>"$root/log" 2>&1 </dev/null || status=$?
	seconds=$(((${EPOCHREALTIME/./} - begin) / 10000))
	seconds=$((seconds / 100)).$(printf %02d $((seconds % 100)))
	clear_up_after "$root"
	# What the search for leaks says when its process is killed meanwhile is
	# no finding.
	find "$root" -maxdepth 1 -name 'sanitizer.*' -exec cat {} + |
		grep -av 'Unable to get registers from thread' >"$root/found" || :
	if [ -s "$root/found" ]; then
		cat "$root/found" >>"$root/log"
		echo "a sanitizer had something to say" >>"$root/log"
		status=99
	fi
	case $status in
	0) word=ok ;;
	77)
		word=skip
		note=" ($(tail -n 1 "$root/log"))"
		;;
	124 | 137)
		word=FAIL
		note=" (over $LIMIT s, or killed)"
		;;
	*) word=FAIL ;;
	esac
	{
		flock 9
		echo "$word $name $seconds s$note"
		if [ "$word" = FAIL ]; then
			sed 's/^/    | /' "$root/log"
		fi
		echo "$word" >>"$RUN/results"
	} 9>>"$RUN/lock"
	rm -rf --one-file-system "$root"
}

# run_beside NAME COMMAND...: run_test, beside others; most of them wait for
# something most of the time. wait ends the group.
JOBS=${TEST_JOBS:-$((3 * $(nproc)))}
run_beside()
{
	while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
		wait -n || :
	done
	run_test "$@" &
}

group_unit()
{
	local program
	for program in tests/unit/test_*.c; do
		[ -f "$program" ] || continue
		program=$(basename "$program" .c)
		run_beside "unit/$program" "$BUILD/unit/$program"
	done
	wait
}

# strict_string_checks would have strndup take nothing but strings, and what a
# parser of outside bytes is given is none.
group_fuzz()
{
	local program name STRICT=0
	for program in tests/fuzz/fuzz_*.c; do
		[ -f "$program" ] || continue
		program=$(basename "$program" .c)
		name=${program#fuzz_}
		run_beside "fuzz/$name" "$BUILD/fuzz/$program" \
			"tests/fuzz/corpus/$name"
	done
	wait
}

group_fuzz-long()
{
	local program name STRICT=0
	LIMIT=$((${FUZZ_SECONDS:-60} + 120))
	for program in tests/fuzz/fuzz_*.c; do
		program=$(basename "$program" .c)
		name=${program#fuzz_}
		mkdir -p "$BUILD/found/$name"
		while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
			wait -n || :
		done
		run_test "fuzz-long/$name" "$BUILD/fuzz/$program" \
			-max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 \
			-artifact_prefix="$BUILD/found/$name-" -verbosity=0 \
			"$BUILD/found/$name" "tests/fuzz/corpus/$name" &
	done
	wait
}

group_lint()
{
	local script
	for script in tests/lint/*.sh; do
		[ -f "$script" ] || continue
		run_beside "lint/$(basename "$script" .sh)" bash "$script"
	done
	wait
}

start_rgw()
{
	[ -z "${RGW_ENV:-}" ] || return 0
	command -v radosgw >/dev/null || return 0 # the tests will skip
	tests/rgw.sh start "$RUN/rgw"
	export RGW_ENV=$RUN/rgw/env
}

group_shell()
{
	local script
	start_rgw
	for script in tests/shell/*-*.sh; do
		[ -f "$script" ] || continue
		run_beside "shell/$(basename "$script" .sh)" bash "$script"
	done
	wait
}

# What takes minutes; not part of all.
group_long()
{
	local script
	LIMIT=${TEST_TIMEOUT:-3600}
	start_rgw
	for script in tests/long/*.sh; do
		[ -f "$script" ] || continue
		run_test "long/$(basename "$script" .sh)" bash "$script"
	done
}

[ $# -gt 0 ] || set -- all
for group; do
	case $group in
	unit | fuzz | lint | shell | long | fuzz-long) "group_$group" ;;
	all)
		group_unit
		group_fuzz
		group_lint
		group_shell
		;;
	*)
		echo "run.sh: no group '$group'" >&2
		exit 2
		;;
	esac
done

count()
{
	grep -cx "$1" "$RUN/results" || :
}
FAILED=$(count FAIL)
SKIPPED=$(count skip)
SUMMARY="$(count ok) passed, $FAILED failed"
[ "$SKIPPED" = 0 ] || SUMMARY="$SUMMARY, $SKIPPED skipped"
finish
echo "$SUMMARY"
[ "$FAILED" = 0 ]
