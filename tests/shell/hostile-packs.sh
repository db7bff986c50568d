#!/usr/bin/env bash
# Tables of contents of packs that lie; see tables.sh.
exec "$(dirname "$0")/tables.sh" pack
