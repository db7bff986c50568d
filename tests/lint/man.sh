#!/usr/bin/env bash
# Manual pages are clean mdoc and name every option that the programs print:
# the --long ones of each assetctl verb, and assetfs's words for -o. Every option
# in the synopsis of a verb is one that it takes.
set -eu
cd "$(dirname "$0")/../.."

BUILD=${BUILD:-build}
bad=0
pages=()
for page in man/*.[0-9]; do
	[ ! -f "$page" ] || pages+=("$page")
done
if [ ${#pages[@]} = 0 ]; then
	echo "no manual pages yet"
	exit 77
fi
mandoc -T lint -W warning "${pages[@]}" || bad=1

text=$(for page in "${pages[@]}"; do
	mandoc -T utf8 -O width=200 "$page" | col -bx
done)

# in_pages WORD: it stands there, not as a part of a longer one
in_pages()
{
	grep -qE -- "(^|[^A-Za-z0-9_-])$1([^A-Za-z0-9_-]|\$)" <<<"$text"
}

check_words()
{
	local what=$1 word
	while read -r word; do
		in_pages "$word" || {
			echo "$what prints '$word', which no page explains"
			bad=1
		}
	done
}

if [ -x "$BUILD/assetctl" ]; then
	verbs="push pull ls stat rm warm sync status verify gc log cache doctor"
	for verb in $verbs; do
		check_words "assetctl $verb --help" < <(
			"$BUILD/assetctl" "$verb" --help 2>&1 |
				grep -oE -- '--[a-z0-9][a-z0-9-]*' | sort -u
		)
	done
fi
# synopsis VERB: its options, one a line: "-x" and "--word"
synopsis()
{
	awk -v verb="$1" '/^\.Sh/ { mine = 0; in_it = $2 == "SYNOPSIS" }
		in_it && $1 == ".Nm" { mine = 0 }
		in_it && $1 == ".Cm" { mine = $2 == verb }
		mine && $1 == ".Op" && $2 == "Fl" {
			if ($3 ~ /^-/)
				print "-" $3
			else for (i = 1; i <= length($3); i++)
				print "-" substr($3, i, 1)
		}' man/assetctl.1
}

# A verb that takes the option goes on to --help, or lacks its value.
if [ -x "$BUILD/assetctl" ]; then
	for verb in push pull ls stat rm log gc doctor verify; do
		options=$(synopsis "$verb")
		[ -n "$options" ] || {
			echo "assetctl.1 has no synopsis of $verb"
			bad=1
		}
		while read -r option; do
			case $("$BUILD/assetctl" "$verb" "$option" --help 2>&1) in
			*"unrecognized option"* | *"invalid option"*)
				echo "assetctl $verb takes no $option"
				bad=1
				;;
			esac
		done <<<"$options"
	done
fi
# An option word of the mount is the first word of an indented line.
if [ -x "$BUILD/assetfs" ]; then
	check_words "assetfs --help" < <(
		"$BUILD/assetfs" --help 2>&1 |
			sed -nE 's/^[ \t]+(-o )?([a-z][a-z0-9_]*)(=| |$).*/\2/p' |
			sort -u
	)
fi
exit $bad
