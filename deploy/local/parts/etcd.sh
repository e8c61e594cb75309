#!/usr/bin/env bash
# etcd, where the API server keeps its objects. It does not wait for the disk:
# a machine that loses power loses this cluster, and makes another.
. "$(dirname "$0")/../lib.sh"

url=http://127.0.0.1:$PORT_ETCD peer=http://127.0.0.1:$PORT_ETCD_PEER
answers=(http "$url/health")
up_already etcd "${answers[@]}" && exit

mkdir -p "$LOCAL/etcd"
chmod 700 "$LOCAL/etcd"
start_part etcd "$BIN/etcd" --data-dir "$LOCAL/etcd" --unsafe-no-fsync \
  --listen-client-urls "$url" --advertise-client-urls "$url" \
  --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer"
wait_for etcd 30 "${answers[@]}"
