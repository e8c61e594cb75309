# shellcheck shell=bash disable=SC2034
# `.local/env`: what a program needs to know of the stack, as `export` lines.

# What every stack has; the operator of an external one sets them.
REQUIRED=(KUBECONFIG TEMPORAL_ADDRESS KILN_REGISTRY KILN_BASE_IMAGE KILN_EXECUTOR_IMAGE KILN_GIT_URL
  KILN_S3_ENDPOINT KILN_S3_BUCKET KILN_S3_SECRET AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY)
# What has a default, or is of use to some only.
OPTIONAL=(TEMPORAL_NAMESPACE KILN_TEMPORAL_UI KILN_NAMESPACE KILN_REGISTRY_INSECURE AWS_REGION
  KILN_GIT_ROOT KILN_GIT_USER KILN_GIT_PASSWORD KILN_GIT_SSH_URL KILN_GIT_SSH_KEY KILN_GIT_KNOWN_HOSTS
  KILN_POD_TEMPLATE KILN_VOLUME_DIR KILN_VOLUME_HOST_PATH KILN_STACK)

# local_environment: sets them for the stack of this checkout.
local_environment() {
  KUBECONFIG=$PKI/admin.kubeconfig
  TEMPORAL_ADDRESS=127.0.0.1:$PORT_TEMPORAL
  TEMPORAL_NAMESPACE=default
  KILN_TEMPORAL_UI=http://127.0.0.1:$PORT_TEMPORAL_UI
  KILN_NAMESPACE=$NAMESPACE
  KILN_REGISTRY=$REGISTRY
  KILN_REGISTRY_INSECURE=true
  KILN_BASE_IMAGE=$BASE_IMAGE
  KILN_EXECUTOR_IMAGE=$EXECUTOR_IMAGE
  KILN_GIT_ROOT=$GIT_ROOT
  KILN_GIT_URL=http://localhost:$PORT_GIT/git
  KILN_GIT_USER=kiln
  KILN_GIT_PASSWORD=$(secret git-password)
  KILN_GIT_SSH_URL=ssh://root@127.0.0.1:$PORT_GIT_SSH
  KILN_GIT_SSH_KEY=$LOCAL/ssh/client
  KILN_GIT_KNOWN_HOSTS=$LOCAL/ssh/known_hosts
  KILN_S3_ENDPOINT=http://127.0.0.1:$PORT_S3
  KILN_S3_BUCKET=$BUCKET
  KILN_S3_SECRET=kiln-store
  AWS_ACCESS_KEY_ID=worker
  AWS_SECRET_ACCESS_KEY=$(secret s3-worker)
  AWS_REGION="us-east-1"
  KILN_POD_TEMPLATE=$DEPLOY/pod-template.yaml
  KILN_VOLUME_DIR=$LOCAL/volume
  KILN_VOLUME_HOST_PATH=$KILN_VOLUME_DIR
  mkdir -p "$KILN_VOLUME_DIR"
}

# write_env: writes those of them that are set, whole or not at all.
write_env() {
  local name
  {
    echo "# Written by deploy/local/up; source it in any shell."
    for name in "${REQUIRED[@]}" "${OPTIONAL[@]}"; do
      [[ -z ${!name:-} ]] || printf "export %s='%s'\n" "$name" "${!name//\'/\'\\\'\'}"
    done
    printf "export PATH='%s':\"\$PATH\"\n" "$BIN:$TARGET"
  } >"$LOCAL/env.tmp"
  chmod 600 "$LOCAL/env.tmp"
  mv "$LOCAL/env.tmp" "$LOCAL/env"
}
