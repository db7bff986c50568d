#!/usr/bin/env bash
# The test of a tree in shards, with 200,000 files.
export MANY_FILES=200000
exec "$(dirname "$0")/../shell/sharded-tree.sh"
