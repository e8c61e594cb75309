# shellcheck shell=bash disable=SC2034
# What every part of the single-machine stack shares: paths, ports, words, and
# how a process is started, watched and stopped. Sourced, never run.
set -euo pipefail

DEPLOY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
CHECKOUT=${DEPLOY%/deploy/local}
LOCAL=$CHECKOUT/.local
export HOME=${HOME:-/root}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kilnworks
BIN=$LOCAL/bin         # links to the cached binaries of the versions in use
TARGET=${CARGO_TARGET_DIR:-$CHECKOUT/target}/debug # where cargo puts `kiln`
ETC=$LOCAL/etc         # configuration files, written anew at each start
PKI=$LOCAL/pki         # certificates and kubeconfigs
SECRETS=$LOCAL/secrets # passwords and keys, made on first use
PATH=$BIN:$PATH:/usr/sbin:/sbin

# One short name tells this checkout from any other on the machine: it names
# the directory of its sockets (whose paths have 107 bytes at most, where that
# of a checkout may have more) and the cgroup of its Pods.
STACK=kilnworks-$(printf %s "$CHECKOUT" | sha256sum | cut -c1-8)
SOCKETS=/run/$STACK
CONTAINERD=$SOCKETS/containerd.sock
KUBELET_ROOT=$LOCAL/kubelet # the kubelet puts sockets of its own below it
((${#KUBELET_ROOT} < 80)) || KUBELET_ROOT=/var/lib/$STACK

GIT_ROOT=$LOCAL/git
NODE=node1
NAMESPACE=kiln-builds
BUCKET=kiln
KUBECTL=("$BIN/kubectl" --kubeconfig "$PKI/admin.kubeconfig")

. "$DEPLOY/ports.sh"
. "$DEPLOY/process.sh"
. "$DEPLOY/cache.sh"

say() { printf 'stack: %s\n' "$*"; }
fail() {
  printf 'stack: error: %s\n' "$*" >&2
  exit 1
}

# own_local: fails if `.local` belongs to another checkout. The processes noted in it are then that
# checkout's, while the names of sockets and cgroups are this one's: to stop or start a part would
# break the other's node.
own_local() {
  local owner
  [[ ! -L $LOCAL ]] ||
    fail "$LOCAL is a link to $(realpath -m "$LOCAL"), and $CHECKOUT needs a .local of its own: delete the link"
  [[ -s $LOCAL/checkout ]] || return 0
  owner=$(realpath -m "$(<"$LOCAL/checkout")")
  [[ $owner == "$CHECKOUT" ]] ||
    fail "$LOCAL belongs to the checkout $owner, not to $CHECKOUT: use it there, or delete it here"
}

# seconds SINCE: how long ago that was, as `0.4 s`. SINCE is an $EPOCHREALTIME.
seconds() {
  local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
  printf '%d.%d s' $((us / 1000000)) $((us / 100000 % 10))
}

# secret NAME: a random word, made on first use and kept.
secret() {
  (
    umask 077
    mkdir -p "$SECRETS"
    [[ -s $SECRETS/$1 ]] || openssl rand -hex 20 >"$SECRETS/$1"
  )
  cat "$SECRETS/$1"
}
