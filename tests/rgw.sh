#!/usr/bin/env bash
# A Ceph RGW for tests, on loopback, with everything it needs below one
# directory: one monitor, one OSD that keeps its objects in memory, one
# gateway. No systemd, no ceph user, no fixed port; any number may run.
#
#   tests/rgw.sh start DIR    returns when it serves; DIR must not exist
#   tests/rgw.sh stop DIR     ends what start began and removes DIR
#
# DIR/env is a shell fragment with RGW_ENDPOINT, the same by TLS as
# RGW_TLS_ENDPOINT with the authority RGW_CA, and the AWS_* variables of a
# user who may do anything; another, who owns nothing, has the keys
# guestaccesskey and guestsecretkey. It knows one KMS key, "testkey". Nothing
# outlives stop: this is memory. With RGW_STS=true it gives roles, and tells
# wrong keys by AccessDenied only.
set -eu

usage()
{
	echo "usage: rgw.sh start DIR | stop DIR" >&2
	exit 2
}

[ $# = 2 ] || usage
ACTION=$1
case $2 in
/*) DIR=$2 ;;
*) DIR=$PWD/$2 ;;
esac

# A port nobody listens on. Two starts may still pick the same one: the
# loser's daemon ends, and start_once is tried again.
free_port()
{
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

write_conf()
{
	local mon_port=$1 rgw_port=$2 fsid=$3 tls_port=$4
	cat >"$DIR/ceph.conf" <<CONF
[global]
fsid = $fsid
mon_host = v2:127.0.0.1:$mon_port
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
run_dir = $DIR
admin_socket = $DIR/\$name.asok
pid_file =
crash_dir = $DIR/crash
log_file = $DIR/\$name.log
keyring = $DIR/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data = $DIR/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 0
osd_data = $DIR/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_memory_target = 939524096
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$rgw_port ssl_endpoint=127.0.0.1:$tls_port ssl_certificate=$DIR/tls.pem ssl_private_key=$DIR/tls.key
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey=$(printf '%032d' 7 | base64)
rgw_s3_auth_use_sts = ${RGW_STS:-false}
rgw_sts_key = sixteen-letters.
rgw_thread_pool_size = 256
# Memory of deleted objects comes back soon, not after two hours.
rgw_gc_obj_min_wait = 60
rgw_gc_processor_period = 30
CONF
}

# run_daemon PROGRAM ARGS...: in a session of its own, recorded for stop.
run_daemon()
{
	setsid "$@" -c "$DIR/ceph.conf" -f </dev/null >>"$DIR/daemons.log" 2>&1 &
	LAST_PID=$!
	echo "$LAST_PID" >>"$DIR/pids"
}

# wait_for SECONDS PID COMMAND...: until it succeeds or the daemon is gone.
wait_for()
{
	local tries=$(($1 * 10)) pid=$2
	shift 2
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] && kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.1
	done
}

# An authority of our own and a certificate of it for 127.0.0.1.
make_certificate()
{
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=tests \
		-keyout "$DIR/ca.key" -out "$DIR/ca.pem" &&
		openssl req -newkey rsa:2048 -nodes -subj /CN=rgw \
			-keyout "$DIR/tls.key" -out "$DIR/tls.csr" &&
		openssl x509 -req -in "$DIR/tls.csr" -days 30 -CAcreateserial \
			-CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" \
			-extfile <(echo subjectAltName=IP:127.0.0.1) \
			-out "$DIR/tls.pem"
}

start_once()
{
	local mon_port rgw_port tls_port fsid osd_id name
	mon_port=$(free_port)
	rgw_port=$(free_port)
	tls_port=$(free_port)
	fsid=$(cat /proc/sys/kernel/random/uuid)
	osd_id=$(cat /proc/sys/kernel/random/uuid)

	mkdir -p "$DIR/mon" "$DIR/osd" "$DIR/crash"
	: >"$DIR/pids"
	write_conf "$mon_port" "$rgw_port" "$fsid" "$tls_port"
	make_certificate >>"$DIR/daemons.log" 2>&1 || return 1
	{
		ceph-authtool -C "$DIR/keyring" --gen-key -n mon. \
			--cap mon 'allow *'
		for name in client.admin osd.0 client.rgw; do
			ceph-authtool "$DIR/keyring" --gen-key -n "$name" \
				--cap mon 'allow *' --cap osd 'allow *'
		done
		monmaptool --create --fsid "$fsid" \
			--addv a "[v2:127.0.0.1:$mon_port]" "$DIR/monmap"
		ceph-mon -c "$DIR/ceph.conf" -i a --mkfs \
			--monmap "$DIR/monmap" --keyring "$DIR/keyring"
	} >>"$DIR/daemons.log" 2>&1 || return 1

	run_daemon ceph-mon -i a
	# The monitor believes an OSD only under the id it was announced with.
	wait_for 20 "$LAST_PID" ceph -c "$DIR/ceph.conf" --connect-timeout 5 \
		osd new "$osd_id" || return 1
	ceph-osd -c "$DIR/ceph.conf" -i 0 --mkfs --osd-uuid "$osd_id" \
		>>"$DIR/daemons.log" 2>&1 || return 1
	run_daemon ceph-osd -i 0
	run_daemon radosgw -n client.rgw
	wait_for 60 "$LAST_PID" curl -s -o "$DIR/first-reply" \
		"http://127.0.0.1:$rgw_port/" || return 1
	for name in tester guest; do
		timeout 60 radosgw-admin -c "$DIR/ceph.conf" user create \
			--uid=$name --display-name=$name \
			--access-key=${name%er}accesskey \
			--secret-key=${name%er}secretkey \
			--caps='roles=*' --max-buckets=0 \
			>>"$DIR/daemons.log" 2>&1 || return 1
	done

	cat >"$DIR/env.new" <<ENV
export RGW_ENDPOINT=http://127.0.0.1:$rgw_port
export RGW_TLS_ENDPOINT=https://127.0.0.1:$tls_port
export RGW_CA=$DIR/ca.pem
export AWS_ACCESS_KEY_ID=testaccesskey
export AWS_SECRET_ACCESS_KEY=testsecretkey
export AWS_REGION=us-east-1
export AWS_DEFAULT_REGION=us-east-1
ENV
	mv "$DIR/env.new" "$DIR/env"
}

# Only a process whose command line names our ceph.conf is ours.
ours()
{
	tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF "$DIR/ceph.conf"
}

stop()
{
	local pid pids tries signal
	[ -f "$DIR/ceph.conf" ] || return 0
	mapfile -t pids <"$DIR/pids"
	for signal in TERM KILL; do
		for pid in "${pids[@]}"; do
			if ours "$pid"; then
				kill -s "$signal" "$pid" 2>/dev/null || :
			fi
		done
		for pid in "${pids[@]}"; do
			tries=30
			while ours "$pid" && [ $((tries -= 1)) -gt 0 ]; do
				sleep 0.1
			done
		done
	done
	rm -rf "$DIR"
}

case $ACTION in
start)
	[ ! -e "$DIR" ] || {
		echo "rgw.sh: '$DIR' exists already" >&2
		exit 1
	}
	for attempt in 1 2 3; do
		start_once && exit 0
		echo "rgw.sh: attempt $attempt failed; its log ends with:" >&2
		tail -n 20 "$DIR/daemons.log" >&2
		stop
	done
	exit 1
	;;
stop) stop ;;
*) usage ;;
esac
