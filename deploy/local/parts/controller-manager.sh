#!/usr/bin/env bash
# kube-controller-manager: Jobs, service accounts, what outlives its owner.
. "$(dirname "$0")/../lib.sh"

answers=(http --insecure "https://127.0.0.1:$PORT_CONTROLLER_MANAGER/healthz")
up_already controller-manager "${answers[@]}" && exit

start_part controller-manager "$BIN/kube-controller-manager" \
  --kubeconfig "$PKI/controller-manager.kubeconfig" \
  --bind-address 127.0.0.1 --secure-port "$PORT_CONTROLLER_MANAGER" --leader-elect=false \
  --service-account-private-key-file "$PKI/service-account.key" --root-ca-file "$PKI/ca.crt" \
  --use-service-account-credentials=true --kube-api-qps 200 --kube-api-burst 400
wait_for controller-manager 60 "${answers[@]}"
