#!/usr/bin/env bash
# Temporal's development server with its UI. In memory: on disk it is about
# four times slower, and what ran before a `down` is not worth that.
. "$(dirname "$0")/../lib.sh"

answers=("$BIN/temporal" operator cluster health --address "127.0.0.1:$PORT_TEMPORAL" --command-timeout 3s)
up_already temporal "${answers[@]}" && exit

attributes=()
for name in App Component Container Version Commit Outcome; do
  attributes+=(--search-attribute "Kiln$name=Keyword")
done
# Fairness keys count only where the matcher is told so.
start_part temporal "$BIN/temporal" server start-dev --ip 127.0.0.1 --port "$PORT_TEMPORAL" \
  --ui-port "$PORT_TEMPORAL_UI" --http-port "$PORT_TEMPORAL_HTTP" --metrics-port "$PORT_TEMPORAL_METRICS" \
  --dynamic-config-value matching.useNewMatcher=true \
  --dynamic-config-value matching.enableFairness=true \
  --dynamic-config-value matching.numTaskqueueReadPartitions=1 \
  --dynamic-config-value matching.numTaskqueueWritePartitions=1 \
  --log-level warn "${attributes[@]}"
wait_for temporal 60 "${answers[@]}"
