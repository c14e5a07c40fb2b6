#!/usr/bin/env bash
# All tests: first those that may run side by side, then one by one those that measure time.
# run.sh WORKERS PATH...
set -uo pipefail
cd "$(dirname "$0")/.."
# Processes start here by the thousand, and each would compile the same libraries from their sources.
unset PYTHONDONTWRITEBYTECODE
workers=$1
shift

failed=0
run() { .venv/bin/python -m pytest "$@"; }

nothing_to_do=5  # what pytest says when no test was chosen

run -n "$workers" -m "not alone" "$@" || [ $? = $nothing_to_do ] || failed=1
run -m alone "$@" || [ $? = $nothing_to_do ] || failed=1
exit $failed
