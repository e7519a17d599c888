#!/bin/sh
# Fails as often as FAILURES says, then succeeds, as uploads do. What it leaves is in the folder of the execution.
set -eu

tries=${STYX_EXECUTION_TRIES:-0} # how many there were before this one
if [ "$tries" -lt "${FAILURES:-2}" ]; then
    echo "try $((tries + 1)): connection reset by peer" >&2
    exit 1
fi
echo "uploaded $1 after $((tries + 1)) tries" | tee "${STYX_RUN_DIR:-.}/receipt.txt"
