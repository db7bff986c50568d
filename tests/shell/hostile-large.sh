#!/usr/bin/env bash
# Tables of contents of large files that lie; see tables.sh.
exec "$(dirname "$0")/tables.sh" large
