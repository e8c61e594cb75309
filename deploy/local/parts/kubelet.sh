#!/usr/bin/env bash
# The kubelet: the one node of the cluster. Its port is the only one beyond
# loopback, since it refuses a loopback address for its node; it lets in none
# without a certificate of this cluster's.
. "$(dirname "$0")/../lib.sh"

answers=(http "http://127.0.0.1:$PORT_KUBELET_HEALTH/healthz")
node_ready() {
  "${KUBECTL[@]}" get node "$NODE" -o json | jq -e --argjson since "$since" '.status.conditions[]
    | select(.type == "Ready" and .status == "True" and (.lastHeartbeatTime | fromdate) >= $since)'
}
up_already kubelet "${answers[@]}" && exit

# Pods of this checkout lie below a cgroup of their own, in every hierarchy
# that the machine has (one with cgroup v2).
awk -v stack="$STACK" '$3 ~ /^cgroup/ { print $2 "/" stack }' /proc/mounts | xargs mkdir -p

node_ip=$(ip -4 -o addr show scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
[[ $node_ip ]] || fail 'kubelet: the machine has no IPv4 address but loopback, which a node must have'
mkdir -p "$ETC" "$KUBELET_ROOT"
cat >"$ETC/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
port: $PORT_KUBELET
healthzBindAddress: 127.0.0.1
healthzPort: $PORT_KUBELET_HEALTH
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: "$PKI/ca.crt"}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://$CONTAINERD
cgroupDriver: cgroupfs
cgroupRoot: /$STACK
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
podLogsDir: $KUBELET_ROOT/pod-logs
volumePluginDir: $KUBELET_ROOT/volume-plugins
# Builds fill a disk and leave images behind; a node of one machine has no other
# to move Pods to, so it evicts and collects late.
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 100
maxPods: 250
# Nothing is saved by waiting when the cluster is on the same machine.
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
kubeAPIQPS: 200
kubeAPIBurst: 400
YAML
since=$(date +%s)
start_part kubelet "$BIN/kubelet" --config "$ETC/kubelet.yaml" --kubeconfig "$PKI/kubelet.kubeconfig" \
  --hostname-override "$NODE" --node-ip "$node_ip" --root-dir "$KUBELET_ROOT" --cert-dir "$KUBELET_ROOT/pki"
wait_for kubelet 60 node_ready
