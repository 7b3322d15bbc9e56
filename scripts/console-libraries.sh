#!/usr/bin/env bash
# Prints the folder of the libraries that the web console loads (noVNC, uPlot): fetched once as packages of the npm
# registry, by npm itself, checked against their SHA-256, and kept as they are, licences included.
# Exits with 3 if there is no npm: the console is built without screens and charts then.
#
# To take newer versions: change the names, sums and the number of the folder, run ConsoleTest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

folder="$DORMOUSE_CACHE_DIR/console-1"
packages=(@novnc/novnc@1.7.0 uplot@1.6.32)
sums="\
32689f18d6abe96bc6530828a6bd0b9ae33bda07c083a6575ed255b5a8f2e903  novnc-novnc-1.7.0.tgz
4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d  uplot-1.6.32.tgz"

# Usage: unpack FILE NAME PATH...: what a page loads of a package, and its licence.
unpack() {
  local file=$1 name=$2
  shift 2
  mkdir "$work/unpacked/$name"
  tar --extract --gzip --file="$work/$file" --directory="$work/unpacked/$name" --strip-components=1 "${@/#/package/}"
}

if [[ ! -e "$folder" ]]; then
  command -v npm >/dev/null || exit 3
  mkdir --parents "$DORMOUSE_CACHE_DIR"
  work="$(mktemp --directory "$DORMOUSE_CACHE_DIR/console.XXXXXX")"
  trap 'rm --recursive --force "$work"' EXIT
  npm pack --silent --pack-destination "$work" "${packages[@]}" >"$work/npm.log" 2>&1 </dev/null \
    || fail "npm pack ${packages[*]} failed: $(tail --lines=3 "$work/npm.log")"
  (cd "$work" && sha256sum --check --quiet <<<"$sums" >&2) \
    || fail "packages of the console: not those that were reviewed, their sums differ from those in $0"
  mkdir "$work/unpacked"
  unpack novnc-novnc-1.7.0.tgz novnc core vendor docs/LICENSE.MPL-2.0 LICENSE.txt AUTHORS package.json
  unpack uplot-1.6.32.tgz uplot dist/uPlot.esm.js dist/uPlot.min.css LICENSE package.json
  mv --no-target-directory "$work/unpacked" "$folder" 2>/dev/null || [[ -e "$folder" ]] # Somebody else was faster.
fi
printf '%s\n' "$folder"
