#!/usr/bin/env bash
# By TLS a server is trusted by the authority that is named, or not at all.
. "$(dirname "$0")/lib.sh"
use_store rgw
requires_program openssl
echo content >"$TMP/file"
set_endpoint "$RGW_TLS_ENDPOINT"

# pushes NAME [OPTIONS]: NAME is put, by an own cache
pushes()
{
	"$ASSETCTL" push -q --cache-dir "$TMP/cache-$1" \
		-o "retry_timeout=20${2:+,$2}" "$TMP/file" \
		"$SRC_URL/$1/" 2>"$TMP/says"
}

! pushes unknown || fail "an unknown authority is trusted"
grep -q 'ca_bundle=' "$TMP/says" || fail "no advice: $(cat "$TMP/says")"

pushes named "ca_bundle=$RGW_CA" || fail "the authority: $(cat "$TMP/says")"
AWS_CA_BUNDLE=$RGW_CA pushes environment || fail "AWS_CA_BUNDLE"
pushes any no_check_certificate || fail "no_check_certificate"

# The certificate is that of 127.0.0.1 alone.
set_endpoint "${RGW_TLS_ENDPOINT/127.0.0.1/localhost}"
! pushes other "ca_bundle=$RGW_CA" || fail "another host is trusted"
pushes host "ca_bundle=$RGW_CA,ssl_verify_hostname=0" ||
	fail "ssl_verify_hostname=0: $(cat "$TMP/says")"
! pushes unknown-host ssl_verify_hostname=0 ||
	fail "without the name, an unknown authority is trusted"

set_endpoint "$RGW_TLS_ENDPOINT"
mount_bucket "$SRC_URL" "$MNT" "ca_bundle=$RGW_CA"
test "$(cat "$MNT/named/file")" = content || fail "the mount reads by TLS"
