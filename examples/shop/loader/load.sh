#!/bin/sh
echo "loaded from a private repository"
