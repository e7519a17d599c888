#!/bin/sh
# Checks the orders of an hour: data/orders/HH.csv -> out/checks/PARTITION.txt
#
# Orders that can't be right stay wrong however often they are looked at: exit code 3, which the workflow's
# retry_condition leaves out.
set -eu
cd "$(dirname "$0")/.."

partition=$1 # such as 2026-03-29T07
hour=${partition#*T}
orders=data/orders/$hour.csv
if [ ! -f "$orders" ]; then
    echo "$orders isn't there yet"
    exit 20
fi

mkdir -p out/checks
draft=out/checks/.$partition.$$
trap 'rm -f "$draft"' EXIT
if ! awk -F, -v hour="$hour" -v most="${MAX_QUANTITY:-6}" '
    NR == 1 { next }
    { orders++ }
    NF != 5 || $1 !~ "^" hour ":[0-5][0-9]:[0-5][0-9]$" || $4 < 1 || $4 > most || $5 <= 0 {
        print "line " NR " can'\''t be right: " $0
        wrong++
    }
    END { print orders + 0 " orders checked, " wrong + 0 " wrong"; exit wrong > 0 }
' "$orders" >"$draft"; then
    cat "$draft" >&2
    exit 3
fi
mv "$draft" "out/checks/$partition.txt"
cat "out/checks/$partition.txt"
