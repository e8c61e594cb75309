#!/usr/bin/env bash
# kube-scheduler: gives each Pod its node, the only one.
. "$(dirname "$0")/../lib.sh"

answers=(http --insecure "https://127.0.0.1:$PORT_SCHEDULER/healthz")
up_already scheduler "${answers[@]}" && exit

mkdir -p "$ETC"
cat >"$ETC/scheduler.yaml" <<YAML
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: "$PKI/scheduler.kubeconfig", qps: 200, burst: 400}
YAML
start_part scheduler "$BIN/kube-scheduler" --config "$ETC/scheduler.yaml" \
  --bind-address 127.0.0.1 --secure-port "$PORT_SCHEDULER"
wait_for scheduler 60 "${answers[@]}"
