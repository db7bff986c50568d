#!/usr/bin/env bash
# Each scripted fault on each kind of request of an upload in parts: it
# succeeds, or says truly that it did not, after as many requests as the table
# says.
. "$(dirname "$0")/lib.sh"

use_store rgw
start_proxy
"$BUILD/conform/fault_table" "$SRC_URL" "$RGW_ENDPOINT" "$PROXY_URL" \
	"$PROXY_FAULTS" uploads >"$TMP/out" 2>"$TMP/table.log" || {
	grep -av '^ok' "$TMP/out" || :
	fail "fault_table"
}
