#!/usr/bin/env bash
# kube-apiserver. It reaches the kubelet, and is reached, by certificate only.
. "$(dirname "$0")/../lib.sh"

answers=(http "https://127.0.0.1:$PORT_APISERVER/readyz" --cacert "$PKI/ca.crt"
  --cert "$PKI/admin.crt" --key "$PKI/admin.key")
up_already apiserver "${answers[@]}" && exit

# There is no pod network for the `kubernetes` service to be reached through,
# hence no reconciler of its endpoints.
start_part apiserver "$BIN/kube-apiserver" \
  --etcd-servers "http://127.0.0.1:$PORT_ETCD" \
  --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$PORT_APISERVER" \
  --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/16 \
  --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
  --client-ca-file "$PKI/ca.crt" --authorization-mode Node,RBAC \
  --enable-admission-plugins NodeRestriction --allow-privileged=true \
  --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file "$PKI/service-account.key" \
  --service-account-signing-key-file "$PKI/service-account.key" \
  --kubelet-client-certificate "$PKI/apiserver-kubelet.crt" \
  --kubelet-client-key "$PKI/apiserver-kubelet.key" \
  --kubelet-preferred-address-types InternalIP
wait_for apiserver 90 "${answers[@]}"
