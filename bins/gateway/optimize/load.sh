#!/usr/bin/env bash
# Puts the benchmark's load on a gateway, which some command may start; called by `optimize.sh` and by what that calls.
set -euo pipefail

if [ $# -lt 4 ]; then echo "usage: load.sh NAME SCENARIOS SECONDS COMMAND..." >&2 && exit 2; fi
name=$1 scenarios=$2 seconds=$3
shift 3

printf '#!/bin/sh\nexec %s "$@"\n' "$(printf '%q ' "$@")" >"$COUNTS/$name.sh"
chmod +x "$COUNTS/$name.sh"
if ! "$RELEASED/bench" run --gateway "$COUNTS/$name.sh" --migrator "$RELEASED/migrator" --rounds 1 --seconds "$seconds" \
    --warmup 0.2 --scenarios "$scenarios" >"$COUNTS/$name.txt"; then
    echo "make optimized: the load failed; $COUNTS/$name.txt says how" >&2 && exit 1
fi
