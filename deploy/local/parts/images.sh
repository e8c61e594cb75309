#!/usr/bin/env bash
# The images that a node without the internet needs: pause, which holds a Pod's
# place; the Kaniko executor; and a Debian to build from. Each is made once,
# kept as one layer outside the checkout, and pushed where the registry lacks it.
. "$(dirname "$0")/../lib.sh"

pause_layer() {
  local root=$1/root
  mkdir "$root"
  # It sleeps until it is told to end, and reaps what its Pod's containers leave.
  gcc -Os -static -o "$root/pause" -x c - <<'C'
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int sig) { exit(0); }
static void reap(int sig) { while (waitpid(-1, NULL, WNOHANG) > 0); }
int main(void) { signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap); for (;;) pause(); }
C
  pack "$root"
}

executor_layer() {
  local root=$1/root
  mkdir -p "$root"/{kaniko/.docker,kaniko/ssl/certs,workspace}
  cp "$BIN/kaniko" "$root/kaniko/executor"
  cp /etc/ssl/certs/ca-certificates.crt "$root/kaniko/ssl/certs/"
  echo '{}' >"$root/kaniko/.docker/config.json"
  pack "$root"
}

# Debian's essential packages, without what nobody reads in a container.
# `usr-is-merged` and its hook: else `usrmerge` brings in the whole of Perl.
base_layer() {
  mmdebstrap --variant=essential --include=usr-is-merged \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --dpkgopt='path-exclude=/usr/share/'{doc,info,locale,man}'/*' \
    bookworm "$1/layer.tar.gz"
}

# pack ROOT: the layer beside ROOT, the same bytes from the same files.
pack() {
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$1" -cf - . | gzip -n >"${1%/*}/layer.tar.gz"
  rm -r "$1"
}

# image REFERENCE NAME LAYER_COMMAND INPUT CRANE_OPTION...: made and pushed,
# and again when the command or its input (a version) is another.
image() {
  local reference=$1 name=$2 command=$3 input=$4 start=$EPOCHREALTIME dir pushed
  shift 4
  dir=$CACHE/$name/$input-$(declare -f "$command" pack | sha256sum | cut -c1-12)
  once "$dir" "$name" "$command"
  # The note lies beside the registry's data, and goes when they go.
  pushed=$LOCAL/registry/$name.pushed
  if [[ $(cat "$pushed" 2>/dev/null) == "$dir $*" ]]; then
    say "$name ... already pushed"
    return
  fi
  {
    "$BIN/crane" append --insecure -f "$dir/layer.tar.gz" -t "$reference" &&
      "$BIN/crane" mutate --insecure "$reference" -t "$reference" --set-platform "$platform" "$@"
  } >"$LOG/$name.log" 2>&1 || fail "$name could not be pushed: $(tail -n 5 "$LOG/$name.log")"
  echo "$dir $*" >"$pushed"
  say "$name ... pushed to $reference ($(seconds "$start"))"
}

platform=linux/$(dpkg --print-architecture)
kaniko=$(basename "$(dirname "$(realpath "$BIN/kaniko")")")

image "$PAUSE_IMAGE" pause-image pause_layer 1 --entrypoint /pause
image "$EXECUTOR_IMAGE" executor-image executor_layer "$kaniko" \
  --entrypoint /kaniko/executor --workdir /workspace \
  --env DOCKER_CONFIG=/kaniko/.docker/ --env SSL_CERT_DIR=/kaniko/ssl/certs \
  --env HOME=/root --env USER=root --env PATH=/usr/local/bin:/kaniko
image "$BASE_IMAGE" base-image base_layer bookworm --cmd /bin/bash \
  --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
