#!/usr/bin/env bash
# Pushers, renamers and removers in one tree, collectors and restorers beside them,
# killed at any moment, behind a server that delays, repeats and loses answers and
# whose clock makes leaps: the tree always holds what the histories allow, every
# version can be read in full, and what nothing names goes within two runs of gc.
#
#   tests/long/churn.sh [SECONDS [SEED]]      1800 seconds, a random seed
#
# Each of eight workers changes a directory of its own, so that it knows which
# states are possible: after a success one, after a kill several. In rounds in
# which old versions are restored, what is known is only which contents a file
# has had. Beside them trees are founded crosswise, and one is removed as a whole.
# Content comes back from a stock after it was gone for long, so that pushes find
# what a collector has its eye on. After a third of the time the directories grow
# until the tree is in shards. The clock leaps between rounds, when nobody is at
# work: for a push, an hour of the server is an hour of its own.
. "$(dirname "$0")/../shell/lib.sh"
requires_program "$ASSETCTL" jq
SECONDS_IN_ALL=${1:-1800}
SEED=${2:-$(od -An -N3 -tu4 /dev/urandom | tr -d " ")}
echo "# seed $SEED, $SECONDS_IN_ALL seconds"
WORKERS=8
ROUND=$((SECONDS_IN_ALL < 60 ? 3 : 10))
RESTORED=$((SECONDS_IN_ALL < 60 ? 2 : 6)) # versions, in the end
LATE=2 # seconds after which a request of a killed process has arrived
HOUR=3600

use_store rgw
start_proxy --rtt 2
TREE=$SRC_URL/t
MANY=2500 # small files that each directory gets when it grows
STOCK=40
TRIES=40 # of what has to succeed in the end
mkdir "$TMP/local" "$TMP/state" "$TMP/had" "$TMP/op" "$TMP/stock" "$TMP/many"

# one_in N: true by that chance
one_in()
{
	[ $((RANDOM % $1)) = 0 ]
}

# What a directory holds, in one line.
state_of()
{
	(
		cd "$1"
		find . -type f -print0 | sort -z | xargs -0 -r sha256sum
	) | sha256sum | cut -c 1-32
}

# note_file WORKER NAME: in the history of its contents
note_file()
{
	sha256sum "$TMP/local/$1/$2" | cut -c 1-64 >>"$TMP/had/$1.$2"
}

# write_file WORKER NAME: other content, new or out of the stock
write_file()
{
	local file=$TMP/local/$1/$2
	rm -f "$file"
	if one_in 2; then
		cp "$TMP/stock/$((RANDOM % STOCK))" "$file"
	else
		head -c $((RANDOM * 6 + 1)) /dev/urandom >"$file"
	fi
	note_file "$1" "$2"
}

# write_large WORKER: of 18 MiB, one or two of them of its own
write_large()
{
	local file=$TMP/local/$1/large
	cp "$TMP/stock/large" "$file"
	head -c 1500000 /dev/urandom | dd of="$file" bs=100000 conv=notrunc \
		seek=$((RANDOM % 180)) status=none
	note_file "$1" large
}

# run_op WORKER COMMAND...: 0 done, 1 perhaps done
run_op()
{
	local worker=$1 status=0
	shift
	if one_in 3; then
		timeout -s KILL "0.$((RANDOM % 10))$((RANDOM % 10))" "$@" \
			>"$TMP/op/$worker.log" 2>&1 || status=$?
	else
		"$@" >"$TMP/op/$worker.log" 2>&1 || status=$?
	fi
	[ "$status" != 137 ] || sleep "$LATE" # what it sent may still arrive
	case $status in
	0) echo "$*" >>"$TMP/op/$worker.done" ;;
	137) echo "$*" >>"$TMP/op/$worker.killed" ;;
	*) cat "$TMP/op/$worker.log" >>"$TMP/op/$worker.failed" ;;
	esac
	[ "$status" = 0 ]
}

# must_op WORKER COMMAND...: again and again, until it is done
must_op()
{
	local tries=0
	until run_op "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt "$TRIES" ] || {
			echo "$tries times in vain: $*" >>"$TMP/broken"
			return 0
		}
		[ ! -e "$TMP/stop" ] || sleep 0.2
	done
}

push_some()
{
	local worker=$1 i
	for i in 1 2 3; do
		write_file "$worker" "f$((RANDOM % 12))"
	done
	if [ "$worker" = w1 ] && one_in 4; then
		write_large w1
	fi
	if run_op "$worker" "$ASSETCTL" push -q "$TMP/local/$worker/" \
		"$TREE/$worker"; then
		state_of "$TMP/local/$worker" >"$TMP/state/$worker"
	else
		state_of "$TMP/local/$worker" >>"$TMP/state/$worker"
	fi
}

# What follows is repeated until it is done: a file that may or may not be there
# would be in the way of knowing.
remove_one()
{
	local worker=$1 name=f$((RANDOM % 12))
	if [ -d "$TMP/local/$worker/many" ] && one_in 8; then
		name=many
	fi
	[ -e "$TMP/local/$worker/$name" ] || return 0
	rm -r "$TMP/local/${worker:?}/${name:?}"
	must_op "$worker" "$ASSETCTL" rm -q -r -f "$TREE/$worker/$name"
	state_of "$TMP/local/$worker" >"$TMP/state/$worker"
}

# Others go, one comes, in one commit.
replace_some()
{
	local worker=$1
	rm -f "$TMP/local/$worker/f$((RANDOM % 12))" \
		"$TMP/local/$worker/f$((RANDOM % 12))"
	write_file "$worker" "f$((RANDOM % 12))"
	must_op "$worker" "$ASSETCTL" push -q --delete "$TMP/local/$worker/" \
		"$TREE/$worker"
	state_of "$TMP/local/$worker" >"$TMP/state/$worker"
}

# One gets another name, perhaps that of another; in one commit, without content.
rename_one()
{
	local worker=$1 from=f$((RANDOM % 12)) to=f$((RANDOM % 12))
	if [ "$from" = "$to" ] || [ ! -e "$TMP/local/$worker/$from" ]; then
		return 0
	fi
	mv "$TMP/local/$worker/$from" "$TMP/local/$worker/$to"
	note_file "$worker" "$to"
	must_op "$worker" "$ASSETCTL" push -q --delete "$TMP/local/$worker/" \
		"$TREE/$worker"
	state_of "$TMP/local/$worker" >"$TMP/state/$worker"
}

# Each file by itself: broken off, it leaves some of them.
push_plain()
{
	local worker=$1
	write_file "$worker" "f$((RANDOM % 12))"
	write_file "$worker" "f$((RANDOM % 12))"
	must_op "$worker" "$ASSETCTL" push -q --plain \
		"$TMP/local/$worker/" "$TREE/$worker"
	state_of "$TMP/local/$worker" >"$TMP/state/$worker"
}

# A packed push over plain objects, too, takes effect in more than one step.
push_over_plain()
{
	local worker=$1
	write_file "$worker" "f$((RANDOM % 12))"
	must_op "$worker" "$ASSETCTL" push -q "$TMP/local/$worker/" \
		"$TREE/$worker"
	state_of "$TMP/local/$worker" >"$TMP/state/$worker"
}

# begin_as NAME: a machine of its own, with its own cache
begin_as()
{
	exec 2>>"$TMP/op/$1.bash" # bash tells of each kill
	export ASSETFS_CACHE_DIR=$TMP/cache.$1
	[ -d "$ASSETFS_CACHE_DIR" ] || mkdir -m 700 "$ASSETFS_CACHE_DIR"
}

work()
{
	local worker=$1
	begin_as "$worker"
	while [ ! -e "$TMP/stop" ]; do
		if [ "$worker" = w8 ]; then
			case $((RANDOM % 5)) in
			0 | 1) push_plain w8 ;;
			2 | 3) push_over_plain w8 ;;
			4) remove_one w8 ;;
			esac
			continue
		fi
		# Something may be uncertain: a push makes it certain.
		if one_in 3 && [ "$(wc -l <"$TMP/state/$worker")" = 1 ]; then
			remove_one "$worker"
		elif one_in 4; then
			replace_some "$worker"
		elif one_in 4; then
			rename_one "$worker"
		else
			push_some "$worker"
		fi
	done
}

# pull_now DEST FROM: as it stands, in spite of faults; DEST is not made where
# there is nothing
pull_now()
{
	local tries=0
	while :; do
		rm -rf "$1"
		! "$ASSETCTL" pull -q "$2" "$1" 2>"$1.err" || return 0
		! grep -q "does not exist\|No such file" "$1.err" || return 0
		tries=$((tries + 1))
		[ "$tries" -lt 10 ] || {
			echo "pull $2: $(cat "$1.err")" >>"$TMP/broken"
			return 0
		}
	done
}

# push_as NAME SOURCE DEST: in a process of its own
push_as()
{
	RANDOM=$((SEED + BASHPID))
	begin_as "$1"
	must_op "$1" "$ASSETCTL" push -q "$2" "$3"
}

# Trees founded one above the other, at the same time: both are there.
found()
{
	local dir=$TMP/found i=0
	begin_as found1
	while [ ! -e "$TMP/stop" ]; do
		i=$((i + 1))
		rm -rf "$dir"
		mkdir -p "$dir/all" "$dir/sub"
		head -c $((RANDOM * 9)) /dev/urandom >"$dir/all/a"
		head -c $((RANDOM * 9)) /dev/urandom >"$dir/sub/b"
		push_as found2 "$dir/sub/" "$SRC_URL/x/$1.$i/sub" &
		must_op found1 "$ASSETCTL" push -q "$dir/all/" \
			"$SRC_URL/x/$1.$i"
		wait $! || echo "found2 ended with $?" >>"$TMP/broken"
		pull_now "$dir/back" "$SRC_URL/x/$1.$i"
		cp -a "$dir/sub" "$dir/all/"
		diff -r "$dir/all" "$dir/back" >>"$TMP/broken" 2>&1 || {
			cp -a "$dir" "$TMP/found.broken.$1.$i"
			echo "x/$1.$i" >>"$TMP/broken"
		}
	done
}

# A tree removed as a whole while somebody pushes into it: of what was there
# before nothing is left, and the push is there in full or not at all.
raze()
{
	local dir=$TMP/raze
	begin_as raze1
	while [ ! -e "$TMP/stop" ]; do
		rm -rf "$dir"
		mkdir -p "$dir/one" "$dir/two"
		head -c $((RANDOM * 9)) /dev/urandom >"$dir/one/a"
		cp "$TMP/stock/$((RANDOM % STOCK))" "$dir/one/b"
		head -c $((RANDOM * 9)) /dev/urandom >"$dir/two/a"
		cp "$TMP/stock/$((RANDOM % STOCK))" "$dir/two/b"
		must_op raze1 "$ASSETCTL" push -q "$dir/one/" "$SRC_URL/r/one"
		push_as raze2 "$dir/two/" "$SRC_URL/r/two" &
		must_op raze1 "$ASSETCTL" rm -q -r -f "$SRC_URL/r"
		wait $! || echo "raze2 ended with $?" >>"$TMP/broken"
		pull_now "$dir/back" "$SRC_URL/r"
		if [ -d "$dir/back" ]; then
			rm -rf "$dir/one"
			mkdir "$dir/want"
			mv "$dir/two" "$dir/want"
			diff -r "$dir/want" "$dir/back" >>"$TMP/broken" 2>&1 ||
				echo "r: not what was pushed" >>"$TMP/broken"
		fi
		must_op raze1 "$ASSETCTL" rm -q -r -f "$SRC_URL/r"
		pull_now "$dir/back" "$SRC_URL/r"
		[ ! -d "$dir/back" ] || [ -z "$(ls -A "$dir/back")" ] ||
			echo "r: not gone: $(ls "$dir/back")" >>"$TMP/broken"
	done
}

collect()
{
	begin_as "$1"
	while [ ! -e "$TMP/stop" ]; do
		run_op "$1" "$ASSETCTL" gc -q --yes "$SRC_URL" || :
		sleep "0.$((RANDOM % 10))"
	done
}

restore()
{
	local versions version
	begin_as restore
	while [ ! -e "$TMP/stop" ]; do
		mapfile -t versions < <("$ASSETCTL" log --json "$TREE" \
			2>/dev/null | jq '.versions[] |
			select(.removed | not) | .version')
		version=${versions[RANDOM % (${#versions[@]} + 1)]:-}
		[ -z "$version" ] || run_op restore \
			"$ASSETCTL" log -q --restore "$version" "$TREE" || :
		sleep "0.$((RANDOM % 10))"
	done
}

# Faults for the next seconds. They count from when they are set.
some_faults()
{
	local all=("PUT * $((RANDOM % 8 + 1)) lose-answer"
		"PUT .assetfs-tree- $((RANDOM % 3 + 1)) lose-answer"
		"PUT .assetfs-tree- $((RANDOM % 3 + 1)) twice"
		"PUT .assetfs-tree- $((RANDOM % 3 + 1)) delay $((RANDOM % 1500))"
		"PUT .assetfs/gc/ 1 lose-answer"
		"PUT .assetfs/gc/ 1 twice"
		"PUT .assetfs/index/ $((RANDOM % 3 + 1)) delay $((RANDOM % 1500))"
		"PUT .assetfs/shard/ $((RANDOM % 3 + 1)) lose-answer"
		"PUT .assetfs/blob/ $((RANDOM % 3 + 1)) cut-before"
		"GET .assetfs/ $((RANDOM % 5 + 1)) cut $((RANDOM % 2000))"
		"* * $((RANDOM % 9 + 1)) repeat-answer"
		"DELETE_MANY * 1 twice"
		"DELETE_MANY * 1 delay $((RANDOM % 1500))"
		"DELETE_MANY * 1 lose-answer"
		"LIST * $((RANDOM % 9 + 1)) delay $((RANDOM % 1500))"
		"GET * $((RANDOM % 9 + 1)) delay $((RANDOM % 1500))"
		"* * $((RANDOM % 30 + 1)) status 503 SlowDown"
		"* * $((RANDOM % 30 + 1)) cut-before")
	local chosen=() i
	for i in 1 2 3 4; do
		chosen+=("${all[RANDOM % ${#all[@]}]}")
	done
	set_faults "${chosen[@]}"
}

# one_round NUMBER RESTORES(0|1)
one_round()
{
	local pids=() i end
	rm -f "$TMP/stop"
	for i in $(seq "$WORKERS"); do
		RANDOM=$((SEED + 100 * $1 + i)) && work "w$i" &
		pids+=("$!")
	done
	RANDOM=$((SEED + 100 * $1 + 50)) && collect gc1 &
	pids+=("$!")
	RANDOM=$((SEED + 100 * $1 + 51)) && collect gc2 &
	pids+=("$!")
	if [ "$2" = 1 ]; then
		RANDOM=$((SEED + 100 * $1 + 52)) && restore &
		pids+=("$!")
	fi
	RANDOM=$((SEED + 100 * $1 + 53)) && found "$1" &
	pids+=("$!")
	RANDOM=$((SEED + 100 * $1 + 54)) && raze &
	pids+=("$!")
	end=$((SECONDS + ROUND))
	while [ "$SECONDS" -lt "$end" ]; do
		some_faults
		sleep 1
	done
	set_faults
	touch "$TMP/stop"
	for i in "${pids[@]}"; do
		wait "$i" || fail "a worker ended with $?"
	done
	[ ! -e "$TMP/broken" ] || [ ! -s "$TMP/broken" ] || {
		cat "$TMP"/op/*.failed >&2 || :
		fail "round $1: $(cat "$TMP/broken")"
	}
	sleep "$LATE"
}

# grow_all: each directory gets many small files
grow_all()
{
	local i
	for i in $(seq "$WORKERS"); do
		rm -rf "$TMP/local/w$i/many"
		cp -a "$TMP/many" "$TMP/local/w$i/many"
	done
	"$ASSETCTL" push -q "$TMP/local/" "$TREE"
	for i in $(seq "$WORKERS"); do
		state_of "$TMP/local/w$i" >"$TMP/state/w$i"
	done
}

# All of the tree, each byte of it checked, with no cache to help.
pull_all()
{
	rm -rf "$TMP/back"
	ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.fresh.XXXXXX") \
		"$ASSETCTL" pull -q "$TREE" "$TMP/back" ||
		fail "the tree cannot be read"
	rm -rf "$TMP"/cache.fresh.*
	"$ASSETCTL" verify -q "$SRC_URL" || fail "a place leads nowhere"
}

# Each file has a content that was pushed under its name.
check_contents()
{
	local file worker name
	for file in "$TMP"/back/*/*; do
		[ -e "$file" ] || continue
		if [ -d "$file" ]; then
			! diff -rq "$file" "$TMP/many" | grep -v '^Only in' ||
				fail "$1: '$file' differs"
			continue
		fi
		name=${file##*/}
		worker=${file%/*}
		worker=${worker##*/}
		grep -q "^$(sha256sum "$file" | cut -c 1-64)$" \
			"$TMP/had/$worker.$name" ||
			fail "$1: '$worker/$name' has a content of its own"
	done
}

check_states()
{
	local i
	for i in $(seq "$WORKERS"); do
		mkdir -p "$TMP/back/w$i"
		grep -q "^$(state_of "$TMP/back/w$i")$" "$TMP/state/w$i" || {
			ls -l "$TMP/back/w$i" "$TMP/local/w$i" >&2
			cat "$TMP/op/w$i.failed" >&2 || :
			fail "$1: w$i is in none of $(wc -l \
				<"$TMP/state/w$i") possible states"
		}
	done
}

# From here on it is known again what stands there.
settle()
{
	local i
	for i in $(seq "$WORKERS"); do
		rm -rf "$TMP/local/w$i"
		mkdir -p "$TMP/back/w$i"
		cp -a "$TMP/back/w$i" "$TMP/local/w$i"
		state_of "$TMP/local/w$i" >"$TMP/state/w$i"
	done
}

# ---- the run -----------------------------------------------------------------

RANDOM=$SEED
for i in $(seq 0 $((STOCK - 1))); do
	head -c $((RANDOM * 6 + 1)) /dev/urandom >"$TMP/stock/$i"
done
head -c 18874368 /dev/urandom >"$TMP/stock/large"
for i in $(seq "$MANY"); do
	echo "small file $i" >"$TMP/many/$i"
done
for i in $(seq "$WORKERS"); do
	mkdir "$TMP/local/w$i"
	for name in f0 f1 f2 f3 f4; do
		write_file "w$i" "$name"
	done
done
push_tree "$TMP/local/" "$TREE" -q
cp -a "$TMP/local" "$TMP/back"
settle

round=0
deadline=$((SECONDS + SECONDS_IN_ALL))
while [ "$round" -lt 2 ] || [ "$SECONDS" -lt "$deadline" ]; do
	round=$((round + 1))
	# Now and then what has shrunk grows again.
	[ $((deadline - SECONDS)) -gt $((SECONDS_IN_ALL * 2 / 3)) ] ||
		[ $((round % 5)) != 0 ] || grow_all
	restores=0
	[ $((round % 2)) != 0 ] || restores=1
	one_round "$round" "$restores"
	pull_all
	check_contents "round $round"
	[ "$restores" = 1 ] || check_states "round $round"
	settle
	case $((RANDOM % 3)) in
	1) move_clock $((25 * HOUR)) ;;
	2) move_clock $((8 * 24 * HOUR)) ;;
	esac
done

# Some of the versions that stand there, by restoring them.
mapfile -t versions < <("$ASSETCTL" log --json "$TREE" |
	jq '.versions[] | select(.removed | not) | .version' | tac |
	head -n "$RESTORED")
for version in "${versions[@]}"; do
	"$ASSETCTL" log -q --restore "$version" "$TREE" 2>"$TMP/err" || {
		# What a run has condemned since it is to be pruned.
		grep -q 'condemned' "$TMP/err" || fail "$(cat "$TMP/err")"
		continue
	}
	pull_all
	check_contents "version $version"
done

# gc keeps what is named, and nothing else, however it was interrupted.
move_clock $((8 * 24 * HOUR))
"$ASSETCTL" gc -q --yes "$SRC_URL"
move_clock $((25 * HOUR))
"$ASSETCTL" gc -q --yes "$SRC_URL"
left=$("$ASSETCTL" gc --json -n --yes "$SRC_URL")
test "$(jq '.condemned.objects + .deleted.objects' <<<"$left")" = 0 ||
	fail "two runs later: $left"
pull_all
check_contents "in the end"

# With their versions gone, nothing names anything.
for top in t r x; do
	while keys=$(s3_keys "$top%2F" | grep assetfs-tree-); do
		for key in $keys; do
			s3_curl DELETE "/$BUCKET/$key"
		done
	done
done
move_clock $((8 * 24 * HOUR))
"$ASSETCTL" gc -q --yes "$SRC_URL"
move_clock $((25 * HOUR))
"$ASSETCTL" gc -q --yes "$SRC_URL"
keys=$(s3_keys .assetfs%2F | grep -v '^\.assetfs/gc/' || :)
[ -z "$keys" ] || fail "still there: $keys"

# lines KIND: how many lines workers have noted of that kind
lines()
{
	find "$TMP/op" -name "*.$1" -exec cat {} + | wc -l
}
echo "# $round rounds: $(lines "done") done, $(lines killed) killed, $(lines \
	failed) lines of failures"
find "$TMP/op" -name '*.failed' -exec cat {} + | sed 's/[0-9a-f]\{16,\}/…/g; s/[0-9]\+/N/g' |
	sort | uniq -c | sort -rn | head -n 20
# Most of it has to work, or little was tried.
[ "$(lines "done")" -gt $((2 * $(lines failed))) ] ||
	fail "more failed than was done"
