#!/usr/bin/env bash
# Builds the guest that tests, demo and benchmarks run: kernel, initramfs with the probe, disk.
#
# Usage: build.sh [BINARY_MIB TEXT_MIB]    files on its disk, beside 160 MiB for the work loop: 90 MiB of random
# bytes and 150 MiB of text unless given
#
# Prints the directory that holds vmlinuz, initrd.gz, initrd-agent.gz (the same with QEMU's guest agent), disk.raw and
# manifest.json; progress goes to stderr. The directory is named after the sources in this folder. Once built it is used
# as it is, without network; the kernel is the one that was current then (manifest.json names it). Remove the directory
# to build with today's.
set -o errexit -o nounset -o pipefail
umask 022
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${DORMOUSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dormouse}
epoch=1767225600 # 2026-01-01, the time of everything in the guest: equal sources make equal files
binary_mib=${1:-90}
text_mib=${2:-150}
kernel_package=linux-image-cloud-amd64
agent_package=qemu-guest-agent
modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk virtio_console
  virtio_balloon)
# Beside the agent, which loads them for a test that needs a network: the usual guest has none to answer to.
network_modules=(failover net_failover virtio_net)
probe_sources=(probe.c answer.c work.c workload.c neighbour.c memory.c files.c)
sources=(build.sh init pattern.h probe.h paper/meter.h seedtree.c "${probe_sources[@]}")

say() { echo "guest: $*" >&2; }
die() { say "$*"; exit 1; }

# Debian's names of the packages whose tools are not there.
missing_packages() {
  local pair
  for pair in gcc:gcc mkfs.ext4:e2fsprogs debugfs:e2fsprogs dpkg-deb:dpkg flock:util-linux gzip:gzip; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" > /dev/null || echo "${pair##*:}"
  done
  [ -e /usr/include/stdio.h ] || echo libc6-dev
  [ -n "$(static_busybox)" ] || echo busybox-static
}

static_busybox() {
  local candidate
  for candidate in /bin/busybox /usr/bin/busybox; do
    # ldd fails on a static program; a dynamic one would not start in the guest.
    if [ -x "$candidate" ] && ! ldd "$candidate" > /dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
}

install() { # packages, each once
  [ $# != 0 ] || return 0
  if [ "$(id --user)" = 0 ] && command -v apt-get > /dev/null; then
    say "installing $*"
    { apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 "$@"; } >&2
  else
    die "missing packages; run: sudo apt-get install $*"
  fi
}

install_missing_packages() {
  local missing
  mapfile -t missing < <(missing_packages | sort --unique)
  install "${missing[@]}"
}

# The versioned package behind the one that always names the newest.
kernel_dependency() {
  # Without lists apt-cache fails, which is to say no more than that it knows nothing.
  { apt-cache depends "$kernel_package" 2> /dev/null || true; } | sed --quiet 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head --lines=1
}

fetch_kernel() {
  kernel=$(kernel_dependency)
  if [ -z "$kernel" ] && [ "$(id --user)" = 0 ]; then
    apt-get update --quiet=2 >&2
    kernel=$(kernel_dependency)
  fi
  [ -n "$kernel" ] || die "apt knows no $kernel_package; run: sudo apt-get update"
  download "$kernel"
  dpkg-deb --extract "$work/$kernel"_*.deb "$work/kernel"
  kernel_deb=$(basename "$work/$kernel"_*.deb)
  cp "$work"/kernel/boot/vmlinuz-* "$out/vmlinuz"
}

download() { # package
  say "downloading $1"
  (cd "$work" && apt-get download --quiet=2 "$1" >&2) \
    || die "cannot download $1; check the network, then run: sudo apt-get update"
}

# The agent itself is not installed, the libraries that it is linked to are those of this machine.
fetch_agent() {
  local libraries
  download "$agent_package"
  dpkg-deb --extract "$work/$agent_package"_*.deb "$work/agent"
  agent=$work/agent/usr/sbin/qemu-ga
  if ldd "$agent" | grep --quiet 'not found'; then
    mapfile -t libraries < <(dpkg-deb --field "$work/$agent_package"_*.deb Depends | tr ',|' '\n\n' | awk '{ print $1 }')
    install "${libraries[@]}"
  fi
}

compile() {
  # Vector code is slower than plain code under emulation.
  (cd "$here" && gcc -O2 -fno-tree-vectorize -static -Wall -Wextra -Werror -o "$work/probe" "${probe_sources[@]}")
  gcc -O2 -Wall -Wextra -Werror -o "$work/seedtree" "$here/seedtree.c"
}

# One record of a cpio archive ("newc"). The cpio programs record inode numbers and times of the building machine.
cpio_entry() { # name mode [file | major minor]
  local name=$1 mode=$2 file=${3:-} size=0 major=0 minor=0
  if [ $# = 4 ]; then
    major=$3 minor=$4
  elif [ -n "$file" ]; then
    size=$(stat --dereference --format=%s "$file")
  fi
  inode=$((inode + 1))
  printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\0' "$inode" "0$mode" 0 0 1 "$epoch" "$size" \
    0 0 "$major" "$minor" $((${#name} + 1)) 0 "$name"
  pad $((110 + ${#name} + 1))
  if [ "$size" != 0 ]; then
    cat "$file"
    pad "$size"
  fi
}

pad() { head --bytes=$(((4 - $1 % 4) % 4)) /dev/zero; }

initramfs() {
  local folder module applet inode=0
  for folder in bin dev lib lib/modules mnt proc sys; do
    cpio_entry "$folder" 40755
  done
  cpio_entry dev/console 20600 5 1
  cpio_entry init 100755 "$here/init"
  cpio_entry bin/busybox 100755 "$busybox"
  cpio_entry bin/probe 100755 "$work/probe"
  for module in "${modules[@]}"; do
    cpio_entry "lib/modules/$module.ko" 100644 "$(find "$work/kernel/lib/modules" -name "$module.ko")"
  done
  # init calls these by name; a symbolic link holds its target as a file holds its bytes.
  printf /bin/busybox > "$work/link"
  for applet in cat insmod mount sleep usleep; do
    cpio_entry "bin/$applet" 120777 "$work/link"
  done
  cpio_entry TRAILER!!! 0
}

# What the kernel unpacks beside the initramfs: the agent, its libraries where its loader looks for them, the program by
# which it sets the clock, and the drivers of a network card.
agent_archive() {
  local folder library module inode=0
  for folder in lib lib/x86_64-linux-gnu lib64 run sbin; do
    cpio_entry "$folder" 40755
  done
  for module in "${network_modules[@]}"; do
    cpio_entry "lib/modules/$module.ko" 100644 "$(find "$work/kernel/lib/modules" -name "$module.ko")"
  done
  cpio_entry bin/qemu-ga 100755 "$agent"
  cpio_entry sbin/hwclock 120777 "$work/link"
  while read -r library; do
    cpio_entry "${library#/}" 100755 "$library"
  done < <(ldd "$agent" | grep --only-matching '/[^ ]*')
  cpio_entry TRAILER!!! 0
}

disk() {
  local log="$work/debugfs.log" failure
  mkdir "$work/seed"
  "$work/seedtree" "$work/seed" "$binary_mib" "$text_mib"
  # Room for the files and for what a guest writes; 1 GiB for those of the usual guest.
  truncate --size="$((binary_mib + text_mib > 640 ? (binary_mib + text_mib) / 1024 + 2 : 1))G" "$out/disk.raw"
  # Everything is initialised now: the kernel would do it in the background of the measured guest.
  mkfs.ext4 -q -F -b 4096 -N 8192 -J size=16 -L dormouse -U 646f726d-6f75-4573-8000-000000000001 \
    -E hash_seed=646f726d-6f75-4573-8000-000000000002,lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0 \
    "$out/disk.raw"
  (cd "$work/seed" && debugfs -w -f script "$out/disk.raw" > "$log" 2>&1)
  # debugfs reports errors only in words.
  failure=$(grep --invert-match --extended-regexp '^(debugfs|Allocated inode:)' "$log" | head --lines=1 || true)
  [ -z "$failure" ] || die "debugfs: $failure"
  files=$(wc --lines < "$work/seed/manifest")
  file_bytes=$(awk '{ sum += $2 } END { printf "%d", sum }' "$work/seed/manifest")
}

describe() {
  local name
  echo '{'
  echo '  "formatVersion": 1,'
  echo "  \"sources\": \"$hash\","
  echo "  \"kernelPackage\": \"$kernel_deb\","
  echo '  "append": "console=ttyS0 quiet clearcpuid=erms",'
  echo "  \"files\": $files,"
  echo "  \"fileBytes\": $file_bytes,"
  for name in vmlinuz initrd.gz initrd-agent.gz disk.raw; do
    echo "  \"$name\": {\"bytes\": $(stat --format=%s "$out/$name"), \"sha256\": \"$(sha256sum < "$out/$name" | cut --delimiter=' ' --fields=1)\"},"
  done
  echo "  \"probeReportVersion\": 1"
  echo '}'
}

build() {
  local out=$work/out agent busybox kernel kernel_deb files file_bytes
  mkdir "$out"
  install_missing_packages
  busybox=$(static_busybox)
  fetch_kernel
  fetch_agent
  say "compiling the probe, packing the initramfs"
  compile
  initramfs | gzip --best --no-name > "$out/initrd.gz"
  { cat "$out/initrd.gz" && agent_archive | gzip --best --no-name; } > "$out/initrd-agent.gz"
  say "generating the disk"
  disk
  # For the benchmarks' Debian, paper.sh.
  cp "$work/probe" "$work/seedtree" "$out/"
  describe > "$out/manifest.json"
  # Read-only, so that no VM is started on them by mistake: a VM gets an overlay or a copy.
  chmod 0444 "$out"/*
  touch --date=@"$epoch" "$out"/*
  sync "$out"/* "$out"
  mv --no-target-directory "$out" "$target"
}

export E2FSPROGS_FAKE_TIME=$epoch SOURCE_DATE_EPOCH=$epoch PATH=$PATH:/usr/sbin:/sbin
hash=$(cd "$here" && { sha256sum "${sources[@]}" && echo "$binary_mib $text_mib"; } | sha256sum | cut --characters=1-16)
target=$cache/guest-$hash
if [ ! -e "$target/manifest.json" ]; then
  mkdir --parents "$cache"
  exec 9> "$cache/guest.lock"
  flock 9 || die "cannot lock $cache/guest.lock"
  if [ ! -e "$target/manifest.json" ]; then # nobody else built it while this one waited
    work=$(mktemp --directory "$cache/building.XXXXXX")
    trap 'rm --recursive --force "$work"' EXIT
    build
    say "built $target"
  fi
fi
echo "$target"
