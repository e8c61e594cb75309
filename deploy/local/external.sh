# shellcheck shell=bash
# KILN_STACK=external: a cluster, a Temporal server and stores that are already
# there. Nothing is started; what is needed is looked for, all of it at once.

external_up() {
  local name missing=()
  for name in "${REQUIRED[@]}"; do
    [[ -n ${!name:-} ]] || missing+=("$name")
  done
  ((${#missing[@]} == 0)) || fail "KILN_STACK=external needs these variables, which are not set: ${missing[*]}"
  for name in kubectl temporal curl; do
    command -v "$name" >/dev/null || missing+=("$name")
  done
  ((${#missing[@]} == 0)) || fail "KILN_STACK=external needs these programs on PATH: ${missing[*]}"
  : "${TEMPORAL_NAMESPACE:=default}" "${KILN_NAMESPACE:=kiln-builds}" "${AWS_REGION:=us-east-1}" "${KILN_REGISTRY_INSECURE:=false}"

  reached "cluster of $KUBECONFIG" kubectl version --request-timeout 10s
  reached "Temporal at $TEMPORAL_ADDRESS" \
    temporal operator cluster health --address "$TEMPORAL_ADDRESS" --command-timeout 10s
  reached "registry at $KILN_REGISTRY" registry_answers
  write_env
  say 'KILN_STACK=external: nothing was started; source .local/env to use what is there'
}

# reached WHAT COMMAND...: the command's own words are the reason when it fails.
reached() {
  local what=$1 message
  shift
  message=$("$@" 2>&1) || fail "KILN_STACK=external: the $what does not answer: $message"
  say "$what ... answers"
}

# Any answer to the API's first question will do, also that one must log in.
registry_answers() {
  local scheme=https
  [[ $KILN_REGISTRY_INSECURE != true ]] || scheme=http
  curl --silent --show-error --max-time 10 --output /dev/null --write-out '%{http_code}' \
    "$scheme://$KILN_REGISTRY/v2/" | grep -E '^(200|401)'
}
