# shellcheck shell=bash disable=SC2034
# Each checkout has 32 ports of its own, below those that the kernel hands out
# to clients (from 32768). Which ones depends on its path, is remembered in
# `.local/ports`, and is registered beside the cache, so that no two checkouts
# ever share a block, whichever of them is up.

# claim_ports: writes `.local/ports`, unless it is there.
claim_ports() {
  local blocks=398 first i base owner
  [[ -s $LOCAL/ports ]] && return
  mkdir -p "$LOCAL" "$CACHE/ports"
  first=$((16#${STACK##*-} % blocks))
  exec 7>"$CACHE/ports/lock"
  flock 7
  for ((i = 0; i < blocks; i++)); do
    base=$((20000 + (first + i) % blocks * 32))
    owner=$(cat "$CACHE/ports/$base" 2>/dev/null || true)
    [[ -z $owner || $owner == "$CHECKOUT" || ! -e $owner/.local/ports ]] || continue
    listening "$base" $((base + 31)) && continue
    echo "$CHECKOUT" >"$CACHE/ports/$base"
    echo "$base" >"$LOCAL/ports"
    exec 7>&-
    return
  done
  fail 'ports: no block of 32 free ports between 20000 and 32735'
}

# listening FIRST LAST: does anything listen on a port of that range?
listening() {
  ss -ltnH | awk -v first="$1" -v last="$2" '
    { n = split($4, part, ":"); if (part[n] >= first && part[n] <= last) found = 1 }
    END { exit !found }'
}

base=$(cat "$LOCAL/ports" 2>/dev/null || echo 0)
PORT_ETCD=$((base))
PORT_ETCD_PEER=$((base + 1))
PORT_APISERVER=$((base + 2))
PORT_CONTROLLER_MANAGER=$((base + 3))
PORT_SCHEDULER=$((base + 4))
PORT_KUBELET=$((base + 5))
PORT_KUBELET_HEALTH=$((base + 6))
PORT_REGISTRY=$((base + 7))
PORT_S3=$((base + 8))
PORT_GIT=$((base + 9))
PORT_GIT_SSH=$((base + 10))
PORT_TEMPORAL=$((base + 11))
PORT_TEMPORAL_UI=$((base + 12))
PORT_TEMPORAL_HTTP=$((base + 13))
PORT_TEMPORAL_METRICS=$((base + 14))
unset base

REGISTRY=localhost:$PORT_REGISTRY
BASE_IMAGE=$REGISTRY/library/debian:bookworm
EXECUTOR_IMAGE=$REGISTRY/kaniko/executor:v1.25.16
PAUSE_IMAGE=$REGISTRY/pause:1
