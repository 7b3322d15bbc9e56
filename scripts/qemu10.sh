#!/usr/bin/env bash
# Makes QEMU 10.0 available beside the system's, for tests on both: unpacks it from Debian 12's
# backports into the cache. Changes nothing of the machine: package lists and downloads are private.
#   standard output   the folder whose bin/ holds qemu-system-x86_64 and qemu-img
#   exit code         0 it is there, 3 it cannot be had here (a line "skipped: ..." says why)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

home="$DORMOUSE_CACHE_DIR/qemu-10.0"
packages=(qemu-system-x86 qemu-system-common qemu-system-data seabios qemu-utils)
module_packages=(qemu-system-gui qemu-system-modules-opengl qemu-system-modules-spice qemu-block-extra)
system_modules=/usr/lib/x86_64-linux-gnu/qemu
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

skip() {
  printf 'skipped: QEMU 10.0: %s\n' "$*" >&2
  exit 3
}

# apt-get with nothing but the sources below $work/apt; the installed packages stay visible.
private_apt_get() {
  local options=(
    --option Dir::Etc::SourceList="$work/apt/debian.sources"
    --option Dir::Etc::SourceParts=/dev/null
    --option Dir::Etc::PreferencesParts=/dev/null
    --option Dir::State::Lists="$work/apt/lists"
    --option Dir::Cache="$work/apt/cache"
    --option Acquire::Retries=3
    --option Acquire::http::Timeout=30
    --option APT::Sandbox::User="$(id --user --name)"
  )
  timeout 300 apt-get --quiet "${options[@]}" "$@" </dev/null >>"$log" 2>&1
}

write_sources() {
  mkdir --parents "$work"/apt/{lists,cache/archives}/partial
  cat >"$work/apt/debian.sources" <<EOF
Types: deb
URIs: http://deb.debian.org/debian
Suites: $*
Components: main
Architectures: amd64
Signed-By: $keyring
EOF
}

# Downloads the packages named and unpacks them into the folder $1.
unpack() {
  local into=$1 deb
  shift
  (cd "$work/debs" && private_apt_get download "$@") || return 1
  mkdir --parents "$into"
  for deb in "$work"/debs/*.deb; do
    dpkg-deb --extract "$deb" "$into"
    dpkg-deb --field "$deb" Depends >>"$work/depends"
    rm "$deb"
  done
}

has_all_libraries() {
  ! LD_LIBRARY_PATH="$1" ldd "$work"/root/usr/bin/qemu-{system-x86_64,img} | grep --quiet 'not found'
}

# QEMU looks for its modules in our folder first, but after that in the system's, and ends when it
# meets one of another build there. So each module of the system needs its counterpart here.
shadow_system_modules() {
  local module lacks=
  for module in "$system_modules"/*.so; do
    [[ ! -e "$module" || -e "$work/root$module" ]] || lacks=yes
  done
  [[ -z "$lacks" ]] || unpack "$work/root" "${module_packages[@]}"
}

# Libraries that this machine lacks come from the same suites as QEMU itself: those of its
# dependencies that are not installed.
unpack_libraries() {
  local package
  write_sources bookworm bookworm-backports
  private_apt_get update || return 1
  while read -r package; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep --quiet ' installed$' \
      || unpack "$work/libraries" "$package" \
      || note "$package is not to be had" # Perhaps an alternative; the caller looks at the result.
  done < <(grep --only-matching --extended-regexp '\blib[a-z0-9.+-]+' "$work/depends" | sort --unique)
}

# Wrappers with absolute paths, that start no other process: the process is QEMU's own from exec on.
write_wrapper() {
  local name=$1 arguments=$2 environment="QEMU_MODULE_DIR='$home/root/usr/lib/x86_64-linux-gnu/qemu'"
  [[ ! -d "$work/libraries" ]] \
    || environment+=" LD_LIBRARY_PATH='$home/libraries/usr/lib/x86_64-linux-gnu'"
  mkdir --parents "$work/bin"
  printf '#!/bin/sh\nexport %s\nexec %s %s"$@"\n' "$environment" \
    "'$home/root/usr/bin/$name'" "$arguments" >"$work/bin/$name"
  chmod +x "$work/bin/$name"
}

# Does QEMU start, find its firmware, ROMs and modules, and answer?
answers() {
  printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"quit"}' \
    | timeout 30 "$home/bin/qemu-system-x86_64" -M q35 -accel tcg -display none -S \
      -qmp stdio >>"$log" 2>&1 \
    && ! grep --quiet 'failed to initialize module' "$log" \
    && "$home/bin/qemu-img" --version >>"$log" 2>&1
}

mkdir --parents "$home"
exec 9<"$home"
flock --timeout 600 9 || skip "$home: locked by another process for 10 minutes"
# Again after a change of the system's modules: see shadow_system_modules.
if [[ "$home/complete" -nt "$system_modules" ]]; then
  printf '%s\n' "$home"
  exit 0
fi

[[ "$(uname --machine)" == x86_64 ]] || skip "only for x86-64"
for command in apt-get dpkg-deb ldd; do
  command -v "$command" >/dev/null || skip "no $command: this needs Debian"
done
[[ "$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")" == bookworm ]] \
  || skip "its packages are those of Debian 12's backports, this is another system"
if [[ "$(qemu-system-x86_64 --version 2>/dev/null)" == "QEMU emulator version 1"[0-9].* ]]; then
  skip "the system's own QEMU is that new"
fi
[[ -r "$keyring" ]] || skip "$keyring is missing: sudo apt-get install debian-archive-keyring"

work="$home/new"
log="$home/setup.log"
rm --recursive --force "$work" "$home/root" "$home/libraries" "${home:?}/bin" "$home/complete"
mkdir --parents "$work/debs"
: >"$log"
note "unpacking QEMU 10.0 into $home"
write_sources bookworm-backports
private_apt_get update || skip "$log: no package list: is deb.debian.org reachable?"
unpack "$work/root" "${packages[@]}" || skip "$log: download failed"
shadow_system_modules || skip "$log: download of modules failed"
if ! has_all_libraries "$work/none"; then
  unpack_libraries || skip "$log: libraries that it needs cannot be downloaded"
  has_all_libraries "$work/libraries/usr/lib/x86_64-linux-gnu" || skip "libraries are still missing"
fi

write_wrapper qemu-img ""
data_folders=("$home"/root/usr/share/{qemu,seabios} /usr/share/qemu /usr/lib/ipxe/qemu)
write_wrapper qemu-system-x86_64 "$(printf -- "-L '%s' " "${data_folders[@]}")"
for part in "$work"/{root,libraries,bin}; do
  [[ ! -d "$part" ]] || mv "$part" "$home/"
done
rm --recursive --force "$work"
answers || skip "$log: it was unpacked but does not start"
touch "$home/complete"
printf '%s\n' "$home"
