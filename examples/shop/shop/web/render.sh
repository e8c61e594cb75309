#!/bin/sh
# Rows of the catalog as a list.
echo '<ul>'
while IFS=, read -r name price; do
  echo "<li>$name at $price</li>"
done
echo '</ul>'
