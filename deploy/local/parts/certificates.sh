#!/usr/bin/env bash
# The cluster's own authority, a certificate for each who speaks to the API
# server, the key that signs service accounts, and the kubeconfigs.
. "$(dirname "$0")/../lib.sh"

umask 077
mkdir -p "$PKI"
cd "$PKI"

# issue NAME SUBJECT [EXTENSION...]: an EC key and a certificate for ten years.
# Without arguments after the subject the certificate is a client's.
issue() {
  local name=$1 subject=$2 by=(-CA ca.crt -CAkey ca.key)
  shift 2
  # An extension makes it an X.509 v3 certificate: rustls takes no older one.
  if [[ $name == ca ]]; then by=(); else set -- basicConstraints=CA:FALSE "$@"; fi
  [[ -s $name.crt ]] && return
  # Its own configuration: that of the machine would make each one an authority.
  openssl req -x509 -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') \
    -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 \
    -subj "$subject" "${by[@]}" "${@/#/-addext=}" -keyout "$name.key" -out "$name.tmp" 2>"$name.log" ||
    fail "certificate $name: $(cat "$name.log")"
  mv "$name.tmp" "$name.crt"
  rm "$name.log"
}

# kubeconfig NAME: for the holder of that certificate.
kubeconfig() {
  local ca crt key
  ca=$(base64 -w0 ca.crt) crt=$(base64 -w0 "$1.crt") key=$(base64 -w0 "$1.key")
  cat >"$1.tmp" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "https://127.0.0.1:$PORT_APISERVER", certificate-authority-data: $ca}}]
users: [{name: $1, user: {client-certificate-data: $crt, client-key-data: $key}}]
contexts: [{name: local, context: {cluster: local, user: $1, namespace: $NAMESPACE}}]
current-context: local
YAML
  mv "$1.tmp" "$1.kubeconfig"
}

issue ca "/CN=$STACK" basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign,cRLSign
issue apiserver /CN=kube-apiserver \
  subjectAltName=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc
issue admin /O=system:masters/CN=admin
issue controller-manager /CN=system:kube-controller-manager
issue scheduler /CN=system:kube-scheduler
issue kubelet "/O=system:nodes/CN=system:node:$NODE"
issue apiserver-kubelet /O=system:masters/CN=kube-apiserver-kubelet
[[ -s service-account.key ]] || openssl genrsa -out service-account.key 2048 2>/dev/null

for name in admin controller-manager scheduler kubelet; do
  [[ -s $name.kubeconfig ]] || kubeconfig "$name"
done
say 'certificates ... ready'
