#!/usr/bin/env bash
# Every shell script is clean.
set -eu
cd "$(dirname "$0")/../.."

scripts=()
while read -r script; do
	if [ -f "$script" ] && head -n 1 "$script" | grep -q 'sh$'; then
		scripts+=("$script")
	fi
done < <(git ls-files 2>/dev/null || find . -type f -name '*.sh')
scripts+=(tests/shell/lib.sh)
shellcheck "${scripts[@]}"
