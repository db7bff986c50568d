#!/usr/bin/env bash
# Pushers, renamers, removers, collectors and restorers together, for a minute: see
# tests/long/churn.sh, which goes on for longer.
exec "$(dirname "$0")/../long/churn.sh" 10 "${1:-}"
