#!/usr/bin/env bash
# Keys from every source reach the bucket, are renewed under a mount, and leave
# nothing secret in a log of everything.
. "$(dirname "$0")/lib.sh"
requires_program python3 aws
# An RGW of its own: one that gives roles words other failures differently.
unset RGW_ENV
export RGW_STS=true
use_store rgw
export ENDPOINT

# What STS gives is a real session; the services below hand it on.
arn=arn:aws:iam:::role/$BUCKET
iam()
{
	aws --endpoint-url "$RGW_ENDPOINT" iam "$@" --role-name "$BUCKET" \
		>"$TMP/iam" 2>&1 || fail "$(cat "$TMP/iam")"
}
iam create-role --path / --assume-role-policy-document '{"Version":
	"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":
	["arn:aws:iam:::user/tester"]},"Action":["sts:AssumeRole"]}]}'
iam put-role-policy --policy-name all --policy-document '{"Version":
	"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],
	"Resource":"arn:aws:s3:::*"}]}'
aws --endpoint-url "$RGW_ENDPOINT" sts assume-role --role-arn "$arn" \
	--role-session-name test >"$TMP/session" || fail "no session"

cat >"$TMP/server.py" <<'PY'
import http.server, json, sys

keys = json.load(open(sys.argv[1]))["Credentials"]
answer = {"Code": "Success", "Token": keys["SessionToken"]}
answer.update((k, v) for k, v in keys.items() if k != "SessionToken")
ROLES = "/latest/meta-data/iam/security-credentials/"

class Handler(http.server.BaseHTTPRequestHandler):
    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass

    def do_PUT(self):
        self.say(200 if self.path == "/latest/api/token" else 404,
                 "instance-session-token")

    def do_GET(self):
        shown = self.headers.get("x-aws-ec2-metadata-token")
        if self.path == "/container":
            ok = self.headers.get("authorization") == "container-pass-word"
            self.say(*(200, json.dumps(answer)) if ok else (403, "{}"))
        elif shown != "instance-session-token":
            self.say(401, "")
        elif self.path == ROLES:
            self.say(200, "box")
        else:
            self.say(*(200, json.dumps(answer))
                     if self.path == ROLES + "box" else (404, ""))

    def do_POST(self):
        form = self.rfile.read(int(self.headers["content-length"]))
        if b"WebIdentityToken=web-identity-token" not in form:
            return self.say(400, "<Error><Code>Bad</Code></Error>")
        self.say(200, "<A><R><Credentials>%s</Credentials></R></A>" % "".join(
            "<%s>%s</%s>" % (k, v, k) for k, v in keys.items()))

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 "$TMP/server.py" "$TMP/session" >"$TMP/port" 2>/dev/null </dev/null &
record_pid "$!"
cleanup_fn end_process "$!"
wait_until 10 test -s "$TMP/port" || fail "the server is not up"
server=http://127.0.0.1:$(cat "$TMP/port")

echo content >"$TMP/file"
s3_put name "$TMP/file"
access=$AWS_ACCESS_KEY_ID secret=$AWS_SECRET_ACCESS_KEY
printf '%s:%s\n' "$access" "$secret" >"$TMP/passwd"
printf 'web-identity-token\n' >"$TMP/web-token"
printf 'container-pass-word\n' >"$TMP/pass"
chmod 600 "$TMP/passwd"
mkdir "$HOME/.aws"
cat >"$HOME/.aws/credentials" <<FILE
[base]
aws_access_key_id = $access
aws_secret_access_key = $secret
FILE
chmod 600 "$HOME/.aws/credentials"
cat >"$TMP/print-keys" <<'PROGRAM'
#!/bin/sh
# For $1 seconds.
echo run >>"$TMP/runs"
printf '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s","Expiration":"%s"}' \
	"$access" "$secret" "$(date -u -d "+$1 sec" +%FT%TZ)"
PROGRAM
chmod +x "$TMP/print-keys"
export TMP access secret
cat >"$HOME/.aws/config" <<FILE
[profile printed]
credential_process = $TMP/print-keys 3600
[profile short]
credential_process = "$TMP/print-keys" '4'
[profile broken]
credential_process = sh -c 'echo $secret; echo broken on purpose >&2; exit 1'
[profile role]
role_arn = $arn
source_profile = base
duration_seconds = 900
[profile chain]
role_arn = $arn
source_profile = base
external_id = outside
FILE
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

# works SOURCE [NAME=VALUE...] [-- ASSETCTL-ARGUMENT...]
works()
{
	local source=$1 settings=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	[ $# = 0 ] || shift
	env "${settings[@]}" "$ASSETCTL" ls -v -v "$@" "$SRC_URL/" \
		>"$TMP/out" 2>"$TMP/err" || {
		cat "$TMP/err"
		fail "$source"
	}
	cat "$TMP/err" >>"$TMP/all.log"
	grep -q '^name$' "$TMP/out" || fail "$source: name is not listed"
	grep -qF "of $source" "$TMP/err" ||
		fail "$source: $(grep 'access keys' "$TMP/err")"
}

here=AWS_EC2_METADATA_SERVICE_ENDPOINT=$server
works environment AWS_ACCESS_KEY_ID="$access" AWS_SECRET_ACCESS_KEY="$secret"
works "'$TMP/passwd'" -- -o "passwd_file=$TMP/passwd"
works "profile 'base'" AWS_PROFILE=base
works "credential_process '$TMP/print-keys'" AWS_PROFILE=printed
works "role '$arn' (AssumeRole at" AWS_PROFILE=role
works "role '$arn' (AssumeRole at" -- --profile chain
works "role '$arn' (AssumeRoleWithWebIdentity at" AWS_ROLE_ARN="$arn" \
	AWS_WEB_IDENTITY_TOKEN_FILE="$TMP/web-token" \
	AWS_ENDPOINT_URL_STS="$server"
works "container ($server/container)" \
	AWS_CONTAINER_CREDENTIALS_FULL_URI="$server/container" \
	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="$TMP/pass"
works "EC2 instance role 'box'" "$here" AWS_EC2_METADATA_DISABLED=
works "EC2 instance role 'box'" "$here" -- -o iam_role

# fails TEXT [NAME=VALUE...]
fails()
{
	local text=$1
	shift
	! env "$@" "$ASSETCTL" ls -v -v "$SRC_URL/" >"$TMP/out" 2>"$TMP/err" ||
		fail "no failure: $text"
	cat "$TMP/err" >>"$TMP/all.log"
	grep -qF "$text" "$TMP/err" || fail "$text: $(cat "$TMP/err")"
}

fails 'broken on purpose' AWS_PROFILE=broken
fails 'status 403' AWS_CONTAINER_CREDENTIALS_FULL_URI="$server/container" \
	AWS_CONTAINER_AUTHORIZATION_TOKEN=wrong-pass-word
fails "400 Bad" AWS_ROLE_ARN="$arn" AWS_ENDPOINT_URL_STS="$server" \
	AWS_WEB_IDENTITY_TOKEN_FILE="$TMP/file"
chmod 644 "$HOME/.aws/credentials"
fails "chmod 600 '$HOME/.aws/credentials'" AWS_PROFILE=base
chmod 600 "$HOME/.aws/credentials"

# Under a mount the program is run again before its keys end.
: >"$TMP/runs"
mount_bucket "$SRC_URL" "$MNT" profile=short,dbglevel=debug,ttl=0
renewed()
{
	[ "$(wc -l <"$TMP/runs")" -ge 3 ]
}
wait_until 30 renewed || fail "keys of a mount are not renewed"
test "$(cat "$MNT/name")" = content || fail "reading with renewed keys"
umount_bucket
cat "$MNT.log" >>"$TMP/all.log"

grep -c 'access keys' "$TMP/all.log" >"$TMP/count" || fail "nothing was logged"
session_secret=$(python3 -c 'import json, sys
c = json.load(open(sys.argv[1]))["Credentials"]
print(c["SecretAccessKey"], c["SessionToken"][:40])' "$TMP/session")
for text in "$secret" $session_secret web-identity-token container-pass-word \
	wrong-pass-word instance-session-token; do
	! grep -nF "$text" "$TMP/all.log" || fail "in the log: $text"
done
