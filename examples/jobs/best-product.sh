#!/bin/sh
# Finds the product that earned most in an hour: out/reports/PARTITION.csv -> out/best/PARTITION.txt
set -eu
cd "$(dirname "$0")/.."

partition=$1 # such as 2026-03-29T07
report=out/reports/$partition.csv
if [ ! -f "$report" ]; then
    echo "$report isn't there yet"
    exit 20 # tried again later, at a tenth of the cost of a failure
fi

mkdir -p out/best
awk -F, 'NR > 1 && $3 > most { most = $3; best = $1 } END { print best, most }' "$report" >"out/best/$partition.txt"
cat "out/best/$partition.txt"
