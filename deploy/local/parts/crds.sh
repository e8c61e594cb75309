#!/usr/bin/env bash
# Kinds of other projects that the chart makes objects of, so that the API server judges those too.
# Only the kinds are there, out of the projects' Go modules: nothing acts on their objects.
. "$(dirname "$0")/../lib.sh"

crds=(
  github.com/kedacore/keda/v2@v2.20.2
  h1:SR60v8uIcelbveS8n/1jcl8tLdBBIbHMxmdOHw8tKqA=
  config/crd/bases/keda.sh_scaledobjects.yaml

  github.com/prometheus-operator/prometheus-operator@v0.89.0
  h1:2HA351OwWBa10H6TDhjeSdHOA7wiY71sEivg+z2cykk=
  example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml
)

# Verified by its sum here, as no go.sum has it.
downloaded() {
  local module=$1 sum=$2 path=$3 out=$4 told dir
  told=$(cd / && GOFLAGS= go mod download -json "$module")
  grep -qF "\"Sum\": \"$sum\"" <<<"$told" || { echo "$module is not $sum: $told" && return 1; }
  dir=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$told")
  install -m 644 "$dir/$path" "$out/"
}

fetch_crds() {
  for ((i = 0; i < ${#crds[@]}; i += 3)); do
    downloaded "${crds[@]:i:3}" "$1"
  done
}

start=$EPOCHREALTIME
PATH=$PATH:/usr/local/go/bin
key=$(printf '%s\n' "${crds[@]}" | sha256sum | cut -c1-12)
once "$CACHE/crds/$key" crds fetch_crds
# The note lies with etcd's data, and goes when they go.
if [[ $(cat "$LOCAL/etcd/crds" 2>/dev/null) == "$key" ]]; then
  say 'kinds of KEDA and Prometheus ... already there'
  exit
fi
message=$("${KUBECTL[@]}" apply --server-side --force-conflicts -f "$CACHE/crds/$key" 2>&1) || fail "crds: $message"
"${KUBECTL[@]}" wait --for condition=established --timeout 30s -f "$CACHE/crds/$key" >/dev/null
echo "$key" >"$LOCAL/etcd/crds"
say "kinds of KEDA and Prometheus ... ready ($(seconds "$start"))"
