# shellcheck shell=bash
# What takes minutes to make is made once and kept outside the checkout, by
# version, for every checkout of this user.

# What to expect of the long ones, seen on a machine with two cores.
declare -A minutes=([cargo-cyclonedx]=4 [kubernetes]=7 [kaniko]=2 [versitygw]=2 [registry]=1 [etcd]=1 [crane]=1 [kwok]=1 [helm]=3 [base-image]=1)

# once DIR WHAT COMMAND...: fills DIR by `COMMAND... TMP`, unless it is there.
# DIR appears whole or not at all, and two checkouts take turns.
once() {
  local dir=$1 what=$2 tmp=$1.tmp log=$CACHE/log/$2.log start=$EPOCHREALTIME
  shift 2
  [[ -d $dir ]] && return
  mkdir -p "$CACHE/log" "${dir%/*}"
  exec 8>"$CACHE/build.lock"
  flock -n 8 || { say "$what ... waiting for another build to end" && flock 8; }
  if [[ ! -d $dir ]]; then
    say "$what ... building${minutes[$what]:+ (about ${minutes[$what]} min on 2 cores)}"
    rm -rf "$tmp"
    mkdir "$tmp"
    # Not `"$@" || ...`: a function called so goes on after a failure in it.
    "$@" "$tmp" >"$log" 2>&1 &
    wait $! || {
      tail -n 20 "$log" >&2
      fail "$what could not be built; the rest of its log: $log"
    }
    mv -T "$tmp" "$dir"
    say "$what ... built ($(seconds "$start"))"
  fi
  exec 8>&-
}
