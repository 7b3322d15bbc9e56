#!/usr/bin/env bash
# Installs what is missing of Debian's packages: with apt-get when root, else it prints the command
# and exits with 1. Usage: scripts/setup.sh [run|guest|build|test|debian|all]...   (default: all)
#   run    what running a VM needs        guest  what building the demo's guest needs
#   build  what building Dormouse needs   test   what only its tests need
#   debian what building the benchmarks' full Debian needs
#   all    these but debian
# Called before every command that needs it, so it asks no package database: only files and PATH.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

missing=()

# Usage: need PACKAGE TEST...: the package is missing unless the test succeeds.
need() {
  local package=$1
  shift
  "$@" >/dev/null || missing+=("$package")
}

# Is there an executable $1 on the PATH or in the system folders that ordinary users have not on it?
have() { command -v "$1" || [[ -x "/usr/sbin/$1" || -x "/sbin/$1" ]]; }

have_file() { compgen -G "$1"; }

need_for_run() {
  need qemu-system-x86 have qemu-system-x86_64
  need ipxe-qemu test -e /usr/lib/ipxe/qemu/efi-virtio.rom
  need qemu-utils have qemu-img
  need util-linux have flock
}

need_for_guest() {
  # The package busybox has the same command, dynamically linked: useless in an initramfs.
  need busybox-static have_file '/var/lib/dpkg/info/busybox-static.list'
  need gcc have gcc
  need libc6-dev have_file '/usr/lib/*/libc.a'
  need cpio have cpio
  need dpkg have dpkg-deb
  need xz-utils have xz
  need e2fsprogs have mkfs.ext4
}

need_for_build() {
  need util-linux have flock
  need curl have curl
  need git have git
  # An ordinary user needs no package for it: ./mvnw downloads one.
  [[ "$EUID" -ne 0 || -d "$DORMOUSE_CACHE_DIR/maven" ]] || need maven have mvn
}

need_for_test() {
  need ovmf test -e /usr/share/OVMF/OVMF_CODE_4M.fd
  need iproute2 have ip
  need bsdutils have script
  # The console is tested in a browser, with the libraries that npm fetches.
  need npm have npm
  need chromium have chromium
  need chromium-driver have chromedriver
  # The charts of the benchmarks measure their texts.
  need fontconfig have fc-list
  need fonts-dejavu-core have_file '/usr/share/fonts/truetype/dejavu/*.ttf'
}

need_for_debian() {
  need mmdebstrap have mmdebstrap
  need debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
  need e2fsprogs have mkfs.ext4
}

install_missing() {
  local log command
  command="apt-get install --yes --no-install-recommends ${missing[*]}"
  if ! have apt-get >/dev/null; then
    fail "missing: ${missing[*]} (names of Debian's packages): install them, then try again"
  fi
  if [[ "$EUID" -ne 0 ]]; then
    fail "missing: ${missing[*]}: run 'sudo $command', then try again"
  fi

  note "installing ${missing[*]}"
  mkdir --parents "$DORMOUSE_CACHE_DIR"
  log="$DORMOUSE_CACHE_DIR/setup.log"
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update; $command; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    fail "$log: apt-get failed: see above, or run '$command' yourself"
  fi
}

for part in "${@:-all}"; do
  case "$part" in
    run | guest | build | test | debian) "need_for_$part" ;;
    all) need_for_run && need_for_guest && need_for_build && need_for_test ;;
    *) fail "setup: '$part' is not one of run, guest, build, test, debian, all" ;;
  esac
done
[[ "${#missing[@]}" -eq 0 ]] || install_missing
