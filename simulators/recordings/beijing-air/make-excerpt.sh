#!/bin/sh
# Makes this excerpt: every line of 2015-11-27 to 2016-01-31, as in the original files.
# Usage: make-excerpt.sh <folder with the 12 original PRSA_Data_*.csv or .csv.gz files>
set -eu
source=${1:?usage: make-excerpt.sh <folder with the original files>}
target=$(dirname "$0")
for file in "$source"/PRSA_Data_*_20130301-20170228.csv*; do
  name=$(basename "$file" .gz | sed s/20130301-20170228/20151127-20160131/)
  gzip -cdf "$file" |
    awk -F, 'NR == 1 { print; next } { date = $2 * 10000 + $3 * 100 + $4 } date >= 20151127 && date <= 20160131' |
    gzip -9n >"$target/$name.gz"
done
