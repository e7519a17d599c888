#!/bin/sh
# Sums the orders of an hour by product: data/orders/HH.csv -> out/reports/PARTITION.csv
#
# The shipped orders are those of one sample day; they stand for the same hour of any day.
set -eu
cd "$(dirname "$0")/.."

partition=$1 # such as 2026-03-29T07
case $partition in
????-??-??T[0-2][0-9]) ;;
*)
    echo "not an hour: $partition" >&2
    exit 50 # trying again won't help
    ;;
esac

# The report appears as a whole, or not at all.
mkdir -p out/reports
draft=out/reports/.$partition.$$
trap 'rm -f "$draft"' EXIT
{
    echo 'product,quantity,revenue'
    awk -F, '
        NR > 1 { quantity[$3] += $4; revenue[$3] += $4 * $5 }
        END { for (product in revenue) printf "%s,%d,%.2f\n", product, quantity[product], revenue[product] }
    ' "data/orders/${partition#*T}.csv" | LC_ALL=C sort
} >"$draft"
mv "$draft" "out/reports/$partition.csv"
cat "out/reports/$partition.csv"
