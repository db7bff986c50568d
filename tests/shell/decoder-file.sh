#!/usr/bin/env bash
# What a decoder restores of a directory; see decoder.sh.
. "$(dirname "$0")/decoder.sh"
use_store file
check
