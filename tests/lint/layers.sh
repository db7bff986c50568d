#!/usr/bin/env bash
# Folders are layers: s3/base < s3 < cache < fs, and tools beside fs. A file
# includes its own layer or a lower one, and each library is seen by one layer.
set -eu
cd "$(dirname "$0")/../.."

{
	for folder in s3/base s3 cache fs tools; do
		for file in "$folder"/*.[ch]; do
			[ ! -f "$file" ] || printf '%s\t%s\n' "$folder" "$file"
		done
	done
} | awk -F '\t' '
BEGIN {
	# Lower layers that a folder may include, besides itself.
	may["s3/base"] = ""
	may["s3"] = "s3/base"
	may["cache"] = "s3 s3/base"
	may["fs"] = "cache s3 s3/base"
	may["tools"] = "cache s3 s3/base"
	# Who may include the headers of a library, by the start of their path.
	owner["curl/"] = "s3"
	owner["libxml/"] = "s3"
	owner["lmdb.h"] = owner["zstd"] = owner["zdict.h"] = "cache"
	owner["fuse"] = "fs"
	owner["openssl/"] = "s3 s3/base"
	owner["jansson.h"] = "s3 tools"
}
function has(list, word) { return index(" " list " ", " " word " ") > 0 }
function complain(what)
{
	printf "%s:%d: %s includes %s, %s\n", file, line_no, folder, path, what
	bad = 1
}
{
	folder = $1
	file = $2
	line_no = 0
	while ((getline line < file) > 0) {
		line_no++
		if (line !~ /^[ \t]*#[ \t]*include/)
			continue
		path = line
		if (line ~ /"/) {
			gsub(/^[^"]*"|".*$/, "", path)
			target = path
			if (!sub(/\/[^\/]*$/, "", target))
				complain("not by its path from the root")
			else if (target != folder && !has(may[folder], target))
				complain("which is not below it")
		} else {
			gsub(/^[^<]*<|>.*$/, "", path)
			for (start in owner)
				if (index(path, start) == 1 &&
				    !has(owner[start], folder))
					complain("a library of " owner[start])
		}
	}
	close(file)
}
END { exit bad }'
