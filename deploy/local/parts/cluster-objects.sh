#!/usr/bin/env bash
# What the cluster must hold before a build: the namespace, and a Secret for
# each of Kaniko's reads from S3, git over http, and git over ssh.
. "$(dirname "$0")/../lib.sh"

start=$EPOCHREALTIME
encode() { base64 -w0; }
objects=$(
  cat <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: $NAMESPACE}
---
apiVersion: v1
kind: Secret
metadata: {name: kiln-store, namespace: $NAMESPACE}
data:
  AWS_ACCESS_KEY_ID: $(printf reader | encode)
  AWS_SECRET_ACCESS_KEY: $(secret s3-reader | tr -d '\n' | encode)
---
apiVersion: v1
kind: Secret
type: kubernetes.io/basic-auth
metadata: {name: git-private, namespace: $NAMESPACE, annotations: {kiln.io/hosts: "localhost:$PORT_GIT"}}
data:
  username: $(printf kiln | encode)
  password: $(secret git-password | tr -d '\n' | encode)
---
apiVersion: v1
kind: Secret
type: kubernetes.io/ssh-auth
metadata: {name: git-ssh, namespace: $NAMESPACE, annotations: {kiln.io/hosts: "127.0.0.1:$PORT_GIT_SSH"}}
data:
  ssh-privatekey: $(encode <"$LOCAL/ssh/client")
  known_hosts: $(encode <"$LOCAL/ssh/known_hosts")
YAML
)
# Applied once for each wording: asking kubectl takes half a second. The note
# lies with etcd's data, and goes when they go.
wording=$(sha256sum <<<"$objects")
if [[ $(cat "$LOCAL/etcd/objects" 2>/dev/null) == "$wording" ]]; then
  say 'cluster objects ... already there'
  exit
fi
# The namespace may be new: what lies in it waits for it.
message=$("${KUBECTL[@]}" apply --server-side --force-conflicts -f - <<<"$objects" 2>&1) || fail "cluster objects: $message"
# Pods are refused until the controller manager has made their service account.
for ((i = 0; i < 100; i++)); do
  "${KUBECTL[@]}" get serviceaccount default -n "$NAMESPACE" >/dev/null 2>&1 && break
  sleep 0.2
done
((i < 100)) || fail "cluster objects: no default service account in $NAMESPACE; see $LOG/controller-manager.log"
echo "$wording" >"$LOCAL/etcd/objects"
say "cluster objects ... ready ($(seconds "$start"))"
