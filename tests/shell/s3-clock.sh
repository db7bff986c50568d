#!/usr/bin/env bash
# A machine whose clock is hours off is refused once; the server's clock is
# signed with from then on.
. "$(dirname "$0")/lib.sh"
requires_program cc
use_store rgw
make_k "$TMP/k"
start_proxy
cat >"$TMP/skew.c" <<'C'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	if (!r && id == CLOCK_REALTIME)
		ts->tv_sec += atol(getenv("SKEW_S"));
	return r;
}
C
cc -shared -fPIC -o "$TMP/skew.so" "$TMP/skew.c"

# assetctl_skewed SECONDS ARGUMENT...
assetctl_skewed()
{
	local skew=$1
	shift
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
		SKEW_S=$skew LD_PRELOAD=$TMP/skew.so "$ASSETCTL" "$@"
}

for skew in 7200 -86400; do
	log_mark
	assetctl_skewed "$skew" push -q --cache-dir "$TMP/cache$skew" \
		"$TMP/k" "$SRC_URL/at$skew/" || fail "push, $skew s off"
	refused=$(log_lines | awk -F '\t' '$9 == 403' | wc -l)
	# Those that were under way at once are refused together; on a busy
	# machine one is seen by the proxy when another has been sent again.
	first=$(log_lines | awk -F '\t' '$9 == 200 { print $3; exit }')
	late=$(log_lines | awk -F '\t' -v t="$first" \
		'$9 == 403 && $2 > t' | wc -l)
	test "$refused" -ge 1 || fail "nothing was refused: no test"
	test "$late" = 0 || fail "refused again, $late times"
	assetctl_skewed "$skew" pull -q --cache-dir "$TMP/other$skew" \
		"$SRC_URL/at$skew/k" "$TMP/back$skew" || fail "pull, $skew s off"
	test "$(digest "$TMP/back$skew")" = "$(digest "$TMP/k")" ||
		fail "trees differ"
done
