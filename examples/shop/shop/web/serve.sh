#!/bin/sh
echo "$GREETING"
cat /srv/index.html
