#!/usr/bin/env bash
# The registry, over plain http. It is `localhost:PORT` to everyone.
. "$(dirname "$0")/../lib.sh"

answers=(http "http://127.0.0.1:$PORT_REGISTRY/v2/")
up_already registry "${answers[@]}" && exit

mkdir -p "$ETC" "$LOCAL/registry"
cat >"$ETC/registry.yaml" <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
http: {addr: "127.0.0.1:$PORT_REGISTRY"}
storage:
  filesystem: {rootdirectory: "$LOCAL/registry"}
  delete: {enabled: true}
YAML
# No traces: it would look for a collector on a fixed port.
OTEL_TRACES_EXPORTER=none start_part registry "$BIN/registry" serve "$ETC/registry.yaml"
wait_for registry 20 "${answers[@]}"
