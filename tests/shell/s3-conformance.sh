#!/usr/bin/env bash
# An S3 server, reached over HTTP, behaves as s3/store.h says.
. "$(dirname "$0")/lib.sh"

use_store rgw
for program in store_conform store_crowd; do
	"$BUILD/conform/$program" "$SRC_URL/some/prefix" >"$TMP/out" || {
		grep -av '^ok' "$TMP/out" || :
		fail "$program"
	}
done
test -z "$(s3_keys)" || fail "left behind: $(s3_keys)"
