#!/usr/bin/env bash
# Text files end their lines cleanly, C lines fit on a screen, and nothing is
# left for later.
set -eu
cd "$(dirname "$0")/../.."

git rev-parse --git-dir >/dev/null 2>&1 || {
	echo "needs the git repository"
	exit 77
}
bad=0
# complain WHAT GREP-ARGUMENT...: -I leaves binary files out
complain()
{
	local what=$1
	shift
	if git grep -nI "$@"; then
		echo "^ $what"
		bad=1
	fi
}

# The pattern is written so that it does not find itself.
complain "unfinished" -wE 'TOD[O]|FIXM[E]|XX[X]'
complain "blanks at the end of a line" -E '[[:blank:]]+$' -- \
	':!LICENSE' ':!tests/fuzz/corpus'
# With tabs at their width of eight.
while read -r file; do
	[ -f "$file" ] || continue
	expand "$file" | awk -v file="$file" '
		length > 100 { print file ":" NR ": over 100 columns"; bad = 1 }
		END { exit bad }' || bad=1
done < <(git ls-files '*.c' '*.h')
exit $bad
