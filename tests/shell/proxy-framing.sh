#!/usr/bin/env bash
# The proxy finds the end of every kind of message: chunked either way, empty,
# many on one connection, many connections at once, delayed or not.
. "$(dirname "$0")/lib.sh"
requires_program python3

cat >"$TMP/server.py" <<'PYTHON'
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def body(self):
        if self.headers.get('Transfer-Encoding') != 'chunked':
            return self.rfile.read(int(self.headers.get('Content-Length', 0)))
        data = b''
        while size := int(self.rfile.readline().split(b';')[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def do_POST(self):
        data = self.body()
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        for at in range(0, len(data), 7001):
            piece = data[at:at + 7001]
            self.wfile.write(b'%x;x=y\r\n%s\r\n' % (len(piece), piece))
        self.wfile.write(b'0\r\nTrailer: 1\r\n\r\n')

    def do_GET(self):
        if self.path == '/b/empty':
            self.send_response(204)
            self.end_headers()
        elif self.path == '/b/until-close':
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'x' * 100000)
            self.close_connection = True
        else:
            self.send_response(304)
            self.send_header('Content-Length', '5000')
            self.end_headers()

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 "$TMP/server.py" >"$TMP/port" </dev/null &
record_pid $!
cleanup_fn end_process $!
wait_until 10 test -s "$TMP/port" || fail "no server"

head -c 200000 /dev/urandom >"$TMP/content"

requests_logged()
{
	test "$(wc -l <"$PROXY_LOG")" = "$1"
}

# check: the same exchanges whatever the proxy models
check()
{
	local i url=$PROXY_URL/b
	curl -sS -m 20 -o "$TMP/1" --data-binary @"$TMP/content" "$url/echo" \
		--next -sS -m 20 -o "$TMP/2" "$url/empty" \
		--next -sS -m 20 -o "$TMP/3" "$url/same" \
		--next -sS -m 20 -o "$TMP/4" -H 'Transfer-Encoding: chunked' \
		--data-binary @"$TMP/content" "$url/echo" \
		--next -sS -m 20 -o "$TMP/5" "$url/until-close"
	cmp "$TMP/1" "$TMP/content" || fail "chunked answer"
	cmp "$TMP/4" "$TMP/content" || fail "chunked both ways"
	test "$(wc -c <"$TMP/5")" = 100000 || fail "until close"
	test "$(cut -f 9 "$PROXY_LOG" | tr '\n' ' ')" = \
		"200 204 304 200 200 " || fail "statuses"
	test "$(cut -f 4 "$PROXY_LOG" | sort -u | wc -l)" = 1 ||
		fail "not one connection"
	test "$(cut -f 10,11 "$PROXY_LOG" | tr '\t\n' '  ')" = \
		"200000 200000 0 0 0 0 200000 200000 0 100000 " ||
		fail "lengths: $(cut -f 10,11 "$PROXY_LOG")"

	for i in $(seq 8); do
		curl -sS -m 20 -o "$TMP/p$i" --data-binary @"$TMP/content" \
			"$url/echo" -o "$TMP/q$i" "$url/echo" &
	done
	wait_until 20 requests_logged 21 ||
		fail "parallel: $(wc -l <"$PROXY_LOG") requests"
	for i in $(seq 8); do
		wait_until 5 cmp "$TMP/p$i" "$TMP/content" ||
			fail "parallel: content"
		wait_until 5 cmp "$TMP/q$i" "$TMP/content" ||
			fail "parallel: second content"
	done
	test "$(cut -f 12 "$PROXY_LOG" | sort -u)" = - ||
		fail "aborted: $(awk '$12 != "-"' "$PROXY_LOG")"
	end_process "$PROXY_PID"
}

server=127.0.0.1:$(cat "$TMP/port")
to=$server start_proxy
check
to=$server start_proxy --rtt 20 --slow-start --bandwidth 20000000
check
