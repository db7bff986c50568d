#!/usr/bin/env bash
# What a decoder restores of a bucket of an RGW; see decoder.sh.
. "$(dirname "$0")/decoder.sh"
use_store rgw
check
