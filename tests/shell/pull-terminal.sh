#!/usr/bin/env bash
# On a terminal pull and verify draw their progress and clear it away; Ctrl-C ends
# them with 130, leaves no temporary file, and the next pull completes it.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" python3
start_proxy
new_bucket
mkdir "$TMP/K"
head -c 30000000 /dev/urandom >"$TMP/K/large"
for i in $(seq 50); do
	head -c 10000 /dev/urandom >"$TMP/K/$i"
done
push_tree "$TMP/K" "s3://$BUCKET/" >/dev/null
export ASSETFS_CACHE_DIR=$TMP/cache2

# on_terminal INTERRUPT ARGUMENT...: assetctl in a pty, its output in
# $TMP/screen; with INTERRUPT 1 Ctrl-C is typed once progress out of a total is
# drawn: by then the tree is read and content is being waited for
on_terminal()
{
	TERM=xterm python3 - "$TMP/screen" "$ASSETCTL" "$@" <<'END'
import os, pty, re, select, sys, time
screen, program, interrupt, *arguments = sys.argv[1:]
pid, fd = pty.fork()
if not pid:
    os.execv(program, [program] + arguments)
seen, typed, end = b"", interrupt != "1", time.time() + 60
while time.time() < end:
    if not select.select([fd], [], [], 1)[0]:
        continue
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
    if not typed and re.search(rb"/\d+ files", seen):
        os.write(fd, b"\x03")
        typed = True
else:
    os.kill(pid, 9)
open(screen, "wb").write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
END
}

set_faults 'GET blob * delay 3000'
for verb in pull verify; do
	dest=()
	[ "$verb" = verify ] || dest=("$TMP/out/")
	status=0
	on_terminal 1 "$verb" "s3://$BUCKET/K" "${dest[@]}" || status=$?
	test "$status" = 130 || fail "$verb: exit $status: $(cat "$TMP/screen")"
	grep -qa "$verb .*/[0-9]* files" "$TMP/screen" || fail "$verb: $(cat "$TMP/screen")"
	! grep -qa '^verified' "$TMP/screen" ||
		fail "claims what was not done"
	test -z "$(find "$TMP/out" -name '.assetctl-*' 2>/dev/null)" ||
		fail "temporary files"
done
set_faults
on_terminal 0 pull "s3://$BUCKET/K" "$TMP/out/" || fail "does not complete"
diff <(digest "$TMP/K") <(digest "$TMP/out/K") || fail "trees differ"
tr '\r' '\n' <"$TMP/screen" | grep -q 'pulled .* files' || fail "no summary"
on_terminal 0 pull -q "s3://$BUCKET/K" "$TMP/quiet/" || fail "quiet"
test ! -s "$TMP/screen" || fail "not quiet: $(cat "$TMP/screen")"
