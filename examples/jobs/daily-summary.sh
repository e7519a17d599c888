#!/bin/sh
# Adds up the 24 hourly reports of a day: out/reports/DAYT??.csv -> out/summaries/DAY.csv
set -eu
cd "$(dirname "$0")/.."

day=$1 # such as 2026-03-29
case $day in
[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]) ;;
*)
    echo "not a day: $day" >&2
    exit 50 # trying again won't help
    ;;
esac

missing=
for hour in 00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do
    [ -f "out/reports/${day}T$hour.csv" ] || missing="$missing $hour"
done
if [ -n "$missing" ]; then
    echo "no report yet of the hours:$missing"
    exit 20 # tried again later, at a tenth of the cost of a failure
fi

# The summary appears as a whole, or not at all.
mkdir -p out/summaries
draft=out/summaries/.$day.$$
trap 'rm -f "$draft"' EXIT
{
    echo 'product,quantity,revenue'
    awk -F, '
        FNR > 1 { quantity[$1] += $2; revenue[$1] += $3 }
        END { for (product in revenue) printf "%s,%d,%.2f\n", product, quantity[product], revenue[product] }
    ' "out/reports/${day}T"??.csv | LC_ALL=C sort
} >"$draft"
mv "$draft" "out/summaries/$day.csv"
cat "out/summaries/$day.csv"
