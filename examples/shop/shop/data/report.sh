#!/bin/sh
# The sum of all sales.
sum=0
while IFS=, read -r _ count; do
  sum=$((sum + count))
done
echo "sold $sum pieces"
