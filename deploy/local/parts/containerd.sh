#!/usr/bin/env bash
# containerd, the node's container runtime: Debian's, with sockets, state and
# images of its own.
. "$(dirname "$0")/../lib.sh"

answers=(ctr --address "$CONTAINERD" --connect-timeout 2s version)
up_already containerd "${answers[@]}" && exit

mkdir -p "$ETC/cni" "$SOCKETS" "$LOCAL/containerd"
chmod 700 "$SOCKETS"
# Pods share the machine's network here: a loopback is all that is asked for.
echo '{"cniVersion": "1.0.0", "name": "lo", "plugins": [{"type": "loopback"}]}' >"$ETC/cni/10-lo.conflist"
# restrict_oom_score_adj: where the machine forbids a lower score, runc fails
# with "can't get final child's PID from pipe".
cat >"$ETC/containerd.toml" <<TOML
version = 2
root = "$LOCAL/containerd"
state = "$SOCKETS/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$CONTAINERD"
[plugins."io.containerd.internal.v1.opt"]
  path = "$LOCAL/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "$PAUSE_IMAGE"
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$ETC/cni"
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."$REGISTRY"]
    endpoint = ["http://$REGISTRY"]
TOML
start_part containerd containerd --config "$ETC/containerd.toml"
wait_for containerd 30 "${answers[@]}"
