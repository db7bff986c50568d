#!/usr/bin/env bash
# The variables that name an HTTP proxy are obeyed, by a mount too, and so are the
# exceptions from it.
. "$(dirname "$0")/lib.sh"
requires_fuse
requires_program python3
use_store rgw
echo one >"$TMP/one"
s3_put key "$TMP/one"
direct=$ENDPOINT

# A proxy that takes every host for the RGW.
cat >"$TMP/proxy.py" <<'PYTHON'
import http.client, http.server, sys, urllib.parse

class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        server = http.client.HTTPConnection(sys.argv[1])
        server.putrequest(self.command, url.path + '?' + url.query,
                          skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            server.putheader(name, value)
        server.endheaders()
        reply = server.getresponse()
        body = reply.read()
        self.send_response_only(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ('content-length', 'transfer-encoding'):
                self.send_header(name, value)
        self.send_header('Content-Length',
                         reply.getheader('Content-Length', len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_HEAD = do_GET

server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Proxy)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 "$TMP/proxy.py" "${direct#http://}" >"$TMP/port" 2>"$TMP/proxy.log" &
record_pid "$!"
cleanup_fn end_process "$!"
wait_until 10 test -s "$TMP/port" || fail "no proxy"
through=http://127.0.0.1:$(cat "$TMP/port")

# Only the proxy knows where this is.
set_endpoint http://s3.studio.invalid
options=use_path_request_style,retry_timeout=3
export http_proxy=$through
"$ASSETCTL" ls -o "$options" "$SRC_URL" >"$TMP/list"
grep -qx key "$TMP/list" || fail "ls: $(cat "$TMP/list")"
mount_bucket "$SRC_URL" "$MNT" "$options"
cmp "$TMP/one" "$MNT/key"
umount_bucket
no_proxy=studio.invalid "$ASSETCTL" ls -o "$options" "$SRC_URL" \
	2>"$TMP/err" && fail "no_proxy is not obeyed"
grep -q 'resolve host' "$TMP/err" || fail "$(cat "$TMP/err")"

# Nobody is there, which matters for what is not excepted alone.
export http_proxy=http://127.0.0.1:9
set_endpoint "$direct"
"$ASSETCTL" ls -o "$options" "$SRC_URL" 2>"$TMP/err" && fail "no proxy"
grep -q '127.0.0.1 port 9' "$TMP/err" || fail "$(cat "$TMP/err")"
export no_proxy=127.0.0.1
"$ASSETCTL" ls -o "$options" "$SRC_URL" | grep -qx key || fail "no_proxy"
