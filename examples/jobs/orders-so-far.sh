#!/bin/sh
# Counts the orders of the hour up to a minute: data/orders/HH.csv -> a line of out/orders-so-far.csv
set -eu
cd "$(dirname "$0")/.."

minute=$1 # such as 2026-03-29T07:15:00Z
time=${minute#*T}
hour=${time%%:*}
until=${time%:*}:59

count=$(awk -F, -v until="$until" 'NR > 1 && $1 <= until { n++ } END { print n + 0 }' "data/orders/$hour.csv")
mkdir -p out
echo "$minute,$count" >>out/orders-so-far.csv
echo "$count orders from $hour:00 to ${until%:*}"
